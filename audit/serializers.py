"""What the REST interface reads and shows of the ledger."""

from django.core.validators import RegexValidator
from rest_framework import serializers

from audit.models import AuditEvent
from config.kernel.api.fields import Choice, Id, Text
from config.kernel.api.serializers import PagedQuery, Record

EVENT_PATTERN = r"\A[a-z]+(_[a-z]+)*\.([a-z]+(_[a-z]+)*|\*)\Z"
ID_LENGTH = 80


class ActorRecord(Record):
    """Who did it, as they were called then."""

    kind = serializers.CharField(source="actor_kind")
    id = serializers.CharField(source="actor_id")
    label = serializers.CharField(source="actor_label")  # type: ignore[assignment]  # DRF takes declared fields out of the class


class TargetRecord(Record):
    """What it was done to, as that was called then. Empty strings for an event about nothing in particular."""

    kind = serializers.CharField(source="target_kind")
    id = serializers.CharField(source="target_id")
    label = serializers.CharField(source="target_label")  # type: ignore[assignment]  # DRF takes declared fields out of the class


class AuditEventRecord(Record):
    """One thing that happened."""

    id = Id("evt")
    organization_id = Id("org", source="org_id")
    event = serializers.CharField()
    description = serializers.CharField()
    actor = ActorRecord(source="*")
    target = TargetRecord(source="*")
    result = serializers.ChoiceField(choices=AuditEvent.Result.values)
    data = serializers.DictField(  # type: ignore[assignment]  # DRF takes declared fields out of the class
        help_text="The fields that the event's type declares."
    )
    ip = serializers.IPAddressField(allow_null=True)
    user_agent = serializers.CharField()
    request_id = serializers.CharField()
    created_at = serializers.DateTimeField()
    sequence = serializers.IntegerField(
        allow_null=True, help_text="Its place in the organization's chain; null until it is sealed, seconds later."
    )
    sealed = serializers.SerializerMethodField(help_text="Whether it has its place in the chain.")

    def get_sealed(self, row: AuditEvent) -> bool:
        """By its place."""
        return row.sequence is not None  # type: ignore[attr-defined]  # with_sequence adds it


class AuditCheckpointRecord(Record):
    """Where the organization's chain stood at a moment, signed: keep it outside of this installation."""

    id = Id("acp")
    organization_id = Id("org", source="org_id")
    sequence = serializers.IntegerField(help_text="The place of the last record that is covered.")
    digest = serializers.CharField(source="digest_text", help_text="The digest of that record, in hexadecimal.")
    sealed_at = serializers.DateTimeField()
    statement = serializers.CharField(help_text="All of that as a JSON Web Signature by a key of the key set.")
    created_at = serializers.DateTimeField()


class AuditEventQuery(PagedQuery):
    """Filters of the ledger."""

    event = Text(
        required=False,
        max_length=ID_LENGTH,
        validators=[RegexValidator(EVENT_PATTERN, "Write an event's name, or a noun with .* for all of its events.")],
        help_text="An event's name, or `key.*` for all events about keys.",
    )
    actor = Text(required=False, max_length=ID_LENGTH, help_text="The id of who did it.")
    target = Text(required=False, max_length=ID_LENGTH, help_text="The id of what it was done to.")
    result = Choice(choices=AuditEvent.Result.values, required=False)


class EventTypeRecord(Record):
    """A kind of event: `data` says what each field of an event's data means."""

    name = serializers.CharField()
    description = serializers.CharField()
    data = serializers.DictField(child=serializers.CharField())  # type: ignore[assignment]  # DRF takes declared fields out of the class
