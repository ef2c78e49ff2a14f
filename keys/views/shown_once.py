"""Pages that show a secret once, in the answer to the very form that made it.

The plaintext is in that one answer and nowhere else: no redirect carries it, no session and no cache keeps it.
"""

from typing import Any

from django.conf import settings
from django.http import HttpResponse

from config.kernel.pages import FormPage
from keys.forms.credentials import OnceForm
from keys.services.once import SentBefore, sent_once


class SecretPage(FormPage):
    """A form whose answer shows what it made. Sending the form again is refused."""

    made_template: str
    sent_before_template: str

    def make(self, form: Any) -> tuple[Any, str]:
        """Calls one service; what was made, and its plaintext."""
        raise NotImplementedError

    def save(self, form: Any) -> HttpResponse:
        try:
            with sent_once(actor=self.admission.principal, token=form.cleaned_data["once"]):
                made, plaintext = self.make(form)
        except SentBefore as error:
            return self.show(
                {"problem": error, **self.form_context()}, status=error.status, template=self.sent_before_template
            )
        context = {"made": made, "plaintext": plaintext, "tenantry_url": settings.TENANTRY_URL}
        response = self.show({**self.form_context(), **context}, template=self.made_template)
        response["Cache-Control"] = "no-store"
        return response

    def show_form(self, form: Any, *, status: int = 200) -> HttpResponse:
        if isinstance(form, OnceForm) and form.is_bound:
            form.renew()
        return super().show_form(form, status=status)
