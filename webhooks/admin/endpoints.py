"""Staff pages of webhook endpoints. Secrets, headers and what follows the host in an address are not shown."""

from typing import Any

from django.contrib import admin
from django.db.models import QuerySet

from config.kernel.identifiers import parse_public_id
from config.kernel.principals import StaffPrincipal
from config.kernel.staff import Outcome, StaffAction
from config.kernel.tenancy.scope import tenant_scope
from orgs.admin.organizations import OfOrganizationAdmin
from projects.admin.domains import OfProjectAdmin
from webhooks.models import Endpoint
from webhooks.services.endpoints import disable_endpoint
from webhooks.services.targets import told_url


def disable(*, actor: StaffPrincipal, row: Endpoint) -> Outcome:
    """Nothing is sent there any more."""
    with tenant_scope(row.org_id):
        disable_endpoint(actor=actor, endpoint_id=row.id)
    return Outcome(f"{row} is disabled.")


class EndpointAdmin(OfProjectAdmin):
    """Where organizations have their events sent."""

    prefix = "whe"
    list_display = ("name", "organization", "project", "state", "failing_since", "created_at")
    search_help_text = "A public id of an endpoint (whe_…), a project (prj_…) or an organization (org_…)"
    fields = (
        "name",
        "public_id",
        "organization",
        "project",
        "address",
        "events",
        "header_names",
        "state",
        "disabled_cause",
        "disabled_at",
        "failing_since",
        "held_until",
        "previous_secret_ends_at",
        "verifying_key",
        "created_by",
        "created_at",
    )
    staff_actions = (
        StaffAction(
            "disable",
            "Disable",
            "Nothing is sent there from now on, and what is pending is given up. The organization can enable it again, "
            "and replay what it missed.",
            disable,
            applies=lambda row: row.is_enabled,
            danger=True,
        ),
    )

    def links(self, row: Any) -> list[tuple[str, str]]:
        return [
            ("Deliveries", f"/admin/webhooks/delivery/?q={row.public_id}"),
            ("Hours", f"/admin/webhooks/endpointhour/?q={row.public_id}"),
        ]

    @admin.display(description="Address")
    def address(self, row: Endpoint) -> str:
        """As far as it is no secret."""
        return told_url(row.url)


class OfEndpointAdmin(OfOrganizationAdmin):
    """Rows of endpoints, found by the endpoint too."""

    list_select_related: tuple[str, ...] = ("endpoint",)

    def narrow(self, rows: QuerySet, word: str) -> QuerySet:
        endpoint_id = parse_public_id("whe", word)
        if endpoint_id is None:
            return super().narrow(rows, word)
        # Named by its organization too, as the indexes have it.
        organization_id = Endpoint.objects.filter(id=endpoint_id).values_list("org_id", flat=True).first()
        return rows.filter(org_id=organization_id, endpoint_id=endpoint_id)


class EndpointHourAdmin(OfEndpointAdmin):
    """How attempts went, by hour."""

    list_display = ("hour", "endpoint", "organization", "delivered", "failed")
    search_help_text = "A public id of an endpoint (whe_…) or an organization (org_…)"
    fields = ("hour", "endpoint", "organization", "delivered", "failed", "milliseconds", "slowest")
