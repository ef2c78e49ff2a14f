"""Projects and what belongs to one."""

from projects.models.membership import PROJECT_ROLES, ProjectMembership
from projects.models.project import Project

__all__ = ["PROJECT_ROLES", "Project", "ProjectMembership"]
