"""What the REST interface reads and shows of credentials."""

from typing import Any

from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from config.kernel.api.fields import Address, Choice, Id, Metadata, Moment, Name, Permissions, Text, Whole
from config.kernel.api.serializers import Body, PagedQuery, Record
from config.kernel.permissions import KEY_PERMISSIONS, KEY_PRESETS, PERSONAL_PERMISSIONS, Permission
from keys.models import Key
from keys.services.keys import LONGEST_OVERLAP, MOST_ADDRESSES
from keys.verification import Code
from orgs.serializers import NewOrganization, OrganizationRecord
from projects.serializers import ProjectRecord

NOTE_LENGTH = 500
NETWORK_LENGTH = 43
OVERLAP = 24 * 3600
BATCH = 100
LONGEST_KEY = 1000
LONGEST_ORIGIN = 300
LARGEST_COST = 1_000_000
REFERENCE_LENGTH = 80
EMAIL_LENGTH = 254
PASSWORD_LENGTH = 4096
BOOTSTRAP_TOKEN_LENGTH = 500


# -- keys ------------------------------------------------------------------------------------------------------------
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


# -- verification ----------------------------------------------------------------------------------------------------
class KeyQuestion(Body):
    """May this key, from this origin and address, do this?"""

    key = Text(max_length=LONGEST_KEY, trim_whitespace=False, allow_blank=True)
    origin = Text(
        max_length=LONGEST_ORIGIN, required=False, allow_null=True, help_text="The Origin header that it came with."
    )
    ip = Address(required=False, allow_null=True, help_text="The address that it came from.")
    permission = Choice(choices=sorted(p.value for p in Permission), required=False, allow_null=True)
    cost = Whole(min_value=1, max_value=LARGEST_COST, default=1, help_text="How many requests this one counts for.")


@extend_schema_field(
    {
        "type": "array",
        "minItems": 1,
        "maxItems": BATCH,
        "items": {"oneOf": [{"type": "string"}, {"$ref": "#/components/schemas/KeyQuestionRequest"}]},
    }
)
class KeyQuestions(serializers.ListField):
    """Questions; a bare string asks about the key alone."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(child=KeyQuestion(), min_length=1, max_length=BATCH, **kwargs)

    def to_internal_value(self, data: Any) -> list[Any]:
        if isinstance(data, list):
            data = [{"key": item} if isinstance(item, str) else item for item in data]
        return super().to_internal_value(data)


class KeyBatch(Body):
    """Several questions at once."""

    keys = KeyQuestions()


class RateLimit(Record):
    """What is left of a key's rate limit."""

    limit = serializers.IntegerField()
    remaining = serializers.IntegerField()
    reset = serializers.IntegerField(help_text="Seconds until the window begins anew.")


class VerificationRecord(Record):
    """Whether to let a key pass, and the first cause that applies. Of a key that was not found nothing is told."""

    valid = serializers.BooleanField()
    code = serializers.ChoiceField(choices=[code.value for code in Code])
    key_id = serializers.CharField(allow_null=True)
    organization_id = serializers.CharField(allow_null=True)
    project_id = serializers.CharField(allow_null=True)
    kind = serializers.ChoiceField(choices=Key.Kind.values, allow_null=True)
    mode = serializers.ChoiceField(choices=Key.Mode.values, allow_null=True)
    permissions = Permissions(KEY_PERMISSIONS)
    plan = serializers.CharField(allow_null=True)
    metadata = Metadata()
    expires_at = serializers.DateTimeField(allow_null=True)
    ratelimit = RateLimit(allow_null=True)
    remaining = serializers.IntegerField(allow_null=True)


class VerificationRecords(Record):
    """One answer for each question, in order."""

    data = VerificationRecord(many=True)  # type: ignore[assignment]  # DRF takes declared fields out of the class


# -- personal tokens -------------------------------------------------------------------------------------------------
class TokenRecord(Record):
    """A personal token. Its plaintext is shown when it is made, and never again."""

    id = Id("tok")
    name = serializers.CharField()
    start = serializers.CharField(help_text="Its first characters, to recognize it by.")
    state = serializers.ChoiceField(choices=Key.State.values)
    organization_id = Id("org", allow_null=True, help_text="The one organization it works in; null for all.")
    permissions = Permissions(
        PERSONAL_PERMISSIONS, allow_null=True, help_text="What it is narrowed to; null for all that its person may."
    )
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


# -- people ----------------------------------------------------------------------------------------------------------
class PersonRecord(Record):
    """A person."""

    id = Id("usr")
    email = serializers.EmailField()
    name = serializers.CharField()


# -- first start -----------------------------------------------------------------------------------------------------
class NewInstallation(Body):
    """The first staff user and their organization."""

    email = Text(max_length=EMAIL_LENGTH)
    password = Text(max_length=PASSWORD_LENGTH, trim_whitespace=False)
    name = Name(required=False, allow_blank=True)
    organization = NewOrganization()
    token = Text(
        max_length=BOOTSTRAP_TOKEN_LENGTH,
        required=False,
        allow_blank=True,
        trim_whitespace=False,
        help_text="The operator's TENANTRY_BOOTSTRAP_TOKEN, in the mode `token`.",
    )


class FirstStartRecord(Record):
    """What the first start made."""

    organization = OrganizationRecord()
    user = PersonRecord()
    token = serializers.CharField(help_text="A personal token of the user's, shown this once.")


class BootstrapStatus(Record):
    """Whether the first start is still to be made."""

    bootstrap_available = serializers.BooleanField()


# -- whoami ----------------------------------------------------------------------------------------------------------
class CallerRecord(Record):
    """The caller. A person has `user`, `token` and any number of organizations, a key has `key` and `project`."""

    kind = serializers.ChoiceField(choices=["user", "key"])
    id = serializers.CharField(help_text="The id that the ledger names the caller by.")
    user = PersonRecord(allow_null=True)
    token = TokenRecord(allow_null=True)
    key = KeyRecord(allow_null=True)
    project = ProjectRecord(allow_null=True)
    organizations = OrganizationRecord(many=True, help_text="The newest hundred; `orgs` lists all.")
    permissions = Permissions(
        frozenset(Permission),
        allow_null=True,
        help_text="What the credential carries: a key's permissions, or what a personal token is narrowed to.",
    )
