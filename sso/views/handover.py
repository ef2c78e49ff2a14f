"""The way of a person to a product behind Tenantry: signed in here, handed over there."""

from contextlib import AbstractContextManager
from typing import Any
from urllib.parse import urlencode, urlsplit

from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import redirect
from django.urls import reverse

from config.kernel.access import PUBLIC, Admission, admitted
from config.kernel.access import project as project_access
from config.kernel.denials import Asked
from config.kernel.errors import Absent, Invalid, SecondFactorRequired, SsoRequired
from config.kernel.identifiers import parse_public_id, public_id
from config.kernel.pages import Page
from config.kernel.permissions import Permission
from config.kernel.principals import UserPrincipal
from config.kernel.tenancy.scope import system_scope
from orgs.services.browser_sessions import id_of
from projects.models import Project
from sso.services.handovers import start_handover
from sso.views.entering import address_of

LONGEST_QUERY = 4000
# A project that does not exist is of an organization that does not exist, so that both are looked for alike.
NOBODYS = "org_00000000000000000000000000"


class HandoverPage(Page):
    """Base of both steps. Whoever is not signed in is led to sign in, and then to the second of them."""

    access = {"GET": PUBLIC}

    def admitted(self) -> AbstractContextManager[Admission]:
        """The person as a member of the project's organization. Raises Absent for everybody else."""
        project_id = parse_public_id("prj", self.request.GET.get("project", ""))
        with system_scope("whose project a person is to be handed over for"):
            found = Project.objects.filter(id=project_id, status=Project.Status.ACTIVE).first() if project_id else None
        return admitted(
            project_access(Permission.VIEW_ORG),
            principal=self.admission.principal,
            references={
                "organization": public_id("org", found.org_id) if found else NOBODYS,
                "project": found.public_id if found else "",
            },
            headers={},
            asked=Asked.of(self.request),
        )

    def continued(self) -> str:
        """The address that goes on with this very handover."""
        return f"{reverse('sso:handover-continue')}?{self.request.GET.urlencode()}"

    def to_sign_in(self) -> HttpResponse:
        """On to the sign-in page, or to the connection that the product names."""
        connection = self.request.GET.get("connection")
        if connection is None:
            return redirect(address_of("account_login", self.continued()))
        if parse_public_id("con", connection) is None:
            raise Absent
        return redirect(address_of("sso:start", self.continued(), connection))

    def get(self, request: HttpRequest, **kwargs: Any) -> HttpResponse:
        if len(request.META.get("QUERY_STRING", "")) > LONGEST_QUERY:
            raise Invalid("The product sent too long a request: tell its makers.")
        for name in request.GET:
            if len(request.GET.getlist(name)) > 1:
                raise Invalid(f"The product sent {name} more than once: tell its makers.")
        if not isinstance(self.admission.principal, UserPrincipal):
            return self.to_sign_in()
        return self.go_on()

    def go_on(self) -> HttpResponse:
        """With somebody who is signed in."""
        raise NotImplementedError


class HandoverStart(HandoverPage):
    """Where a product sends people. Nothing but a registered address is ever redirected to."""

    def go_on(self) -> HttpResponse:
        asked, principal = self.request.GET, self.admission.principal
        method = asked.get("code_challenge_method", "S256")
        session_id = id_of(self.request.session)
        try:
            with self.admitted() as admission:
                if method != "S256" or session_id is None or not isinstance(principal, UserPrincipal):
                    raise Invalid("The product sent another code_challenge_method than S256: tell its makers.")
                address = asked.get("redirect_uri", "")
                code = start_handover(
                    actor=principal,
                    project=admission.project,
                    address=address,
                    code_challenge=asked.get("code_challenge", ""),
                    browser_session_id=session_id,
                )
        except (SsoRequired, SecondFactorRequired):
            # Asked for again by the step to which the person comes back afterwards.
            return redirect(self.continued())
        added = {"code": code, **({"state": asked["state"]} if "state" in asked else {})}
        response = HttpResponseRedirect(f"{address}{'&' if urlsplit(address).query else '?'}{urlencode(added)}")
        response["Referrer-Policy"] = "no-referrer"
        return response


class HandoverContinue(HandoverPage):
    """Back from signing in. A page of its own: browsers let no form that was sent here lead to another site."""

    template_name = "sso/handover_continue.html"

    def go_on(self) -> HttpResponse:
        with self.admitted() as admission:
            start = f"{reverse('sso:handover-start')}?{self.request.GET.urlencode()}"
            response = self.show({"start": start, "product": admission.project.name})
        response["Refresh"] = f"0; url={start}"
        return response
