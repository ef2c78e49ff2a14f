"""Dashboard routes of audit."""

from django.urls import path

from audit import views

app_name = "audit"

ORGANIZATION = "orgs/<str:organization>/"

urlpatterns = [
    path(f"{ORGANIZATION}panels/audit/", views.AuditPanel.as_view(), name="panel"),
    path(f"{ORGANIZATION}audit/", views.AuditList.as_view(), name="list"),
    path(f"{ORGANIZATION}audit/<str:event>/", views.AuditDetail.as_view(), name="detail"),
]
