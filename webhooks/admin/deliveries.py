"""Staff pages of deliveries. What is sent and what receivers answer is for their organization alone."""

from django.contrib import admin
from django.db.models import QuerySet

from config.kernel.identifiers import parse_public_id
from config.kernel.principals import StaffPrincipal
from config.kernel.staff import Outcome, StaffAction
from config.kernel.tenancy.scope import tenant_scope
from orgs.admin.organizations import OfOrganizationAdmin
from webhooks.admin.endpoints import OfEndpointAdmin
from webhooks.models import Attempt, Delivery
from webhooks.services.deliveries import replay_delivery
from webhooks.services.targets import told_url


def replay(*, actor: StaffPrincipal, row: Delivery) -> Outcome:
    """Delivers once more."""
    with tenant_scope(row.org_id):
        replay_delivery(actor=actor, delivery_id=row.id)
    return Outcome(f"{row} is delivered once more.")


class DeliveryAdmin(OfEndpointAdmin):
    """Which events are delivered where, and what became of it."""

    prefix = "whd"
    list_display = ("event", "endpoint", "organization", "state", "attempts", "last_outcome", "due_at", "created_at")
    search_help_text = "A public id of a delivery (whd_…), an endpoint (whe_…) or an organization (org_…)"
    fields = (
        "event",
        "public_id",
        "event_public_id",
        "endpoint",
        "organization",
        "state",
        "tries",
        "attempts",
        "last_outcome",
        "last_status",
        "due_at",
        "claimed_until",
        "finished_at",
        "created_at",
    )
    staff_actions = (
        StaffAction(
            "replay",
            "Replay",
            "It is delivered once more, at once and with all retries.",
            replay,
            applies=lambda row: row.endpoint.is_enabled,
        ),
    )

    def links(self, row: Delivery) -> list[tuple[str, str]]:
        return [("Attempts", f"/admin/webhooks/attempt/?q={row.public_id}")]


class AttemptAdmin(OfOrganizationAdmin):
    """Each attempt to deliver."""

    list_display = ("number", "delivery", "organization", "outcome", "status", "milliseconds", "created_at")
    list_select_related = ("delivery",)
    search_help_text = "A public id of a delivery (whd_…) or an organization (org_…)"
    fields = (
        "number",
        "delivery",
        "organization",
        "address",
        "header_names",
        "outcome",
        "status",
        "milliseconds",
        "connected_after",
        "secured_after",
        "answered_after",
        "detail",
        "created_at",
    )

    @admin.display(description="Address")
    def address(self, row: Attempt) -> str:
        """Where it went, as far as that is no secret."""
        return told_url(row.url) if row.url else ""

    def narrow(self, rows: QuerySet, word: str) -> QuerySet:
        delivery_id = parse_public_id("whd", word)
        return rows.filter(delivery_id=delivery_id) if delivery_id else super().narrow(rows, word)


class OutboxEntryAdmin(OfOrganizationAdmin):
    """Events that no endpoint was looked for yet. Seconds old at most, while workers run."""

    list_display = ("id", "organization", "created_at")
    search_help_text = "A public id of an organization (org_…)"
    fields = ("id", "organization", "created_at")
