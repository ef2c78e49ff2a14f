"""Projects and what belongs to one."""

from projects.models.domain import Domain, SeenDomain
from projects.models.membership import PROJECT_ROLES, ProjectMembership
from projects.models.project import Project
from projects.models.resource import Resource
from projects.models.usage import TrackedEvent, UsageDay, UsageMonth

__all__ = [
    "PROJECT_ROLES",
    "Domain",
    "Project",
    "ProjectMembership",
    "Resource",
    "SeenDomain",
    "TrackedEvent",
    "UsageDay",
    "UsageMonth",
]
