"""Endpoints, as the REST interface reads and shows them."""

from typing import Any

from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from config.kernel.addresses import LONGEST_URL
from config.kernel.api.fields import Flag, Id, Moment, Text, Whole
from config.kernel.api.serializers import Body, Record
from webhooks.models import Endpoint
from webhooks.models.endpoint import MOST_HEADERS, MOST_PATTERNS
from webhooks.selectors import Word, health_of, healths_of
from webhooks.services.addresses import LONGEST_NAME, LONGEST_VALUE
from webhooks.services.secrets import DEFAULT_OVERLAP, LONGEST_OVERLAP

REFERENCE_LENGTH = 80
DESCRIPTION_LENGTH = 200
PATTERN_LENGTH = 80


# -- what is shown ---------------------------------------------------------------------------------------------------
class HealthRecord(Record):
    """How the attempts of the last 24 hours went."""

    word = serializers.ChoiceField(
        choices=[word.value for word in Word],
        help_text="`quiet`: nothing was sent, or nothing since it was enabled or got its address.",
    )
    delivered = serializers.IntegerField(min_value=0, help_text="Attempts that delivered.")
    failed = serializers.IntegerField(min_value=0, help_text="Attempts that did not.")
    mean_milliseconds = serializers.IntegerField(source="mean", allow_null=True, help_text="Null without attempts.")
    slowest_milliseconds = serializers.IntegerField(source="slowest", allow_null=True)
    failing_since = serializers.DateTimeField(
        allow_null=True, help_text="The first failed attempt after which none succeeded. Five days of it disable."
    )


class _Endpoints(serializers.ListSerializer):
    """A page of endpoints, whose health is read at once."""

    def to_representation(self, data: Any) -> Any:
        rows: list[Endpoint] = list(data)
        healths = healths_of(rows)
        for row in rows:
            row.health = healths[row.id]  # type: ignore[attr-defined] # read by get_health
        return super().to_representation(rows)


class EndpointRecord(Record):
    """An endpoint. Its secret is shown when it is made, the values of its headers never."""

    uncounted = ("health",)

    id = Id("whe")
    organization_id = Id("org", source="org_id")
    project_id = Id("prj", allow_null=True, help_text="Whose events it gets; null for the whole organization's.")
    url = serializers.CharField()
    description = serializers.CharField()
    events = serializers.ListField(
        child=serializers.CharField(), help_text="Names, `key.*` for every event of a noun, `*` for all."
    )
    header_names = serializers.ListField(child=serializers.CharField(), help_text="Headers of yours that go along.")
    enabled = serializers.BooleanField(source="is_enabled")
    disabled_cause = serializers.SerializerMethodField(help_text="Null while it is enabled.")
    disabled_at = serializers.DateTimeField(allow_null=True)
    previous_secret_ends_at = serializers.DateTimeField(
        allow_null=True, help_text="Until when the secret before the present one signs, too."
    )
    verifying_key = serializers.SerializerMethodField(
        help_text="`whpk_` and the public Ed25519 key in base64, by which `v1a` is verified; null without one."
    )
    health = serializers.SerializerMethodField()
    created_by = serializers.CharField(help_text="The id of whoever made it.")
    created_at = serializers.DateTimeField()
    updated_at = serializers.DateTimeField()

    class Meta:
        list_serializer_class = _Endpoints

    @extend_schema_field(serializers.ChoiceField(choices=Endpoint.Cause.values, allow_null=True))
    def get_disabled_cause(self, row: Endpoint) -> str | None:
        """By name."""
        return row.disabled_cause or None

    def get_verifying_key(self, row: Endpoint) -> str | None:
        """As Standard Webhooks writes it."""
        return row.verifying_key or None

    @extend_schema_field(HealthRecord)
    def get_health(self, row: Endpoint) -> Any:
        """Of a page, or of this one."""
        return HealthRecord(getattr(row, "health", None) or health_of(row)).data


class IssuedEndpoint(EndpointRecord):
    """An endpoint with a secret that was just made."""

    secret = serializers.CharField(help_text="`whsec_…`, what its deliveries are signed with. Shown this once.")


class DeletionRecord(Record):
    """What deleting an endpoint would take along."""

    deliveries = serializers.IntegerField(min_value=0)
    pending = serializers.IntegerField(min_value=0, help_text="Those that are still to be made.")


class ReplayRecord(Record):
    """A replay that was asked for."""

    endpoint_id = Id("whe")
    since = serializers.DateTimeField()


# -- what is read ----------------------------------------------------------------------------------------------------
@extend_schema_field(
    {
        "type": "object",
        "maxProperties": MOST_HEADERS,
        "propertyNames": {"minLength": 1, "maxLength": LONGEST_NAME},
        "additionalProperties": {"type": "string", "minLength": 1, "maxLength": LONGEST_VALUE},
    }
)
class Headers(serializers.Field):
    """Values by name of header; services say which may be."""

    default_error_messages = {"invalid": "Send an object of strings: the values by the names of the headers."}

    def to_internal_value(self, data: Any) -> dict[str, str]:
        if not isinstance(data, dict) or not all(isinstance(value, str) for value in data.values()):
            self.fail("invalid")
        return data

    def to_representation(self, value: Any) -> Any:
        return value


class Patterns(serializers.ListField):
    """What an endpoint wants to hear of."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(
            child=Text(max_length=PATTERN_LENGTH),
            min_length=1,
            max_length=MOST_PATTERNS,
            help_text="Names of events, `key.*` for every event of a noun, `*` for all; `event-types` lists them.",
            **kwargs,
        )


class Url(Text):
    """Where deliveries go."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(
            max_length=LONGEST_URL,
            help_text="https, at a public address, without user name, password and fragment.",
            **kwargs,
        )


class ProjectReference(Text):
    """The project that an endpoint is narrowed to."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(
            max_length=REFERENCE_LENGTH,
            allow_null=True,
            required=False,
            help_text="The id or slug of the one project whose events it gets; null for the whole organization's.",
            **kwargs,
        )


class Description(Text):
    """What people call an endpoint."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(max_length=DESCRIPTION_LENGTH, required=False, allow_blank=True, **kwargs)


class NewEndpoint(Body):
    """An endpoint to make."""

    url = Url()
    events = Patterns()
    project = ProjectReference()
    description = Description()
    headers = Headers(required=False, help_text="Headers that go along, such as Authorization; values are kept sealed.")


class EndpointChanges(Body):
    """What is left out stays as it is."""

    url = Url(required=False)
    events = Patterns(required=False)
    project = ProjectReference()
    description = Description()
    headers = Headers(required=False, help_text="In place of all headers of before; `{}` takes them away.")
    enabled = Flag(
        required=False, help_text="false gives up what is pending; true sends what happens from now on. Then replay."
    )


class SecretRotation(Body):
    """How long the old secret goes on signing."""

    overlap_seconds = Whole(
        min_value=0,
        max_value=int(LONGEST_OVERLAP.total_seconds()),
        default=int(DEFAULT_OVERLAP.total_seconds()),
        help_text="For so long both secrets sign. 0 ends the old one at once.",
    )


class Replay(Body):
    """Since when to make up for what was missed."""

    since = Moment(
        help_text="When the events happened, within the time for which deliveries are kept, 30 days at most."
    )
