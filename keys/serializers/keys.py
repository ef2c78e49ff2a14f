"""Keys, as the REST interface reads and shows them."""

from typing import Any

from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from config.kernel.api.fields import Choice, Id, Metadata, Moment, Name, Permissions, Text, Whole
from config.kernel.api.serializers import Body, PagedQuery, Record
from config.kernel.permissions import KEY_PERMISSIONS, KEY_PRESETS
from keys.models import Key
from keys.services.keys import LONGEST_OVERLAP
from keys.services.terms import LARGEST_RATE, LONGEST_WINDOW, MOST_ADDRESSES, MOST_USES, RateLimit

NOTE_LENGTH = 500
NETWORK_LENGTH = 43
OVERLAP = 24 * 3600


class RateLimitRecord(serializers.Serializer):
    """So many uses in each window: verifications, and requests to this API."""

    limit = serializers.IntegerField(min_value=1)
    window_seconds = serializers.IntegerField(min_value=1)


class KeyRecord(Record):
    """A key. A secret key's plaintext is shown when it is made, and never again.

    What counts its use (`remaining` and `last_used_at` onwards) is no part of the version that ETag and If-Match name.
    """

    uncounted = ("remaining", "last_used_at", "last_used_ip", "use_count")

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
    rate_limit = serializers.SerializerMethodField()
    remaining = serializers.IntegerField(allow_null=True, help_text="How often it can still be verified; null: always.")
    is_imported = serializers.BooleanField(help_text="Made by another system: it has no checksum.")
    last_used_at = serializers.DateTimeField(
        source="use.last_used_at", allow_null=True, default=None, help_text="Half a minute or more behind."
    )
    last_used_ip = serializers.IPAddressField(source="use.last_ip", allow_null=True, default=None)
    use_count = serializers.IntegerField(source="use.count", default=0)
    leaked_at = serializers.DateTimeField(allow_null=True, help_text="When somebody reported that it leaked.")
    quarantined_at = serializers.DateTimeField(allow_null=True, help_text="Since when it is refused until released.")
    expires_at = serializers.DateTimeField(allow_null=True)
    revoked_at = serializers.DateTimeField(allow_null=True)
    created_by = serializers.CharField(help_text="The id of the user or key that made it.")
    replaces = Id("key", source="replaces_id", allow_null=True, help_text="The key that it was rotated from.")
    created_at = serializers.DateTimeField()
    updated_at = serializers.DateTimeField()

    @extend_schema_field(RateLimitRecord(allow_null=True))
    def get_rate_limit(self, key: Key) -> dict[str, int] | None:
        """Its rate limit; null without one."""
        rate_limit = RateLimit.of(key)
        return rate_limit.told() if rate_limit else None

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


class Networks(serializers.ListField):
    """Addresses and networks."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(
            child=Text(max_length=NETWORK_LENGTH),
            max_length=MOST_ADDRESSES,
            help_text="Addresses or networks such as 203.0.113.0/24, for secret keys only; none allow every address.",
            **kwargs,
        )


class RateLimitBody(Body):
    """So many uses in each window: verifications, and requests to this API."""

    limit = Whole(min_value=1, max_value=LARGEST_RATE)
    window_seconds = Whole(min_value=1, max_value=int(LONGEST_WINDOW.total_seconds()))

    def to_internal_value(self, data: Any) -> RateLimit:
        return RateLimit(**super().to_internal_value(data))


class Uses(Whole):
    """How often a key can be verified."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(min_value=0, max_value=MOST_USES, **kwargs)


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
    allowed_ips = Networks(required=False)
    rate_limit = RateLimitBody(required=False, allow_null=True, help_text="Without it as often as it is used.")
    remaining = Uses(
        required=False, allow_null=True, help_text="How often it can be verified in all; without it always."
    )
    metadata = Metadata(required=False, help_text="Answered whenever the key is verified.")


class KeyChanges(Body):
    """What is left out stays as it is; null takes an end or a limit away."""

    name = Name(required=False)
    note = Text(multiline=True, max_length=NOTE_LENGTH, required=False, allow_blank=True)
    permissions = KeyPermissions(required=False, help_text="A preset or a list, in place of what it may now.")
    expires_at = Moment(required=False, allow_null=True)
    allowed_ips = Networks(required=False)
    rate_limit = RateLimitBody(required=False, allow_null=True)
    remaining = Uses(required=False, allow_null=True, help_text="How often it can be verified from now on.")
    metadata = Metadata(required=False, help_text="In place of all that it has now.")


class Rotation(Body):
    """How long the old key goes on working."""

    overlap_seconds = Whole(
        min_value=0,
        max_value=int(LONGEST_OVERLAP.total_seconds()),
        default=OVERLAP,
        help_text="0 ends the old key at once, 2592000 are 30 days. A key with a limited number of uses takes 0 only.",
    )
    expires_at = Moment(required=False, help_text="When the new key ends; without it when the old one would have.")


class KeyQuery(PagedQuery):
    """Filters of keys."""

    kind = Choice(choices=Key.Kind.values, required=False)
    mode = Choice(choices=Key.Mode.values, required=False)
    state = Choice(choices=Key.State.values, required=False)
