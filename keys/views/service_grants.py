"""Dashboard pages of service grants: which products behind Tenantry may act in the organization."""

from functools import cached_property
from typing import Any

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect

from config.kernel.access import organization
from config.kernel.errors import Absent
from config.kernel.pages import FormPage, Page
from config.kernel.permissions import DESCRIPTIONS, Permission
from keys.forms.service_grants import GrantForm
from keys.selectors import GrantLine, grant_lines, withdrawal_of
from keys.services.service_grants import create_grant, withdraw_grant
from orgs.models import ServiceAccount, ServiceGrant
from projects.models import Project

OFFERED_ACCOUNTS = 100
SUGGESTED_PROJECTS = 100


class GrantList(Page):
    """The grants, newest first, withdrawn ones included."""

    access = {"GET": organization(Permission.VIEW_ORG)}
    template_name = "keys/grants.html"
    navigation = "service-grants"

    def get(self, request: HttpRequest, **kwargs: Any) -> HttpResponse:
        listed = self.listed(ServiceGrant.objects.select_related("account"))
        return self.show({**listed, "lines": grant_lines(listed["rows"])})


class GrantCreate(FormPage):
    """Lets a product act here."""

    access = organization(Permission.MANAGE_MEMBERS)
    template_name = "keys/grant_create.html"
    navigation = "service-grants"
    form_class = GrantForm

    @cached_property
    def accounts(self) -> list[ServiceAccount]:
        """The products to choose from, by name."""
        return list(ServiceAccount.objects.active().order_by("name")[:OFFERED_ACCOUNTS])

    def form_arguments(self) -> dict[str, Any]:
        return {"holder": self.admission.permissions, "accounts": self.accounts}

    def form_context(self) -> dict[str, Any]:
        return {"accounts": self.accounts, "projects": Project.objects.active().order_by("-id")[:SUGGESTED_PROJECTS]}

    def save(self, form: GrantForm) -> HttpResponse:
        grant = create_grant(
            actor=self.admission.principal,
            account_id=form.chosen_account(),
            permissions=form.cleaned_data["permissions"],
            project_id=form.cleaned_data["project"],
        )
        messages.success(self.request, f"{grant.account.name} may act here from its next request on.")
        return redirect("keys:grants", self.admission.organization.slug)


class GrantWithdraw(FormPage):
    """Says what stops, then ends the grant."""

    access = organization(Permission.MANAGE_MEMBERS)
    template_name = "keys/grant_withdraw.html"
    navigation = "service-grants"

    @cached_property
    def line(self) -> GrantLine:
        """The grant that the address names. Raises Absent."""
        grant = ServiceGrant.objects.select_related("account").by_reference(self.kwargs["grant"])
        if grant is None:
            raise Absent
        return grant_lines([grant])[0]

    def form_context(self) -> dict[str, Any]:
        withdrawal = withdrawal_of(self.line.grant)
        return {
            "line": self.line,
            "stops": [(permission.value, DESCRIPTIONS[permission]) for permission in sorted(withdrawal.stops)],
            "remaining": grant_lines(withdrawal.remaining),
        }

    def save(self, form: Any) -> HttpResponse:
        grant = withdraw_grant(actor=self.admission.principal, grant_id=self.line.grant.id)
        messages.success(self.request, f"The grant of {grant.account.name} is withdrawn from its next request on.")
        return redirect("keys:grants", self.admission.organization.slug)
