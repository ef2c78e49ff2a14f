"""Personal tokens, as the REST interface reads and shows them."""

from rest_framework import serializers

from config.kernel.api.fields import Id, Moment, Name, Permissions, Text
from config.kernel.api.serializers import Body, Record
from config.kernel.permissions import PERSONAL_PERMISSIONS
from keys.models import Key

REFERENCE_LENGTH = 80


class TokenRecord(Record):
    """A personal token. Its plaintext is shown when it is made, and never again."""

    uncounted = ("last_used_at", "last_used_ip")

    id = Id("tok")
    name = serializers.CharField()
    start = serializers.CharField(help_text="Its first characters, to recognize it by.")
    state = serializers.ChoiceField(choices=Key.State.values)
    organization_id = Id("org", allow_null=True, help_text="The one organization it works in; null for all.")
    permissions = Permissions(
        PERSONAL_PERMISSIONS, allow_null=True, help_text="What it is narrowed to; null for all that its person may."
    )
    last_used_at = serializers.DateTimeField(allow_null=True, help_text="Half a minute or more behind.")
    last_used_ip = serializers.IPAddressField(allow_null=True)
    expires_at = serializers.DateTimeField(allow_null=True)
    revoked_at = serializers.DateTimeField(allow_null=True)
    created_at = serializers.DateTimeField()
    updated_at = serializers.DateTimeField()


class IssuedToken(TokenRecord):
    """A personal token that was just made, with its plaintext."""

    token = serializers.CharField(help_text="The token itself, shown this once.")


class NewToken(Body):
    """A new personal token of the caller's."""

    name = Name()
    organization = Text(
        max_length=REFERENCE_LENGTH,
        required=False,
        allow_null=True,
        help_text="The id or slug of the one organization it works in; without it in all of the caller's.",
    )
    permissions = Permissions(PERSONAL_PERMISSIONS, required=False, allow_null=True)
    expires_at = Moment(required=False, allow_null=True)
