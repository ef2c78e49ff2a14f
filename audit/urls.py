"""Dashboard routes of audit."""

from django.urls import path

from audit.views import checkpoints, exports, records

app_name = "audit"

ORGANIZATION = "orgs/<str:organization>/"

urlpatterns = [
    path(f"{ORGANIZATION}panels/audit/", records.AuditPanel.as_view(), name="panel"),
    path(f"{ORGANIZATION}audit/", records.AuditList.as_view(), name="list"),
    path(f"{ORGANIZATION}audit/exports/", exports.AuditExportsPage.as_view(), name="exports"),
    path(
        f"{ORGANIZATION}audit/exports/<str:audit_export>/cancel/",
        exports.AuditExportCancel.as_view(),
        name="export-cancel",
    ),
    path(
        f"{ORGANIZATION}audit/exports/<str:audit_export>/download/",
        exports.AuditExportDownload.as_view(),
        name="export-download",
    ),
    path(f"{ORGANIZATION}audit/checkpoints/", checkpoints.AuditCheckpointsPage.as_view(), name="checkpoints"),
    path(
        f"{ORGANIZATION}audit/checkpoints/<str:checkpoint>/file/",
        checkpoints.AuditCheckpointFile.as_view(),
        name="checkpoint-file",
    ),
    path(f"{ORGANIZATION}audit/<str:event>/", records.AuditDetail.as_view(), name="detail"),
]
