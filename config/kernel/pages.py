"""The base of every dashboard page: declared access, the tenant scope, fragments for htmx."""

from collections.abc import Mapping
from contextlib import ExitStack
from typing import Any, ClassVar

from django import forms
from django.conf import settings
from django.contrib import messages
from django.db import transaction
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse, HttpResponseBase, HttpResponseNotAllowed
from django.shortcuts import redirect, render, resolve_url
from django.utils.http import url_has_allowed_host_and_scheme
from django.utils.module_loading import import_string
from django.views import View

from config.kernel.access import Access, Admission, access_for, admitted
from config.kernel.api.views import etag_of
from config.kernel.denials import Asked, note_rule_broken
from config.kernel.errors import Conflict, Forbidden, Invalid, TenantryError
from config.kernel.paging import DEFAULT_LIMIT, window_of
from config.kernel.principals import Principal

# The status of a form that is wrong by itself, before any service saw it; htmx swaps such an answer in.
FORM_INVALID = 422
VERSION = "version"
CHANGED_MEANWHILE = "Somebody changed this meanwhile: look at it as it is now, and make your change again."


class AccessMixin:
    """The view mixin of the two gates. A view that uses it declares `access` and finds `admission` set."""

    access: ClassVar[Access | Mapping[str, Access]]
    admission: Admission
    _has_noted = False

    def dispatch(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        access = access_for(self.access, request.method or "")
        if access is None:
            return HttpResponseNotAllowed(sorted(self.access) if isinstance(self.access, Mapping) else [])
        with ExitStack() as scopes:
            self.admission = scopes.enter_context(
                admitted(
                    access,
                    principal=principal_of(request),
                    references=kwargs,
                    headers=request.headers,
                    asked=Asked.of(request),
                )
            )
            request.admission = self.admission  # type: ignore[attr-defined]
            if request.method == "GET" and self.admission.organization:
                current = {**kwargs, "organization": self.admission.organization.slug}
                if current != kwargs:  # reached by a retired slug or by id
                    return redirect(resolve_url(request.resolver_match.view_name, **current))  # type: ignore[union-attr]
            try:
                return super().dispatch(request, *args, **kwargs)  # type: ignore[misc]
            except TenantryError as error:
                self.note_refusal(error)
                raise

    def note_refusal(self, error: TenantryError) -> None:
        """Has it recorded that a service refused this by a rule of its own; nothing for any other error.

        Once for a request: the page around the form may refuse for the same reason.
        """
        if self._has_noted:
            return
        self._has_noted = True
        note_rule_broken(self.admission, error)


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

    def listed(self, rows: QuerySet, *, limit: int = DEFAULT_LIMIT) -> dict[str, Any]:
        """Context of a list: its `rows`, and the addresses `older` and `newer`, which keep the filters. One query."""
        query = self.request.GET
        window = window_of(rows, before=query.get("before"), after=query.get("after"), limit=limit)
        return {
            "rows": window.rows,
            "older": self._turned(before=window.older),
            "newer": self._turned(after=window.newer),
        }

    def _turned(self, **cursor: str | None) -> str:
        query = self.request.GET.copy()
        for name in ("before", "after"):
            query.pop(name, None)
        given = {name: value for name, value in cursor.items() if value}
        query.update(given)
        return f"{self.request.path}?{query.urlencode()}" if given else ""


class FormPage(Page):
    """A page around one form: GET shows it, POST checks it and lets `save` call one service and redirect.

    What the service refuses is said beside the field that it names, or above the form, under the error's own status.
    """

    form_class: ClassVar[type[forms.BaseForm]] = forms.Form

    def form_arguments(self) -> dict[str, Any]:
        """What the form needs beside the data: `initial`, choices that depend on the viewer."""
        return {}

    def form_context(self) -> dict[str, Any]:
        """What the template needs beside the form."""
        return {}

    def save(self, form: Any) -> HttpResponse:
        """Calls one service with the cleaned data. What it raises is shown in the form."""
        raise NotImplementedError

    def get(self, request: HttpRequest, **kwargs: Any) -> HttpResponse:
        return self.show_form(self.form_class(**self.form_arguments()))

    def post(self, request: HttpRequest, **kwargs: Any) -> HttpResponse:
        form = self.form_class(request.POST, **self.form_arguments())
        if not form.is_valid():
            return self.show_form(form, status=FORM_INVALID)
        return self.submit(form)

    def submit(self, form: forms.BaseForm) -> HttpResponse:
        """Saves a valid form, or shows why not."""
        try:
            return self.save(form)
        except (Invalid, Conflict, Forbidden) as error:
            self.note_refusal(error)
            add_error(form, error)
            return self.show_form(form, status=error.status)

    def show_form(self, form: forms.BaseForm, *, status: int = 200) -> HttpResponse:
        """The page with this form."""
        return self.show({"form": form, **self.form_context()}, status=status)


class EditPage(FormPage):
    """A form over a record that others may change while the page is open: nobody undoes that unseen.

    The form's field `version` tells what the form began with. When the record says something else by now, nothing is
    saved, and the page shows it as it is: the pages' counterpart of If-Match. A field with `show_hidden_initial` is no
    part of the version; its form looks at `changed_data`.
    """

    def lock(self) -> None:
        """Locks the record until the transaction ends, and reads it anew where it was read before. Raises Absent."""
        raise NotImplementedError

    def version(self, form: forms.BaseForm) -> str:
        """Which record the form begins with."""
        return version_of(form)

    def submit(self, form: forms.BaseForm) -> HttpResponse:
        # Not around the form's own checks: one that asks the DNS would have everybody wait who needs the record.
        with transaction.atomic():
            self.lock()
            present = self.form_class(**self.form_arguments())
            if self.request.POST.get(VERSION) != self.version(present):
                messages.error(self.request, CHANGED_MEANWHILE)
                return self.show_form(present, status=Conflict.status)
            return super().submit(form)

    def show_form(self, form: forms.BaseForm, *, status: int = 200) -> HttpResponse:
        form.fields[VERSION] = forms.CharField(widget=forms.HiddenInput, initial=self.version(form))
        return super().show_form(form, status=status)


def version_of(form: forms.BaseForm) -> str:
    """Which values a form begins with: the digest of an entity tag."""
    counted = {name: field for name, field in form.fields.items() if not field.show_hidden_initial}
    return etag_of({name: form.get_initial_for_field(field, name) for name, field in counted.items()}).strip('"')


def path_here(wanted: str) -> str:
    """The path of this site that somebody asks to go on to; empty for everything else, other sites above all."""
    is_path = wanted.startswith("/") and url_has_allowed_host_and_scheme(wanted, allowed_hosts=None)
    return wanted if is_path else ""


def add_error(form: forms.BaseForm, error: TenantryError) -> None:
    """Puts a service's refusal beside the form's field that it names, or above the form."""
    named = {name: sentences for name, sentences in error.extra.get("errors", {}).items() if name in form.fields}
    for name, sentences in named.items():
        for sentence in sentences:
            form.add_error(name, sentence)
    if not named:
        form.add_error(None, error.detail)


def principal_of(request: HttpRequest) -> Principal:
    """The person signed in to the dashboard, by the function that TENANTRY_PAGE_PRINCIPAL names."""
    return import_string(settings.TENANTRY_PAGE_PRINCIPAL)(request)
