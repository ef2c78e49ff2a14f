"""Keys, as the REST interface reads and shows them."""

from typing import Any

from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from config.kernel.api.fields import Choice, Id, Metadata, Moment, Name, Permissions, Text, Whole
from config.kernel.api.serializers import Body, PagedQuery, Record
from config.kernel.permissions import KEY_PERMISSIONS, KEY_PRESETS
from keys.models import Key
from keys.services.keys import LONGEST_OVERLAP, MOST_ADDRESSES

NOTE_LENGTH = 500
NETWORK_LENGTH = 43
OVERLAP = 24 * 3600


class KeyRecord(Record):
    """A key. A secret key's plaintext is shown when it is made, and never again."""

    id = Id("key")
    organization_id = Id("org", source="org_id")
    project_id = Id("prj")
    kind = serializers.ChoiceField(choices=Key.Kind.values)
    mode = serializers.ChoiceField(choices=Key.Mode.values)
    name = serializers.CharField()
    note = serializers.CharField()
    state = serializers.ChoiceField(choices=Key.State.values)
    start = serializers.CharField(help_text="Its first characters, to recognize it by.")
    publishable_key = serializers.SerializerMethodField()
    permissions = Permissions(KEY_PERMISSIONS)
    allowed_ips = serializers.ListField(
        child=serializers.CharField(), help_text="Networks that it may be used from; none allow every address."
    )
    metadata = Metadata()
    expires_at = serializers.DateTimeField(allow_null=True)
    revoked_at = serializers.DateTimeField(allow_null=True)
    created_by = serializers.CharField(help_text="The id of the user or key that made it.")
    replaces = Id("key", source="replaces_id", allow_null=True, help_text="The key that it was rotated from.")
    created_at = serializers.DateTimeField()
    updated_at = serializers.DateTimeField()

    def get_publishable_key(self, key: Key) -> str | None:
        """The whole key, when it is publishable and therefore public."""
        return key.plaintext or None


class IssuedKey(KeyRecord):
    """A key that was just made, with its plaintext."""

    key = serializers.CharField(help_text="The key itself. A secret key is shown this once.")


@extend_schema_field(
    {
        "oneOf": [
            {"type": "string", "enum": sorted(KEY_PRESETS)},
            {"type": "array", "items": {"type": "string", "enum": sorted(KEY_PERMISSIONS)}},
        ]
    }
)
class KeyPermissions(serializers.Field):
    """A preset's name, or a list of permissions."""

    default_error_messages = {"invalid": "Send a preset's name or a list of permissions."}

    def to_internal_value(self, data: Any) -> str | list[str]:
        if isinstance(data, str):
            return Choice(choices=sorted(KEY_PRESETS)).run_validation(data)
        if not isinstance(data, list):
            self.fail("invalid")
        return Permissions(KEY_PERMISSIONS).run_validation(data)

    def to_representation(self, value: Any) -> Any:
        return value


class NewKey(Body):
    """A new key of the project."""

    kind = Choice(choices=Key.Kind.values)
    mode = Choice(choices=Key.Mode.values)
    name = Name()
    note = Text(multiline=True, max_length=NOTE_LENGTH, required=False, allow_blank=True)
    permissions = KeyPermissions(
        required=False, help_text="A preset or a list, for secret keys only; without it the preset `runner`."
    )
    expires_at = Moment(required=False, allow_null=True)
    allowed_ips = serializers.ListField(
        child=Text(max_length=NETWORK_LENGTH),
        max_length=MOST_ADDRESSES,
        required=False,
        help_text="Addresses or networks such as 203.0.113.0/24, for secret keys only; none allow every address.",
    )
    metadata = Metadata(required=False, help_text="Answered whenever the key is verified.")


class KeyChanges(Body):
    """What is left out stays as it is."""

    name = Name(required=False)
    note = Text(multiline=True, max_length=NOTE_LENGTH, required=False, allow_blank=True)


class Rotation(Body):
    """How long the old key goes on working."""

    overlap_seconds = Whole(
        min_value=0,
        max_value=int(LONGEST_OVERLAP.total_seconds()),
        default=OVERLAP,
        help_text="0 ends the old key at once, 2592000 are 30 days.",
    )


class KeyQuery(PagedQuery):
    """Filters of keys."""

    kind = Choice(choices=Key.Kind.values, required=False)
    mode = Choice(choices=Key.Mode.values, required=False)
    state = Choice(choices=Key.State.values, required=False)
