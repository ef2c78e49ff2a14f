"""Staff pages of handover."""

from config.kernel.principals import StaffPrincipal
from config.kernel.staff import Outcome, StaffAction
from config.kernel.tenancy.scope import tenant_scope
from projects.admin.domains import OfProjectAdmin
from sso.models import HandoverAddress
from sso.services.handover_addresses import remove_handover_address


def remove(*, actor: StaffPrincipal, row: HandoverAddress) -> Outcome:
    """Ends the registration."""
    with tenant_scope(row.org_id):
        remove_handover_address(actor=actor, project_id=row.project_id, handover_address=row.public_id)
    return Outcome(f"Nobody is handed over at {row} any more.")


class HandoverAddressAdmin(OfProjectAdmin):
    """Where products take people over."""

    prefix = "hva"
    list_display = ("address", "project", "organization", "created_at")
    search_help_text = "A public id of an address (hva_…), a project (prj_…) or an organization (org_…)"
    fields = ("address", "public_id", "organization", "project", "created_by", "created_at")
    staff_actions = (
        StaffAction(
            "remove",
            "Remove",
            "Nobody is handed over there from now on. Sessions that the product has already go on.",
            remove,
            danger=True,
        ),
    )


class HandoverTokenAdmin(OfProjectAdmin):
    """Handovers of the last day. Their codes are kept by digest only, which is not shown."""

    list_display = ("user", "project", "organization", "created_at", "used_at")
    list_select_related = ("project", "user")
    search_help_text = "A public id of a project (prj_…) or an organization (org_…)"
    fields = ("user", "organization", "project", "address", "created_at", "expires_at", "used_at")
