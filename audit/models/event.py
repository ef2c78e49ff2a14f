"""What happened. Rows copy ids and labels and refer to nothing, so they outlive what they tell of."""

import json
from datetime import UTC, datetime, timedelta
from typing import Any, ClassVar
from uuid import UUID

from django.db import models
from django.db.models.expressions import RawSQL
from django.db.models.functions import Cast

from audit.models.seal import AuditSeal
from config.kernel.events import declared_events
from config.kernel.identifiers import parse_public_id, public_id
from config.kernel.tenancy.models import TenantManager, TenantModel, TenantQuerySet

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
RANDOM_BITS = 80
PAIR = 2


def first_id_at(moment: datetime) -> UUID:
    """The bound below every UUIDv7 (RFC 9562) made at `moment` (aware) or later: its milliseconds, then zeros."""
    milliseconds = max((moment - EPOCH) // timedelta(milliseconds=1), 0)
    return UUID(int=milliseconds << RANDOM_BITS)


def moment_of(record_id: UUID) -> datetime:
    """When a record of this id was made, to the millisecond."""
    return EPOCH + timedelta(milliseconds=record_id.int >> RANDOM_BITS)


class AuditEventQuerySet(TenantQuerySet["AuditEvent"]):
    """Reads of the ledger."""

    def between(self, start: datetime | None, end: datetime | None) -> "AuditEventQuerySet":
        """From `start` until before `end`, both aware, None for no bound. Ids tell the time, so every index serves."""
        rows = self.filter(id__gte=first_id_at(start)) if start else self
        return rows.filter(id__lt=first_id_at(end)) if end else rows

    def with_sequence(self) -> "AuditEventQuerySet":
        """Each with `sequence`, its place in the organization's chain; None until it is sealed."""
        seals = AuditSeal.objects.filter(id=models.OuterRef("id"))
        return self.annotate(sequence=models.Subquery(seals.values("sequence")))

    def by_reference(self, reference: str) -> "AuditEvent | None":
        """By public id; None for what does not parse, as for what does not exist."""
        event_id = parse_public_id("evt", reference)
        return self.filter(id=event_id).first() if event_id else None

    def matching(
        self,
        *,
        event: str | None = None,
        actor_id: str | None = None,
        target_id: str | None = None,
        result: str | None = None,
    ) -> "AuditEventQuerySet":
        """Narrowed by each value that is given; `event` is a name or a noun with `.*`. Every filter has its index."""
        rows = self
        if event and event.endswith(".*"):
            noun = event.removesuffix("*")
            rows = rows.filter(event__gte=noun, event__lt=noun[:-1] + "/")  # "/" follows "." in ASCII
        elif event:
            rows = rows.filter(event=event)
        if actor_id:
            rows = rows.filter(actor_id=actor_id)
        if target_id:
            rows = rows.filter(target_id=target_id)
        if result:
            rows = rows.filter(result=result)
        return rows


class AuditEventManager(TenantManager.from_queryset(AuditEventQuerySet)):  # type: ignore[misc]
    """Keeps from the planner which organization it is.

    Where one has nearly all records, it would take the newest of the whole installation to be hers, and read past all
    that others have just recorded, by the index that is narrower because no organization is in it.
    """

    def told(self, organization_id: UUID) -> Any:
        return RawSQL("(SELECT %s::uuid)", [organization_id])


class AuditEvent(TenantModel):
    """One thing that happened. Append-only: a trigger refuses UPDATE, DELETE and TRUNCATE to every role."""

    class Result(models.TextChoices):
        """Whether it was done or refused."""

        DONE = "done"
        REFUSED = "refused"

    updated_at = None  # type: ignore[assignment] # nothing here ever changes
    event = models.CharField(max_length=80, db_collation="C")
    actor_kind = models.CharField(max_length=20)
    actor_id = models.CharField(max_length=80)
    actor_label = models.CharField(max_length=320)
    target_kind = models.CharField(max_length=40, blank=True)
    target_id = models.CharField(max_length=80, blank=True)
    target_label = models.CharField(max_length=320, blank=True)
    result = models.CharField(max_length=10, choices=Result.choices, default=Result.DONE)
    data = models.JSONField(default=dict)
    ip = models.GenericIPAddressField(null=True)
    user_agent = models.CharField(max_length=256, blank=True)
    request_id = models.CharField(max_length=64, blank=True)
    # Known before the commit, so the sealer (audit/sealing.py) can tell whose records may still appear.
    transaction_id = models.BigIntegerField(
        db_default=Cast(Cast(models.Func(function="pg_current_xact_id"), models.TextField()), models.BigIntegerField()),
        editable=False,
    )

    objects: ClassVar = AuditEventManager()

    database_privileges = ("SELECT", "INSERT")

    class Meta:
        db_table = "audit_event"
        indexes = [
            models.Index(fields=["org_id", "event", "-id"], name="audit_event_by_event"),
            models.Index(fields=["org_id", "actor_id", "-id"], name="audit_event_by_actor"),
            models.Index(fields=["org_id", "target_id", "-id"], name="audit_event_by_target"),
            models.Index(fields=["org_id", "result", "-id"], name="audit_event_by_result"),
            models.Index(fields=["transaction_id", "id"], name="audit_event_by_transaction"),
        ]

    def __str__(self) -> str:
        return f"{self.event} {self.public_id}"

    @property
    def public_id(self) -> str:
        """`evt_…`."""
        return public_id("evt", self.id)

    @property
    def changes(self) -> list[tuple[str, str, str]]:
        """Each changed field with its old and new value, in words."""
        changed = self.data.get("changes")
        if not isinstance(changed, dict):
            return []
        pairs = {name: pair for name, pair in changed.items() if isinstance(pair, list) and len(pair) == PAIR}
        return [(name, in_words(old), in_words(new)) for name, (old, new) in pairs.items()]

    @property
    def details(self) -> list[tuple[str, str]]:
        """The rest of the event's data, in words."""
        return [(name, in_words(value)) for name, value in self.data.items() if name != "changes" or not self.changes]

    @property
    def description(self) -> str:
        """What the declaration says of this event; empty for one that is no longer declared."""
        return descriptions().get(self.event, "")


def in_words(value: object) -> str:
    """A value of an event's data, for people; empty for none."""
    if value is None:
        return ""
    if isinstance(value, list):
        return ", ".join(map(in_words, value))
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def descriptions() -> dict[str, str]:
    """Each declared event's description, by name."""
    return {event_type.name: event_type.description for event_type in declared_events()}
