"""The routes below /api/v1/."""

from django.urls import include, path

urlpatterns = [
    path("", include("orgs.api_urls")),
    path("", include("projects.api_urls")),
    path("", include("keys.api_urls")),
    path("", include("audit.api_urls")),
    path("", include("sso.api_urls")),
    path("", include("webhooks.api_urls")),
]
