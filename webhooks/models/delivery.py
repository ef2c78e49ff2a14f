"""Deliveries: one event for one endpoint, and each attempt to deliver it."""

from typing import ClassVar
from uuid import UUID

from django.db import models

from config.kernel.identifiers import parse_public_id, public_id
from config.kernel.tenancy.models import TenantForeignKey, TenantManager, TenantModel, TenantQuerySet
from webhooks.models.endpoint import Endpoint

RESPONSE_LENGTH = 4096
USER_AGENT = "Tenantry"


class DeliveryQuerySet(TenantQuerySet["Delivery"]):
    """Reads of deliveries."""

    def by_reference(self, reference: str) -> "Delivery | None":
        """By public id; None for what does not parse, as for what does not exist."""
        delivery_id = parse_public_id("whd", reference)
        return self.select_related("endpoint").filter(id=delivery_id).first() if delivery_id else None

    def pending(self) -> "DeliveryQuerySet":
        """Those that are still to be made, as the index of them has it."""
        return self.filter(due_at__isnull=False)

    def matching(
        self, *, endpoint_id: UUID | None = None, state: str | None = None, event: str | None = None
    ) -> "DeliveryQuerySet":
        """Narrowed by each value that is given; `event` is a name or a noun with `.*`. Every filter has its index."""
        rows = self
        if endpoint_id:
            rows = rows.filter(endpoint_id=endpoint_id)
        if state:
            rows = rows.filter(state=state)
        if event and event.endswith(".*"):
            noun = event.removesuffix("*")
            rows = rows.filter(event__gte=noun, event__lt=noun[:-1] + "/")  # "/" follows "." in ASCII
        elif event:
            rows = rows.filter(event=event)
        return rows


