"""Dashboard pages of what deliveries are signed with."""

from datetime import timedelta
from typing import Any

from django.contrib import messages
from django.http import HttpResponse

from keys.views.shown_once import SecretPage
from webhooks.forms.endpoints import RotateSecretForm
from webhooks.models import Endpoint
from webhooks.services import secrets as services
from webhooks.views.changes import TAB, EndpointFormPage
from webhooks.views.endpoints import MANAGER, to_endpoint


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


class SigningKeyMake(EndpointFormPage):
    """Says whom a new Ed25519 key cuts off, then makes it. The settings show its public half, no answer the other."""

    access = MANAGER.after_recent_proof()
    template_name = "webhooks/signing_key.html"

    def save(self, form: Any) -> HttpResponse:
        services.make_signing_key(actor=self.admission.principal, endpoint_id=self.endpoint.id)
        messages.success(self.request, "Deliveries are signed with this Ed25519 key, too.")
        return to_endpoint(self.admission, self.endpoint, TAB)


class SigningKeyRemove(EndpointFormPage):
    """Says whom that cuts off, then signs with no Ed25519 key any more."""

    access = MANAGER.after_recent_proof()
    template_name = "webhooks/signing_key_remove.html"

    def save(self, form: Any) -> HttpResponse:
        services.remove_signing_key(actor=self.admission.principal, endpoint_id=self.endpoint.id)
        messages.success(self.request, "Deliveries are no longer signed with an Ed25519 key.")
        return to_endpoint(self.admission, self.endpoint, TAB)
