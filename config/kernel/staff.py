"""The base of every staff page: rows are read as they are, and changed only by actions that call a service.

The lists stay quick at a million rows: no count, no sort but by id, no search but by an index, and no page so deep
that reaching it would take long.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar
from uuid import UUID

from django import forms
from django.contrib import messages
from django.contrib.admin.options import IS_POPUP_VAR, ShowFacets
from django.contrib.admin.utils import quote, unquote
from django.contrib.admin.views.main import PAGE_VAR
from django.core.paginator import EmptyPage, Page, Paginator
from django.db.models import Model, QuerySet
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse
from django.utils.functional import cached_property
from django.utils.html import format_html
from unfold.views import ChangeList
from unfold.widgets import UnfoldAdminSelectWidget, UnfoldAdminTextInputWidget, UnfoldBooleanSwitchWidget

from config.kernel.errors import Absent, TenantryError
from config.kernel.identifiers import parse_public_id, public_id
from config.kernel.principals import StaffPrincipal
from config.kernel.staff_reads import RecordedModelAdmin, staff_principal

PER_PAGE = 50
DEEPEST_PAGE = 200
REACHABLE_ROWS = PER_PAGE * DEEPEST_PAGE + 1


class UncountedPaginator(Paginator):
    """Reads the page in hand and one row more, which tells whether there is a next page. Nothing is counted."""

    template_name = "staff/pagination.html"

    def __init__(self, object_list: Any, per_page: int, *, page_number: int) -> None:
        super().__init__(object_list, per_page)
        self.page_number = page_number

    @cached_property
    def rows(self) -> list[Any]:
        """The page's rows and at most one more."""
        start = (self.page_number - 1) * self.per_page
        return list(self.object_list[start : start + self.per_page + 1])

    @cached_property
    def count(self) -> int:
        """How many rows are known of: those up to this page, and one when there are more."""
        return (self.page_number - 1) * self.per_page + len(self.rows)

    @property
    def has_next(self) -> bool:
        """Whether there is a next page that may be reached."""
        return len(self.rows) > self.per_page and self.page_number < DEEPEST_PAGE

    @property
    def is_deepest(self) -> bool:
        """Whether there are rows that only a search can reach."""
        return len(self.rows) > self.per_page and self.page_number == DEEPEST_PAGE

    def page(self, number: int | str) -> Page:
        """The page that the request asks for. Raises EmptyPage for any other, and for one behind the last."""
        if int(number) != self.page_number or not (self.rows or self.page_number == 1):
            raise EmptyPage("There is nothing on this page.")
        return Page(self.rows[: self.per_page], self.page_number, self)


class UncountedList(ChangeList):
    """The list without the theme's line of counts, which are not known."""

    def get_results(self, request: HttpRequest) -> None:
        super().get_results(request)
        self.full_result_count = self.result_count


class StaffForm(forms.Form):
    """What an action asks for, in the theme's looks."""

    required_css_class = "required"


def text_field(label: str, **options: Any) -> forms.CharField:
    """One line of text."""
    options.setdefault("max_length", 200)
    return forms.CharField(label=label, widget=UnfoldAdminTextInputWidget(), **options)


def choice_field(label: str, choices: Any, **options: Any) -> forms.ChoiceField:
    """One of a few."""
    return forms.ChoiceField(label=label, choices=choices, widget=UnfoldAdminSelectWidget(), **options)


def switch_field(label: str, **options: Any) -> forms.BooleanField:
    """Yes or no."""
    return forms.BooleanField(label=label, required=False, widget=UnfoldBooleanSwitchWidget(), **options)


class ReasonForm(StaffForm):
    """Why, for the log."""

    reason = text_field("Reason", help_text="Kept in the audit log, where the organization reads it too.")


@dataclass(frozen=True)
class Outcome:
    """What became of an action, in `words`. A `secret` is shown once, on the answer itself."""

    words: str
    secret: str = ""


