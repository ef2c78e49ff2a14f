"""The base of every dashboard page: declared access, the tenant scope, fragments for htmx."""

from collections.abc import Mapping
from contextlib import ExitStack
from typing import Any, ClassVar

from django.conf import settings
from django.http import HttpRequest, HttpResponse, HttpResponseBase, HttpResponseNotAllowed
from django.shortcuts import redirect, render, resolve_url
from django.utils.module_loading import import_string
from django.views import View

from config.kernel.access import Access, Admission, access_for, admitted
from config.kernel.principals import Principal


class AccessMixin:
    """The view mixin of the two gates. A view that uses it declares `access` and finds `admission` set."""

    access: ClassVar[Access | Mapping[str, Access]]
    admission: Admission

    def dispatch(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        access = access_for(self.access, request.method or "")
        if access is None:
            return HttpResponseNotAllowed(sorted(self.access) if isinstance(self.access, Mapping) else [])
        with ExitStack() as scopes:
            self.admission = scopes.enter_context(
                admitted(access, principal=principal_of(request), references=kwargs, headers=request.headers)
            )
            request.admission = self.admission  # type: ignore[attr-defined]
            if request.method == "GET" and self.admission.organization:
                current = {**kwargs, "organization": self.admission.organization.slug}
                if current != kwargs:  # reached by a retired slug or by id
                    return redirect(resolve_url(request.resolver_match.view_name, **current))  # type: ignore[union-attr]
            return super().dispatch(request, *args, **kwargs)  # type: ignore[misc]


class Page(AccessMixin, View):
    """A dashboard page. Its answers are rendered inside the tenant scope, never lazily after it."""

    template_name: ClassVar[str] = ""
    navigation: ClassVar[str] = ""

    def show(self, context: dict[str, Any] | None = None, *, status: int = 200, template: str = "") -> HttpResponse:
        """The page, or the template named."""
        return render(
            self.request,
            template or self.template_name,
            {"admission": self.admission, "navigation": self.navigation, **(context or {})},
            status=status,
        )


def principal_of(request: HttpRequest) -> Principal:
    """The person signed in to the dashboard, by the function that TENANTRY_PAGE_PRINCIPAL names."""
    return import_string(settings.TENANTRY_PAGE_PRINCIPAL)(request)
