"""Staff pages of projects, one module a noun."""

from projects.admin.projects import ProjectAdmin, ProjectMembershipAdmin
from projects.admin.resources import ResourceAdmin

__all__ = ["ProjectAdmin", "ProjectMembershipAdmin", "ResourceAdmin"]
