"""Dashboard pages of a person's own tokens."""

from typing import Any

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect

from config.kernel.access import SIGNED_IN
from config.kernel.errors import Absent, AuthFailure
from config.kernel.pages import FormPage, Page
from keys.forms.tokens import TokenForm
from keys.models import PersonalToken
from keys.services.tokens import create_token, revoke_token
from keys.views.shown_once import SecretPage
from orgs.models import User
from orgs.selectors import memberships_of


def viewer_of(request: HttpRequest) -> User:
    """The person signed in. Raises AuthFailure for nobody, who is led to the sign-in page."""
    if not isinstance(request.user, User):
        raise AuthFailure
    return request.user


class TokenList(Page):
    """The viewer's tokens."""

    access = {"GET": SIGNED_IN}
    template_name = "keys/tokens.html"
    navigation = "tokens"

    def get(self, request: HttpRequest, **kwargs: Any) -> HttpResponse:
        tokens = PersonalToken.objects.of_user(viewer_of(request).id).select_related("organization")
        return self.show(self.listed(tokens))


class TokenCreate(SecretPage):
    """A new token, whose plaintext is in the answer."""

    access = SIGNED_IN.after_recent_proof()
    template_name = "keys/token_create.html"
    made_template = "keys/token_made.html"
    sent_before_template = "keys/token_sent_before.html"
    navigation = "tokens"
    form_class = TokenForm

    def form_arguments(self) -> dict[str, Any]:
        organizations = [belonging.organization for belonging in memberships_of(viewer_of(self.request).id)]
        return {"organizations": [organization for organization in organizations if organization.is_active]}

    def make(self, form: TokenForm) -> tuple[PersonalToken, str]:
        return create_token(
            actor=self.admission.principal,
            user=viewer_of(self.request),
            name=form.cleaned_data["name"],
            organization=form.chosen_organization(),
            permissions=form.wanted_permissions(),
            expires_at=form.cleaned_data["expires_at"],
        )


class TokenRevoke(FormPage):
    """Says what stops, then ends the token."""

    access = SIGNED_IN
    template_name = "keys/token_revoke.html"
    navigation = "tokens"

    def form_arguments(self) -> dict[str, Any]:
        token = PersonalToken.objects.of_user(viewer_of(self.request).id).by_reference(self.kwargs["token"])
        if token is None:
            raise Absent
        self.token = token
        return {}

    def form_context(self) -> dict[str, Any]:
        return {"token": self.token}

    def save(self, form: Any) -> HttpResponse:
        revoke_token(actor=self.admission.principal, user=viewer_of(self.request), token=self.token.public_id)
        messages.success(self.request, f"{self.token.name} is revoked: it is refused from now on.")
        return redirect("keys:tokens")
