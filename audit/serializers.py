"""What the REST interface reads and shows of the ledger."""

from typing import Any

from django.core.validators import RegexValidator
from rest_framework import serializers

from audit.models import AuditEvent, AuditExport
from audit.words import MOST_WORDS, QUERY_LENGTH, words_in
from config.kernel.api.fields import Address, Choice, Id, Moment, Text
from config.kernel.api.serializers import Body, PagedQuery, Record

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
    withdrawn_at = serializers.DateTimeField(
        allow_null=True,
        help_text="When the key that signed it was withdrawn: it proves nothing any more. Null for most.",
    )
    created_at = serializers.DateTimeField()


class AuditFilters(serializers.Serializer):
    """What the ledger is narrowed to: every filter that is given."""

    q = Text(
        required=False,
        max_length=QUERY_LENGTH,
        help_text="Words, all of which the record has in its event, actor, target, data, address or request id; parts "
        "of e-mail addresses and ids count as words, case does not.",
    )
    event = Text(
        required=False,
        max_length=ID_LENGTH,
        validators=[RegexValidator(EVENT_PATTERN, "Write an event's name, or a noun with .* for all of its events.")],
        help_text="An event's name, or `key.*` for all events about keys.",
    )
    actor = Text(required=False, max_length=ID_LENGTH, help_text="The id of who did it.")
    target = Text(required=False, max_length=ID_LENGTH, help_text="The id of what it was done to.")
    result = Choice(choices=AuditEvent.Result.values, required=False)
    ip = Address(required=False, help_text="From where it was done.")
    since = Moment(required=False, help_text="From this time on.")
    until = Moment(required=False, help_text="Before this time.")

    def validate_q(self, value: str) -> str:
        """At least one word, and not too many."""
        if not 1 <= len(words_in(value)) <= MOST_WORDS:
            raise serializers.ValidationError(f"Write 1 to {MOST_WORDS} words with letters or digits.")
        return value

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        """A range ends behind its beginning."""
        if attrs.get("since") and attrs.get("until") and attrs["since"] >= attrs["until"]:
            raise serializers.ValidationError({"until": ["Choose a time after `since`."]})
        return attrs


class AuditEventQuery(AuditFilters, PagedQuery):
    """Filters of the ledger, and its pages."""


class EventTypeRecord(Record):
    """A kind of event: `data` says what each field of an event's data means, `schema` what its values are."""

    name = serializers.CharField()
    description = serializers.CharField()
    data = serializers.DictField(child=serializers.CharField(), source="meanings")  # type: ignore[assignment]  # DRF takes declared fields out of the class
    schema = serializers.DictField(help_text="JSON Schema (2020-12) of an event's data.")


# -- exports ---------------------------------------------------------------------------------------------------------
class AuditExportBody(AuditFilters, Body):
    """What is exported: all of the log, or what meets every filter."""

    format = Choice(choices=AuditExport.Format.values, help_text="`jsonl` is a JSON object on each line.")


class AuditExportRecord(Record):
    """An archive of records of the log."""

    id = Id("aex")
    state = serializers.ChoiceField(choices=AuditExport.State.values)
    format = serializers.ChoiceField(choices=AuditExport.Format.values)
    filters = serializers.DictField(child=serializers.CharField(), help_text="What it is narrowed to, by name.")
    whole = serializers.BooleanField(
        source="is_whole", help_text="Whether no record of its time is left out, so that it proves itself."
    )
    rows_done = serializers.IntegerField(min_value=0, help_text="Records written so far.")
    rows_total = serializers.IntegerField(min_value=0, help_text="About how many it will have; 0: not known.")
    size = serializers.IntegerField(min_value=0, help_text="Bytes of the file; 0 until it is ready.")
    downloadable = serializers.SerializerMethodField(
        help_text="Whether its file is there: it is ready, and no newer archives have taken its room."
    )
    requested_by = serializers.CharField(help_text="The id of who asked for it.")
    finished_at = serializers.DateTimeField(allow_null=True)
    created_at = serializers.DateTimeField()
    updated_at = serializers.DateTimeField()

    def get_downloadable(self, export: AuditExport) -> bool:
        """By the file's path, which an archive loses together with its file."""
        return bool(export.path)
