"""Invitations, from the outside: what the mail's link opens, and accepting without the link."""

from typing import Any
from urllib.parse import urlencode

from django.contrib import messages
from django.http import HttpRequest, HttpResponse, HttpResponseBase
from django.shortcuts import redirect
from django.urls import reverse

from config.kernel.access import PUBLIC, SIGNED_IN
from config.kernel.errors import Absent, Conflict, Forbidden, TenantryError
from config.kernel.identifiers import parse_public_id
from config.kernel.pages import Page
from config.kernel.tenancy.scope import tenant_scope
from orgs.models import Invitation, Membership, Organization
from orgs.selectors import verified_emails_of
from orgs.services.invitations import accept, accept_by_address, find
from orgs.views.person import person_of


class InvitationPage(Page):
    """The page behind the link. Whatever a token that opens nothing once was, its page is the same."""

    access = {"GET": PUBLIC, "POST": PUBLIC}
    template_name = "orgs/invitation.html"

    def dispatch(self, request: HttpRequest, *args: str, **kwargs: str) -> HttpResponseBase:
        response = super().dispatch(request, *args, **kwargs)
        # The address is the secret: it goes into no cache and into nobody's Referer. Not `no-referrer`, under which
        # browsers send the form with `Origin: null`, and the protection against forged forms refuses that.
        response["Referrer-Policy"] = "strict-origin"
        response["Cache-Control"] = "no-store"
        return response

    def get(self, request: HttpRequest, **kwargs: str) -> HttpResponse:
        try:
            return self._show(*find(kwargs["token"]))
        except Absent:
            return self._gone()

    def post(self, request: HttpRequest, **kwargs: str) -> HttpResponse:
        if not self.admission.principal.is_authenticated:
            return redirect(_with_next("account_login", request.path))
        person = person_of(self.admission)
        try:
            invitation, organization = find(kwargs["token"])
            try:
                accept(actor=person, token=kwargs["token"], verified_emails=verified_emails_of(person.user_id))
            except (Forbidden, Conflict) as error:
                return self._show(invitation, organization, error)
        except Absent:
            return self._gone()
        return _welcome(request, organization)

    def _show(
        self, invitation: Invitation, organization: Organization, error: TenantryError | None = None
    ) -> HttpResponse:
        context: dict[str, Any] = {"invitation": invitation, "organization": organization, "error": error}
        if self.admission.principal.is_authenticated:
            person = person_of(self.admission)
            with tenant_scope(organization.id):
                context["is_member"] = Membership.objects.of_user(person.user_id).exists()
            context["is_addressee"] = invitation.email in verified_emails_of(person.user_id)
        else:
            context["sign_in"] = _with_next("account_login", self.request.path)
            context["sign_up"] = _with_next("account_signup", self.request.path, email=invitation.email)
        return self.show(context, status=error.status if error else 200)

    def _gone(self) -> HttpResponse:
        return self.show(template="orgs/invitation_gone.html", status=Absent.status)


class InvitationAcceptPage(Page):
    """Accepting an invitation to an address that the person has proved, from the list of them."""

    access = {"POST": SIGNED_IN}

    def post(self, request: HttpRequest, **kwargs: str) -> HttpResponse:
        person = person_of(self.admission)
        invitation_id = parse_public_id("inv", kwargs["invitation"])
        if invitation_id is None:
            raise Absent
        membership = accept_by_address(
            actor=person, invitation_id=invitation_id, verified_emails=verified_emails_of(person.user_id)
        )
        return _welcome(request, Organization.objects.get(id=membership.org_id))


def _welcome(request: HttpRequest, organization: Organization) -> HttpResponse:
    messages.success(request, f"Welcome to {organization.name}.")
    return redirect("orgs:overview", organization.slug)


def _with_next(name: str, path: str, **more: str) -> str:
    return f"{reverse(name)}?{urlencode({'next': path, **more})}"
