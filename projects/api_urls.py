"""REST routes of projects, below /api/v1/."""

from django.urls import path

from projects.api.domains import Domains, OneDomain, OneSeenDomain, SeenDomains
from projects.api.members import ProjectMember, ProjectMembers
from projects.api.projects import Archiving, OneProject, Projects, Restoring
from projects.api.resources import OneResource, Resources

PROJECTS = "orgs/<str:organization>/projects"
PROJECT = f"{PROJECTS}/<str:project>"

urlpatterns = [
    path(PROJECTS, Projects.as_view(), name="api-projects"),
    path(PROJECT, OneProject.as_view(), name="api-project"),
    path(f"{PROJECT}/archive", Archiving.as_view(), name="api-project-archive"),
    path(f"{PROJECT}/restore", Restoring.as_view(), name="api-project-restore"),
    path(f"{PROJECT}/members", ProjectMembers.as_view(), name="api-project-members"),
    path(f"{PROJECT}/members/<str:user>", ProjectMember.as_view(), name="api-project-member"),
    path(f"{PROJECT}/domains", Domains.as_view(), name="api-domains"),
    path(f"{PROJECT}/domains/<str:domain>", OneDomain.as_view(), name="api-domain"),
    path(f"{PROJECT}/seen-domains", SeenDomains.as_view(), name="api-seen-domains"),
    path(f"{PROJECT}/seen-domains/<str:seen>", OneSeenDomain.as_view(), name="api-seen-domain"),
    path("orgs/<str:organization>/resources", Resources.as_view(), name="api-resources"),
    path("orgs/<str:organization>/resources/<path:resource>", OneResource.as_view(), name="api-resource"),
]
