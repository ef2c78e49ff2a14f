"""Staff pages of projects, one module a noun."""

from projects.admin.domains import DomainAdmin, SeenDomainAdmin
from projects.admin.projects import ProjectAdmin, ProjectMembershipAdmin
from projects.admin.resources import ResourceAdmin
from projects.admin.usage import TrackedEventAdmin, UsageDayAdmin, UsageMonthAdmin

__all__ = [
    "DomainAdmin",
    "ProjectAdmin",
    "ProjectMembershipAdmin",
    "ResourceAdmin",
    "SeenDomainAdmin",
    "TrackedEventAdmin",
    "UsageDayAdmin",
    "UsageMonthAdmin",
]
