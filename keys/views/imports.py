"""The dashboard page that takes over keys of another system."""

from typing import Any

from django.http import HttpResponse

from config.kernel.access import project
from config.kernel.pages import FormPage
from config.kernel.permissions import Permission
from keys.forms.imports import ImportForm
from keys.models import KeyPolicy
from keys.services.imports import import_keys


class KeyImportPage(FormPage):
    """Pasted lines in, what became of each out. Sending them again changes nothing, so the answer is the page."""

    access = project(Permission.MANAGE_KEYS)
    template_name = "keys/import.html"
    navigation = "projects"
    form_class = ImportForm

    def form_arguments(self) -> dict[str, Any]:
        return {"holder": self.admission.permissions}

    def form_context(self) -> dict[str, Any]:
        return {"section": "keys", "policy": KeyPolicy.objects.current()}

    def save(self, form: ImportForm) -> HttpResponse:
        lines = form.wanted()
        results = import_keys(
            actor=self.admission.principal,
            holder=self.admission.permissions,
            project_id=self.admission.project.id,
            lines=lines,
        )
        return self.show(
            {"section": "keys", "results": list(zip(lines, results, strict=True))}, template="keys/import_result.html"
        )
