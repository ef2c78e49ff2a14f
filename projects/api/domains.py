"""Domains of a project: those registered, and those seen without being so."""

from rest_framework.request import Request
from rest_framework.response import Response

from config.kernel.access import project
from config.kernel.api.idempotency import idempotent
from config.kernel.api.operations import listing, operation
from config.kernel.api.views import ApiView
from config.kernel.errors import Conflict
from config.kernel.permissions import Permission
from projects.models import Domain, SeenDomain
from projects.serializers import DomainRecord, NewDomain, SeenDomainRecord
from projects.services import domains as services


class Domains(ApiView):
    """The registered domains of a project."""

    access = {"GET": project(Permission.VIEW_ORG), "POST": project(Permission.MANAGE_KEYS)}

    @listing("list_domains", DomainRecord)
    def get(self, request: Request, organization: str, project: str) -> Response:
        """The domains, newest first."""
        return self.page(Domain.objects.of_project(self.admission.project.id), DomainRecord)

    @idempotent
    @operation("register_domain", DomainRecord, body=NewDomain, status=201, refusals=[Conflict])
    def post(self, request: Request, organization: str, project: str) -> Response:
        """Registers a host, or `*.` and a host for everything below it, so that publishable keys work in full there.

        Ports are ignored, international names are written in ASCII (`xn--…`), public suffixes are refused. One host
        more than the plan includes is refused with 403 and `domain_cap_exceeded`.
        """
        registered = services.register_domain(
            actor=self.admission.principal, project_id=self.admission.project.id, **self.read()
        )
        return self.answer(registered, DomainRecord, status=201)


class OneDomain(ApiView):
    """One registered domain."""

    access = {"DELETE": project(Permission.MANAGE_KEYS)}

    @operation("remove_domain")
    def delete(self, request: Request, organization: str, project: str, domain: str) -> Response:
        """Ends the registration: its pages get from now on what pages of unregistered domains get."""
        services.remove_domain(actor=self.admission.principal, project_id=self.admission.project.id, domain=domain)
        return Response(status=204)


class SeenDomains(ApiView):
    """The hosts that were seen without being registered."""

    access = {"GET": project(Permission.VIEW_ORG), "DELETE": project(Permission.MANAGE_KEYS)}

    @listing("list_seen_domains", SeenDomainRecord)
    def get(self, request: Request, organization: str, project: str) -> Response:
        """The hosts whose pages used a publishable key of the project, the newest first.

        Outside of a browser anybody can name any host: look before you register one.
        """
        return self.page(SeenDomain.objects.of_project(self.admission.project.id), SeenDomainRecord)

    @operation("forget_seen_domains")
    def delete(self, request: Request, organization: str, project: str) -> Response:
        """Forgets all of them, which makes room below the plan's limit of domains."""
        services.forget_seen(actor=self.admission.principal, project_id=self.admission.project.id)
        return Response(status=204)


class OneSeenDomain(ApiView):
    """One host that was seen."""

    access = {"DELETE": project(Permission.MANAGE_KEYS)}

    @operation("forget_seen_domain")
    def delete(self, request: Request, organization: str, project: str, seen: str) -> Response:
        """Forgets it. It is noted anew when one of its pages asks again."""
        services.forget_seen(actor=self.admission.principal, project_id=self.admission.project.id, seen=seen)
        return Response(status=204)
