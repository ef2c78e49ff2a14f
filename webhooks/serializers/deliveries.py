"""Deliveries, as the REST interface reads and shows them."""

from django.core.validators import RegexValidator
from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from audit.serializers import EVENT_PATTERN
from config.kernel.api.fields import Choice, Id, PublicId, Text
from config.kernel.api.serializers import PagedQuery, Record
from webhooks.models import Attempt, Delivery
from webhooks.payloads import kept_payload

EVENT_LENGTH = 80
OUTCOMES = Attempt.Outcome.values


class DeliveryRecord(Record):
    """One event for one endpoint, and what has become of it."""

    id = Id("whd")
    endpoint_id = Id("whe")
    event_id = Id("evt", help_text="What receivers get as `webhook-id`, in every attempt the same.")
    event = serializers.CharField()
    state = serializers.ChoiceField(choices=Delivery.State.values)
    attempts = serializers.IntegerField(min_value=0)
    next_attempt_at = serializers.DateTimeField(source="due_at", allow_null=True, help_text="Null when it is over.")
    last_outcome = serializers.SerializerMethodField(help_text="Null before the first attempt.")
    last_status = serializers.IntegerField(allow_null=True, help_text="What the receiver answered last, if it did.")
    finished_at = serializers.DateTimeField(allow_null=True)
    created_at = serializers.DateTimeField()
    updated_at = serializers.DateTimeField()

    @extend_schema_field(serializers.ChoiceField(choices=OUTCOMES, allow_null=True))
    def get_last_outcome(self, row: Delivery) -> str | None:
        """By name."""
        return row.last_outcome or None


class WholeDeliveryRecord(DeliveryRecord):
    """A delivery with what is sent."""

    payload = serializers.SerializerMethodField(
        help_text="The body, to the byte, as text; null when the audit log no longer has the event."
    )

    def get_payload(self, row: Delivery) -> str | None:
        """Made of the ledger's record, as each attempt is."""
        payload = kept_payload(row.event_id)
        return None if payload is None else payload.decode()


class TimingRecord(Record):
    """Milliseconds since an attempt began; null for what did not come about or was not kept."""

    connected = serializers.IntegerField(
        min_value=0, allow_null=True, source="connected_after", help_text="Null over a connection that stood already."
    )
    secured = serializers.IntegerField(
        min_value=0, allow_null=True, source="secured_after", help_text="With TLS; null as before, and without TLS."
    )
    first_byte = serializers.IntegerField(min_value=0, allow_null=True, source="answered_after")


class AttemptRecord(Record):
    """One attempt to deliver."""

    id = Id("wha")
    number = serializers.IntegerField(min_value=1)
    outcome = serializers.ChoiceField(choices=OUTCOMES)
    status = serializers.IntegerField(allow_null=True, help_text="What the receiver answered, if it did.")
    milliseconds = serializers.IntegerField(min_value=0)
    timing = TimingRecord(source="*")
    detail = serializers.CharField(help_text="What went wrong, in a sentence; empty if nothing did.")
    url = serializers.CharField(help_text="Where it went, whatever the address is now; empty if that was not kept yet.")
    request_headers = serializers.DictField(
        child=serializers.CharField(allow_null=True),
        help_text="What went along, the endpoint's own headers too; null for values that are not told.",
    )
    response_headers = serializers.DictField(
        child=serializers.CharField(),
        source="told_response_headers",
        help_text="Of the answer: its type, server, Location, Retry-After and the like, and ids of the request.",
    )
    response = serializers.CharField(help_text="The beginning of what was answered.")
    created_at = serializers.DateTimeField(help_text="When it began.")


class DeliveryQuery(PagedQuery):
    """Filters of deliveries."""

    endpoint = PublicId("whe", required=False, help_text="The endpoint's id.")
    state = Choice(choices=Delivery.State.values, required=False)
    event = Text(
        required=False,
        max_length=EVENT_LENGTH,
        validators=[RegexValidator(EVENT_PATTERN, "Write an event's name, or a noun with .* for all of its events.")],
        help_text="An event's name, or `key.*` for all events about keys.",
    )
