"""The page of a project's handover addresses."""

from functools import cached_property
from typing import Any

from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import redirect
from django.urls import reverse

from config.kernel.access import Admission, project
from config.kernel.errors import Absent
from config.kernel.pages import FormPage
from config.kernel.permissions import Permission
from sso.forms.handover import HandoverAddressForm
from sso.models import HandoverAddress
from sso.services import handover_addresses as services


def to_addresses(admission: Admission) -> HttpResponse:
    """A redirect to the page."""
    return redirect("sso:handover-addresses", admission.organization.slug, admission.project.public_id)


class HandoverAddresses(FormPage):
    """The registered addresses, and how a product uses them."""

    access = {"GET": project(Permission.VIEW_ORG), "POST": project(Permission.MANAGE_APPS).after_recent_proof()}
    template_name = "sso/handover_addresses.html"
    navigation = "projects"
    form_class = HandoverAddressForm

    def form_context(self) -> dict[str, Any]:
        return {
            "section": "handover",
            "start": self.request.build_absolute_uri(reverse("sso:handover-start")),
            **self.listed(HandoverAddress.objects.filter(project_id=self.admission.project.id)),
        }

    def save(self, form: HandoverAddressForm) -> HttpResponse:
        made = services.register_handover_address(
            actor=self.admission.principal, project_id=self.admission.project.id, **form.cleaned_data
        )
        messages.success(self.request, f"People are handed over at {made.address} from now on.")
        return to_addresses(self.admission)


class HandoverAddressRemove(FormPage):
    """Says what stops, then ends the registration."""

    access = project(Permission.MANAGE_APPS)
    template_name = "sso/handover_address_remove.html"
    navigation = "projects"

    @cached_property
    def handover_address(self) -> HandoverAddress:
        """The address that is named. Raises Absent."""
        rows = HandoverAddress.objects.filter(project_id=self.admission.project.id)
        row = rows.by_reference(self.kwargs["handover_address"])
        if row is None:
            raise Absent
        return row

    def form_context(self) -> dict[str, Any]:
        return {"section": "handover", "handover_address": self.handover_address}

    def save(self, form: Any) -> HttpResponse:
        services.remove_handover_address(
            actor=self.admission.principal,
            project_id=self.admission.project.id,
            handover_address=self.handover_address.public_id,
        )
        messages.success(self.request, f"Nobody is handed over at {self.handover_address.address} any more.")
        return to_addresses(self.admission)