class Delivery(TenantModel):
    """One event for one endpoint.

    `due_at` says when it is tried next and is empty once nothing is to be done. A worker that takes it notes until when
    it has it in `claimed_until`; one that is killed lets it go so. `tries` counts the attempts since it was last put on
    the ladder of retries, `attempts` all of them.
    """

    is_referenced = False

    class State(models.TextChoices):
        """What has become of it."""

        PENDING = "pending"
        DELIVERED = "delivered"
        FAILED = "failed"

    endpoint = TenantForeignKey(Endpoint, models.CASCADE, db_index=False, related_name="deliveries")
    event_id = models.UUIDField(help_text="The record in the ledger; it may have been dropped since.")
    event = models.CharField(max_length=80, db_collation="C")
    state = models.CharField(max_length=10, choices=State.choices, default=State.PENDING)
    due_at = models.DateTimeField(null=True, blank=True)
    claimed_until = models.DateTimeField(null=True, blank=True)
    tries = models.PositiveSmallIntegerField(default=0)
    attempts = models.PositiveIntegerField(default=0)
    last_outcome = models.CharField(max_length=20, blank=True)
    last_status = models.PositiveSmallIntegerField(null=True, blank=True)
    finished_at = models.DateTimeField(null=True, blank=True)

    objects: ClassVar = TenantManager.from_queryset(DeliveryQuerySet)()

    class Meta:
        db_table = "webhook_delivery"
        verbose_name_plural = "deliveries"
        constraints = [
            # The outbox may be worked off twice.
            models.UniqueConstraint(fields=["endpoint", "event_id"], name="webhook_delivery_once"),
            models.CheckConstraint(
                condition=models.Q(state="pending", due_at__isnull=False)
                | (~models.Q(state="pending") & models.Q(due_at__isnull=True)),
                name="webhook_delivery_due_while_pending",
            ),
        ]
        indexes = [
            models.Index(
                fields=["endpoint", "due_at"], condition=models.Q(due_at__isnull=False), name="webhook_delivery_due"
            ),
            models.Index(fields=["org_id", "endpoint", "-id"], name="webhook_delivery_by_endpoint"),
            models.Index(fields=["org_id", "event", "-id"], name="webhook_delivery_by_event"),
            models.Index(
                fields=["org_id", "state", "-id"],
                condition=~models.Q(state="delivered"),
                name="webhook_delivery_undelivered",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.event} {self.public_id}"

    @property
    def public_id(self) -> str:
        """`whd_…`."""
        return public_id("whd", self.id)

    @property
    def event_public_id(self) -> str:
        """`evt_…`: what receivers get as `webhook-id`, in every attempt the same."""
        return public_id("evt", self.event_id)


class Attempt(TenantModel):
    """One attempt to deliver: when it began is in its id and `created_at`. Never changed."""

    is_referenced = False

    class Outcome(models.TextChoices):
        """What became of it."""

        DELIVERED = "delivered", "The receiver answered with a status from 200 to 299."
        REFUSED = "refused", "The receiver answered with another status."
        GONE = "gone", "The receiver answered 410 Gone, so the endpoint was disabled."
        REDIRECTED = "redirected", "The receiver answered with a redirect, and these are not followed."
        TIMED_OUT = "timed_out", "The receiver did not take the connection within 5 s or answer within 15 s."
        UNREACHABLE = "unreachable", "No connection came about, or it broke off."
        UNTRUSTED = "untrusted", "The receiver's certificate is not valid for its host."
        FORBIDDEN = "forbidden", "The address is none that may be called."

    updated_at = None  # type: ignore[assignment] # nothing here ever changes
    # PostgreSQL checks no reference here, which would cost as much as the row: the statement that writes a row takes
    # its organization from the delivery, which it locks, and a trigger deletes the rows with the delivery.
    delivery = TenantForeignKey(
        Delivery, models.DO_NOTHING, db_index=False, is_checked=False, related_name="attempt_rows"
    )
    number = models.PositiveIntegerField()
    outcome = models.CharField(max_length=20, choices=Outcome.choices)
    status = models.PositiveSmallIntegerField(null=True, blank=True)
    milliseconds = models.PositiveIntegerField()
    detail = models.CharField(max_length=300, blank=True, help_text="What went wrong, in one sentence.")
    response = models.TextField(blank=True, help_text="The beginning of what was answered.")
    url = models.TextField(blank=True, db_default="", help_text="Where it went. Empty before that was kept.")
    header_names = models.TextField(
        blank=True, db_default="", help_text="Of the endpoint's own headers, with spaces between them."
    )
    response_headers = models.TextField(
        blank=True, db_default="", help_text="Those that tell something, a line for each: name, colon, space, value."
    )
    # Since the attempt began; None for what did not come about, and for a connection that stood already.
    connected_after = models.PositiveIntegerField(null=True, blank=True, help_text="Milliseconds, before TLS.")
    secured_after = models.PositiveIntegerField(null=True, blank=True, help_text="Milliseconds, TLS included.")
    answered_after = models.PositiveIntegerField(null=True, blank=True, help_text="Milliseconds, to the first byte.")

    class Meta:
        # Its primary key in PostgreSQL is (delivery_id, id), by a migration: each is read with its delivery.
        db_table = "webhook_attempt"

    def __str__(self) -> str:
        return f"{self.number}: {self.outcome}"

    @property
    def request_headers(self) -> dict[str, str | None]:
        """What went along, by name; None for what is not told. Empty for an attempt from before that was kept.

        Reads the delivery.
        """
        if not self.url:
            return {}
        return {
            "content-type": "application/json",
            "user-agent": USER_AGENT,
            "webhook-id": self.delivery.event_public_id,
            "webhook-timestamp": str(int(self.created_at.timestamp())),
            # Made of a secret, anew in each attempt, and kept nowhere.
            "webhook-signature": None,
            **dict.fromkeys(self.header_names.split()),
        }

    @property
    def told_response_headers(self) -> dict[str, str]:
        """Those of the answer that are kept, by name in lower case."""
        found: dict[str, str] = {}
        for name, _, value in (line.partition(": ") for line in self.response_headers.split("\n") if line):
            found[name] = f"{found[name]}, {value}" if name in found else value
        return found

    @property
    def succeeded(self) -> bool:
        """Whether it delivered."""
        return self.outcome == self.Outcome.DELIVERED
