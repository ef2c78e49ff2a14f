"""Dashboard routes of projects."""

from django.urls import path

from projects.views import domains, members, projects, resources

app_name = "projects"

ORGANIZATION = "orgs/<str:organization>/"
PROJECT = f"{ORGANIZATION}projects/<str:project>/"

urlpatterns = [
    path(f"{ORGANIZATION}panels/projects/", projects.ProjectPanel.as_view(), name="panel"),
    path(f"{ORGANIZATION}projects/", projects.ProjectList.as_view(), name="list"),
    path(f"{ORGANIZATION}projects/new/", projects.ProjectCreate.as_view(), name="create"),
    path(PROJECT, projects.ProjectDetail.as_view(), name="detail"),
    path(f"{PROJECT}settings/", projects.ProjectSettings.as_view(), name="settings"),
    path(f"{PROJECT}archive/", projects.ProjectArchive.as_view(), name="archive"),
    path(f"{PROJECT}restore/", projects.ProjectRestore.as_view(), name="restore"),
    path(f"{PROJECT}domains/", domains.ProjectDomains.as_view(), name="domains"),
    path(f"{PROJECT}domains/forget/", domains.SeenForget.as_view(), name="domain-forget"),
    path(f"{PROJECT}domains/<str:domain>/remove/", domains.DomainRemove.as_view(), name="domain-remove"),
    path(f"{PROJECT}members/", members.ProjectMembers.as_view(), name="members"),
    path(f"{PROJECT}members/set/", members.ProjectMemberSet.as_view(), name="member-set"),
    path(f"{PROJECT}members/clear/", members.ProjectMemberClear.as_view(), name="member-clear"),
    path(f"{ORGANIZATION}resources/", resources.ResourceList.as_view(), name="resources"),
    path(f"{ORGANIZATION}resources/new/", resources.ResourceRegister.as_view(), name="resource-register"),
    path(
        f"{ORGANIZATION}resources/<str:resource_id>/deregister/",
        resources.ResourceDeregister.as_view(),
        name="resource-deregister",
    ),
]
