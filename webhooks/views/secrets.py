"""Dashboard pages of what deliveries are signed with."""

from datetime import timedelta
from typing import Any

from django.contrib import messages
from django.http import HttpRequest, HttpResponse

from keys.views.shown_once import SecretPage
from webhooks.forms.endpoints import RotateSecretForm
from webhooks.models import Endpoint
from webhooks.services import secrets as services
from webhooks.views.changes import TAB, EndpointFormPage
from webhooks.views.endpoints import MANAGER, OfEndpoint, to_endpoint


class SecretRotate(SecretPage, EndpointFormPage):
    """A new secret in place of the old one; it is in the answer."""

    access = MANAGER.after_recent_proof()
    template_name = "webhooks/rotate_secret.html"
    made_template = "webhooks/made.html"
    sent_before_template = "webhooks/sent_before.html"
    form_class = RotateSecretForm

    def make(self, form: RotateSecretForm) -> tuple[Endpoint, str]:
        overlap = timedelta(seconds=form.cleaned_data["overlap"])
        return services.rotate_secret(actor=self.admission.principal, endpoint_id=self.endpoint.id, overlap=overlap)


class SigningKeyMake(OfEndpoint):
    """A new Ed25519 key, whose public half the settings show. The private one leaves the server in no answer."""

    access = {"POST": MANAGER.after_recent_proof()}

    def post(self, request: HttpRequest, **kwargs: Any) -> HttpResponse:
        services.make_signing_key(actor=self.admission.principal, endpoint_id=self.endpoint.id)
        messages.success(request, "Deliveries are signed with this Ed25519 key, too.")
        return to_endpoint(self.admission, self.endpoint, TAB)


class SigningKeyRemove(OfEndpoint):
    """No Ed25519 key any more."""

    access = {"POST": MANAGER.after_recent_proof()}

    def post(self, request: HttpRequest, **kwargs: Any) -> HttpResponse:
        services.remove_signing_key(actor=self.admission.principal, endpoint_id=self.endpoint.id)
        messages.success(request, "Deliveries are no longer signed with an Ed25519 key.")
        return to_endpoint(self.admission, self.endpoint, TAB)
