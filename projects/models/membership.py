"""Roles that members have in one project."""

from typing import ClassVar
from uuid import UUID

from django.db import models

from config.kernel.permissions import Role
from config.kernel.tenancy.models import TenantForeignKey, TenantManager, TenantModel, TenantQuerySet
from projects.models.project import Project

# In one project a member may be raised or lowered to any of these; ownership is the organization's.
PROJECT_ROLES = [Role.ADMIN, Role.DEVELOPER, Role.VIEWER]


class ProjectMembershipQuerySet(TenantQuerySet):
    """Reads of project memberships."""

    def of_project(self, project_id: UUID) -> "ProjectMembershipQuerySet":
        """One project's, with their people."""
        return self.filter(project_id=project_id).select_related("membership__user", "membership__custom_role")


class ProjectMembership(TenantModel):
    """A member's other role in one project, in place of the organization role."""

    project = TenantForeignKey(Project, models.CASCADE, related_name="memberships")
    membership = TenantForeignKey("orgs.Membership", models.CASCADE, related_name="project_memberships")
    role = models.CharField(max_length=20, choices=[(role.value, role.value.capitalize()) for role in PROJECT_ROLES])

    objects: ClassVar = TenantManager.from_queryset(ProjectMembershipQuerySet)()

    class Meta:
        db_table = "projects_project_membership"
        constraints = [
            models.UniqueConstraint(fields=["org_id", "project", "membership"], name="projects_membership_once")
        ]

    def __str__(self) -> str:
        return f"{self.membership_id} {self.role}"
