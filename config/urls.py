"""The routes of the installation."""

from django.urls import include, path, re_path

from config.admin import site
from config.kernel import health
from config.kernel.api import documentation

handler400 = "config.kernel.problems.bad_request"
handler403 = "config.kernel.problems.permission_denied"
handler404 = "config.kernel.problems.page_not_found"
handler500 = "config.kernel.problems.server_error"

urlpatterns = [
    path("", include("orgs.urls")),
    path("", include("projects.urls")),
    path("", include("keys.urls")),
    path("", include("audit.urls")),
    path("", include("sso.urls")),
    path("", include("webhooks.urls")),
    path("", include("allauth.account.urls")),
    path("admin/", site.urls),
    path("api/v1/", include("config.api_urls")),
    path("", include("keys.decision_urls")),
    path("api/schema", documentation.OpenApiDocument.as_view(), name="api-schema"),
    path("api/docs", documentation.Documentation.as_view(), name="api-docs"),
    re_path(r"^(?:api|access|scim)/", documentation.NothingHere.as_view(), name="api-nothing"),
    path("health/live", health.live, name="health-live"),
    path("health/ready", health.ready, name="health-ready"),
]
