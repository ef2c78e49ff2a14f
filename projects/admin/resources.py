"""Staff pages of the registry of resources."""

from django.db.models import QuerySet

from config.kernel.errors import Absent
from config.kernel.identifiers import parse_public_id
from config.kernel.principals import StaffPrincipal
from config.kernel.staff import Outcome, StaffAction
from config.kernel.tenancy.scope import tenant_scope
from orgs.admin.organizations import OfOrganizationAdmin
from projects.models import Resource
from projects.resource_names import OWN_SERVICE, parse
from projects.services.resources import deregister_resource


def deregister(*, actor: StaffPrincipal, row: Resource) -> Outcome:
    """Takes it out of the registry."""
    name = parse(row.trn)
    if name is None:
        raise Absent
    with tenant_scope(row.org_id):
        deregister_resource(actor=actor, resource=name)
    return Outcome(f"{row} is no longer registered.")


class ResourceAdmin(OfOrganizationAdmin):
    """What products registered as theirs."""

    prefix = "res"
    list_display = ("name", "kind", "service", "project", "organization", "created_at")
    list_select_related = ("project",)
    search_help_text = "A trn, a public id of a resource (res_…), a project (prj_…) or an organization (org_…)"
    fields = (
        "trn",
        "public_id",
        "organization",
        "project",
        "service",
        "kind",
        "name",
        "scopes",
        "created_at",
        "updated_at",
    )
    staff_actions = (
        StaffAction(
            "deregister",
            "Deregister",
            "Every decision about it is a denial from now on. The product can register it again.",
            deregister,
            applies=lambda row: row.service != OWN_SERVICE,
            danger=True,
        ),
    )

    def narrow(self, rows: QuerySet, word: str) -> QuerySet:
        name = parse(word)
        if name is not None:
            return rows.filter(org_id=name.organization_id, service=name.service, kind=name.kind, name=name.name)
        project_id = parse_public_id("prj", word)
        return rows.filter(project_id=project_id) if project_id else super().narrow(rows, word)
