"""Staff pages of projects, one module a noun."""

from projects.admin.projects import ProjectAdmin, ProjectMembershipAdmin

__all__ = ["ProjectAdmin", "ProjectMembershipAdmin"]