@dataclass(frozen=True)
class StaffAction:
    """Something that staff may do to one row.

    `run` takes the actor, the row and the form's values by name, and calls one service; `applies` says for which rows
    the button is there; `explanation` tells what will happen. One that `removes` the row leads back to the list.
    """

    name: str
    words: str
    explanation: str
    run: Callable[..., Outcome]
    form: type[StaffForm] = StaffForm
    applies: Callable[[Any], bool] = lambda _row: True
    danger: bool = False
    removes: bool = False


class StaffModelAdmin(RecordedModelAdmin):
    """A model's staff pages. Subclasses name `fields`, `list_display`, `staff_actions`, and how to search."""

    staff_actions: ClassVar[tuple[StaffAction, ...]] = ()
    add_form_class: ClassVar[type[StaffForm] | None] = None
    add_explanation: ClassVar[str] = ""

    actions = None
    ordering = ("-id",)
    sortable_by: tuple[str, ...] = ()
    list_per_page = PER_PAGE
    list_max_show_all = 0
    show_full_result_count = False
    show_facets = ShowFacets.NEVER
    search_fields: tuple[str, ...] = ("id",)
    change_form_outer_before_template = "staff/tools.html"

    # -- who may do what: the site has checked the person, and changes go through actions ----------------------------
    def has_view_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return True

    def has_module_permission(self, request: HttpRequest) -> bool:
        return True

    def has_add_permission(self, request: HttpRequest) -> bool:
        return self.add_form_class is not None

    def has_change_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return False

    # -- lists -------------------------------------------------------------------------------------------------------
    def get_changelist(self, request: HttpRequest, **kwargs: Any) -> type[ChangeList]:
        return UncountedList

    def get_paginator(self, request: HttpRequest, queryset: QuerySet, per_page: int, *_: Any, **__: Any) -> Paginator:
        text = request.GET.get(PAGE_VAR, "1")
        number = int(text) if text.isascii() and text.isdecimal() and len(text) <= len(str(DEEPEST_PAGE)) else 0
        return UncountedPaginator(queryset, per_page, page_number=min(max(number, 1), DEEPEST_PAGE))

    def get_search_results(self, request: HttpRequest, queryset: QuerySet, search_term: str) -> tuple[QuerySet, bool]:
        words = search_term.split()
        try:
            for word in words:
                queryset = self.narrow(queryset, word.replace("\0", ""))
        except Absent:
            queryset = queryset.none()
        return queryset, False

    def narrow(self, rows: QuerySet, word: str) -> QuerySet:
        """The rows that one word of a search means. Raises Absent when it means none; only indexes are asked."""
        raise Absent

    # -- one row -----------------------------------------------------------------------------------------------------
    def links(self, row: Any) -> list[tuple[str, str]]:
        """What belongs to the row, as (words, address)."""
        return []

    def get_urls(self) -> list[URLPattern]:
        address = path(
            "<path:object_id>/do/<slug:name>/",
            self.admin_site.admin_view(self.action_view),
            name=f"{self.opts.app_label}_{self.opts.model_name}_do",
        )
        return [address, *super().get_urls()]

    def change_view(
        self, request: HttpRequest, object_id: str, form_url: str = "", extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        row = self.get_object(request, unquote(object_id))
        context: dict[str, Any] = {**(extra_context or {}), "show_save": False}
        if row is not None:
            self.note_object(request, row)
            context["staff_actions"] = [
                (action, self.address_of("do", quote(row.pk), action.name))
                for action in self.staff_actions
                if action.applies(row)
            ]
            context["staff_links"] = self.links(row)
        return super().change_view(request, object_id, form_url, context)

    def history_view(
        self, request: HttpRequest, object_id: str, extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        """Django's own log stays empty: what happened to a row is in the audit log."""
        raise Absent

    def action_view(self, request: HttpRequest, object_id: str, name: str) -> HttpResponse:
        """Asks what an action needs to know, then does it."""
        row: Any = self.get_object(request, unquote(object_id))
        action = next((action for action in self.staff_actions if action.name == name), None)
        if row is None or action is None or not action.applies(row):
            raise Absent
        self.note_object(request, row)
        back = self.address_of("change", quote(row.pk))

        def run(values: Mapping[str, Any]) -> tuple[Outcome, str]:
            outcome = action.run(actor=staff_principal(request), row=row, **values)
            return outcome, self.address_of("changelist") if action.removes else back

        return self._ask(
            request,
            form_class=action.form,
            run=run,
            context={
                "title": f"{action.words}: {row}",
                "explanation": action.explanation,
                "button": action.words,
                "danger": action.danger,
                "cancel": back,
                "original": row,
            },
        )

    def add_view(
        self, request: HttpRequest, form_url: str = "", extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        """The form of `add_form_class`, whose values `add` takes."""
        if self.add_form_class is None:
            return super().add_view(request, form_url, extra_context)

        def run(values: Mapping[str, Any]) -> tuple[Outcome, str]:
            row, outcome = self.add(actor=staff_principal(request), **values)
            return outcome, self.address_of("change", quote(row.pk))

        return self._ask(
            request,
            form_class=self.add_form_class,
            run=run,
            context={
                "title": f"Add {self.opts.verbose_name}",
                "explanation": self.add_explanation,
                "button": "Add",
                "cancel": self.address_of("changelist"),
            },
        )

    def add(self, *, actor: StaffPrincipal, **values: Any) -> tuple[Any, Outcome]:
        """Makes a row by its service. Subclasses with an `add_form_class` write it."""
        raise NotImplementedError

    def _ask(
        self,
        request: HttpRequest,
        *,
        form_class: type[StaffForm],
        run: Callable[[Mapping[str, Any]], tuple[Outcome, str]],
        context: dict[str, Any],
    ) -> HttpResponse:
        form = form_class(request.POST if request.method == "POST" else None)
        context |= {
            **self.admin_site.each_context(request),
            "opts": self.opts,
            "form": form,
            "is_popup": IS_POPUP_VAR in request.GET,
        }
        if request.method == "POST" and form.is_valid():
            try:
                outcome, back = run(form.cleaned_data)
            except TenantryError as error:
                form.add_error(None, error.sentence)
            else:
                if not outcome.secret:
                    messages.success(request, outcome.words)
                    return redirect(back)
                context |= {"outcome": outcome, "back": back}
                return TemplateResponse(request, "staff/secret.html", context)
        return TemplateResponse(request, "staff/action.html", context, status=422 if form.errors else 200)

    def address_of(self, page: str, *arguments: Any) -> str:
        """The address of one of this model's pages."""
        return reverse(f"admin:{self.opts.app_label}_{self.opts.model_name}_{page}", args=arguments)


class TenantModelAdmin(StaffModelAdmin):
    """Staff pages of a tenant model: searched by organization and public id. `prefix` is that of the public id."""

    prefix: ClassVar[str] = ""
    search_help_text = "A public id, or that of an organization (org_…)"

    def narrow(self, rows: QuerySet, word: str) -> QuerySet:
        organization_id = parse_public_id("org", word)
        if organization_id:
            return rows.filter(org_id=organization_id)
        row_id = parse_public_id(self.prefix, word) if self.prefix else None
        return rows.filter(id=row_id) if row_id else super().narrow(rows, word)


def organization_link(organization_id: UUID, words: str = "") -> str:
    """A link to the organization's page; without `words` its public id."""
    address = reverse("admin:orgs_organization_change", args=[organization_id])
    return format_html(
        '<a class="text-primary-600 dark:text-primary-500" href="{}">{}</a>',
        address,
        words or public_id("org", organization_id),
    )


def list_link(model: str, **filters: Any) -> str:
    """The address of a model's list, narrowed. `model` is `app_model`; filters are by exact value."""
    query = "&".join(f"{name}={value}" for name, value in filters.items())
    return f"{reverse(f'admin:{model}_changelist')}?{query}"
