"""Lists of keys, of one project and of the whole organization."""

from typing import Any

from django.http import HttpRequest, HttpResponse

from config.kernel.access import organization, project
from config.kernel.pages import FORM_INVALID, Page
from config.kernel.permissions import Permission
from keys.forms.keys import KeyFilter
from keys.models import Key, KeyQuerySet

EXPIRING_SHOWN = 5


class KeyListPage(Page):
    """What both lists do; `rows` says whose keys."""

    def rows(self) -> KeyQuerySet:
        """The keys before filtering."""
        raise NotImplementedError

    def get(self, request: HttpRequest, **kwargs: Any) -> HttpResponse:
        form = KeyFilter(request.GET)
        if not form.is_valid():
            return self.show({"section": "keys", "form": form}, status=FORM_INVALID)
        listed = self.listed(self.rows().matching(**form.cleaned_data))
        filtered = any(form.cleaned_data.values())
        return self.show({"section": "keys", "form": form, "filtered": filtered, **form.cleaned_data, **listed})


class KeyList(KeyListPage):
    """The keys of one project."""

    access = {"GET": project(Permission.VIEW_ORG)}
    template_name = "keys/list.html"
    navigation = "projects"

    def rows(self) -> KeyQuerySet:
        return Key.objects.of_project(self.admission.project.id)


class OrganizationKeyList(KeyListPage):
    """The keys of all projects."""

    access = {"GET": organization(Permission.VIEW_ORG)}
    template_name = "keys/all.html"
    navigation = "keys"

    def rows(self) -> KeyQuerySet:
        return Key.objects.select_related("project")


class KeyPanel(Page):
    """A fragment for the organization's overview."""

    access = {"GET": organization(Permission.VIEW_ORG)}
    template_name = "keys/panel.html"

    def get(self, request: HttpRequest, **kwargs: Any) -> HttpResponse:
        expiring = Key.objects.expiring().select_related("project").order_by("expires_at", "id")[:EXPIRING_SHOWN]
        unused = Key.objects.unused().count()
        return self.show({"counts": Key.objects.counts(), "expiring": expiring, "unused": unused})
