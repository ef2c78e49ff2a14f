"""The OpenAPI document and the page that shows it."""

from typing import Any

from django.conf import settings
from django.http import HttpRequest, HttpResponseBase
from django.utils.decorators import method_decorator
from django.views.decorators.csrf import csrf_exempt
from django.views.generic import TemplateView, View
from rest_framework.request import Request
from rest_framework.response import Response

from config.kernel.access import PUBLIC
from config.kernel.api.reference import reference
from config.kernel.api.schema import document
from config.kernel.api.views import ApiView
from config.kernel.errors import Absent


class OpenApiDocument(ApiView):
    """The document, as JSON."""

    access = {"GET": PUBLIC}
    schema = None

    def get(self, request: Request) -> Response:
        """The same in every answer of one version of the program."""
        return Response(document())


class Documentation(TemplateView):
    """The document for people."""

    access = PUBLIC
    http_method_names = ["get", "head"]
    template_name = "api/documentation.html"

    def get_context_data(self, **kwargs: Any) -> dict[str, Any]:
        return super().get_context_data(reference=reference(), address=settings.TENANTRY_URL, **kwargs)


@method_decorator(csrf_exempt, name="dispatch")
class NothingHere(View):
    """Every other address on the programs' side: a problem, also while DEBUG would show Django's own page."""

    access = PUBLIC

    def dispatch(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        raise Absent
