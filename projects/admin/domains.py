"""Staff pages of the hosts whose pages use publishable keys."""

from django.db.models import QuerySet

from config.kernel.identifiers import parse_public_id
from config.kernel.principals import StaffPrincipal
from config.kernel.staff import Outcome, StaffAction
from config.kernel.tenancy.scope import tenant_scope
from orgs.admin.organizations import OfOrganizationAdmin
from projects.models import Domain, SeenDomain
from projects.services.domains import forget_seen, remove_domain


def remove(*, actor: StaffPrincipal, row: Domain) -> Outcome:
    """Ends the registration."""
    with tenant_scope(row.org_id):
        remove_domain(actor=actor, project_id=row.project_id, domain=row.public_id)
    return Outcome(f"{row} is no longer registered.")


def forget(*, actor: StaffPrincipal, row: SeenDomain) -> Outcome:
    """Makes room below the plan's limit."""
    with tenant_scope(row.org_id):
        forget_seen(actor=actor, project_id=row.project_id, seen=row.public_id)
    return Outcome(f"{row} is forgotten.")


class OfProjectAdmin(OfOrganizationAdmin):
    """Rows of projects, found by the project too."""

    list_select_related: tuple[str, ...] = ("project",)

    def narrow(self, rows: QuerySet, word: str) -> QuerySet:
        project_id = parse_public_id("prj", word)
        return rows.filter(project_id=project_id) if project_id else super().narrow(rows, word)


class DomainAdmin(OfProjectAdmin):
    """Registered domains."""

    prefix = "dom"
    list_display = ("pattern", "project", "organization", "is_loopback", "created_at")
    search_help_text = "A public id of a domain (dom_…), a project (prj_…) or an organization (org_…)"
    fields = ("pattern", "public_id", "organization", "project", "is_loopback", "created_by", "created_at")
    staff_actions = (
        StaffAction(
            "remove",
            "Remove",
            "Its pages get from now on what pages of unregistered domains get.",
            remove,
            danger=True,
        ),
    )


class SeenDomainAdmin(OfProjectAdmin):
    """Hosts that were seen without being registered."""

    prefix = "seen"
    list_display = ("host", "project", "organization", "count", "created_at", "last_seen_at")
    search_help_text = "A public id of a seen host (seen_…), a project (prj_…) or an organization (org_…)"
    fields = ("host", "public_id", "organization", "project", "is_loopback", "count", "created_at", "last_seen_at")
    staff_actions = (
        StaffAction(
            "forget",
            "Forget",
            "It no longer counts towards the plan's limit, until one of its pages asks again.",
            forget,
        ),
    )
