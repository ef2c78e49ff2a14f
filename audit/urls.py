"""Dashboard routes of audit."""

from django.urls import path

from audit.views import records

app_name = "audit"

ORGANIZATION = "orgs/<str:organization>/"

urlpatterns = [
    path(f"{ORGANIZATION}panels/audit/", records.AuditPanel.as_view(), name="panel"),
    path(f"{ORGANIZATION}audit/", records.AuditList.as_view(), name="list"),
    path(f"{ORGANIZATION}audit/<str:event>/", records.AuditDetail.as_view(), name="detail"),
]
