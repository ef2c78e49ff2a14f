"""Dashboard routes of projects."""

from django.urls import path

from projects import views

app_name = "projects"

ORGANIZATION = "orgs/<str:organization>/"
PROJECT = f"{ORGANIZATION}projects/<str:project>/"

urlpatterns = [
    path(f"{ORGANIZATION}panels/projects/", views.ProjectPanel.as_view(), name="panel"),
    path(f"{ORGANIZATION}projects/", views.ProjectList.as_view(), name="list"),
    path(f"{ORGANIZATION}projects/new/", views.ProjectCreate.as_view(), name="create"),
    path(PROJECT, views.ProjectDetail.as_view(), name="detail"),
    path(f"{PROJECT}settings/", views.ProjectSettings.as_view(), name="settings"),
    path(f"{PROJECT}archive/", views.ProjectArchive.as_view(), name="archive"),
    path(f"{PROJECT}restore/", views.ProjectRestore.as_view(), name="restore"),
    path(f"{PROJECT}members/", views.ProjectMembers.as_view(), name="members"),
    path(f"{PROJECT}members/set/", views.ProjectMemberSet.as_view(), name="member-set"),
    path(f"{PROJECT}members/clear/", views.ProjectMemberClear.as_view(), name="member-clear"),
]
