"""allauth's pages of password and address, behind our gate: they ask for a fresh proof of identity as ours do."""

from typing import Any

from allauth.account.views import EmailView, PasswordChangeView, PasswordResetView, PasswordSetView
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect

from config.kernel.access import PUBLIC, SIGNED_IN
from config.kernel.errors import RateLimited
from config.kernel.pages import AccessMixin, Page
from config.kernel.throttling import Secret, require_patience
from sso.views.entering import address_of, destination_of

RECENTLY = SIGNED_IN.after_recent_proof()


class PasswordChange(AccessMixin, PasswordChangeView):
    """A new password for the old one."""

    access = RECENTLY


class PasswordSet(AccessMixin, PasswordSetView):
    """A first password, for who has signed in by other ways so far."""

    access = RECENTLY


class EmailChange(AccessMixin, EmailView):
    """Another address."""

    access = RECENTLY


class PasswordReset(AccessMixin, PasswordResetView):
    """Asks for the mail. How often, for one address or from one place, is limited; the answer tells nothing else."""

    access = PUBLIC

    def form_valid(self, form: Any) -> HttpResponse:
        try:
            require_patience(Secret.MAIL, account=form.cleaned_data["email"])
        except RateLimited as error:
            form.add_error(None, f"Too many mails were asked for: wait {error.retry_after} seconds and try again.")
            return self.render_to_response(self.get_context_data(form=form), status=error.status)
        return super().form_valid(form)


class Reauthenticate(Page):
    """The address under which allauth asks for its own confirmation; ours is the only one."""

    access = {"GET": SIGNED_IN}

    def get(self, request: HttpRequest, **kwargs: Any) -> HttpResponse:
        return redirect(address_of("sso:confirm", destination_of(request)))
