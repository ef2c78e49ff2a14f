"""Staff pages of agents."""

from django.db.models import QuerySet

from config.kernel.errors import Absent
from config.kernel.identifiers import parse_public_id
from config.kernel.principals import StaffPrincipal
from config.kernel.staff import Outcome, StaffAction
from config.kernel.tenancy.scope import tenant_scope
from keys.models import Agent
from keys.services.agents import revoke_agent
from orgs.admin.organizations import OfOrganizationAdmin
from projects.models import Project


def revoke(*, actor: StaffPrincipal, row: Agent) -> Outcome:
    """Ends the agent."""
    with tenant_scope(row.org_id):
        revoke_agent(actor=actor, project_id=row.project_id, agent=row.public_id)
    return Outcome(f"{row} is revoked.")


class AgentAdmin(OfOrganizationAdmin):
    """Agents of every project."""

    prefix = "agt"
    list_display = ("name", "state", "project", "organization", "last_renewed_at", "created_at")
    list_select_related = ("project",)
    search_help_text = "A public id of an agent (agt_…), a project (prj_…) or an organization (org_…)"
    fields = (
        "name",
        "public_id",
        "organization",
        "project",
        "state",
        "permissions",
        "token_lifetime_seconds",
        "generation",
        "created_by",
        "created_at",
        "enrolment_expires_at",
        "enrolment_used_at",
        "enrolled_at",
        "last_renewed_at",
        "revoked_at",
    )
    staff_actions = (
        StaffAction(
            "revoke",
            "Revoke",
            "The agent is refused from its next request on. This cannot be taken back.",
            revoke,
            applies=lambda row: row.revoked_at is None,
            danger=True,
        ),
    )

    def narrow(self, rows: QuerySet, word: str) -> QuerySet:
        project_id = parse_public_id("prj", word)
        if project_id is None:
            return super().narrow(rows, word)
        project = Project.objects.filter(id=project_id).first()
        if project is None:
            raise Absent
        return rows.filter(org_id=project.org_id, project_id=project.id)
