"""E-mail domains of an organization, each proven by a record in its DNS."""

from rest_framework.request import Request
from rest_framework.response import Response

from config.kernel.access import organization
from config.kernel.api.idempotency import idempotent
from config.kernel.api.operations import listing, operation
from config.kernel.api.views import ApiView
from config.kernel.errors import Absent, Conflict, RateLimited
from config.kernel.permissions import Permission
from orgs.models import EmailDomain
from orgs.serializers import EmailDomainConfirmation, EmailDomainQuery, EmailDomainRecord, NewEmailDomain
from orgs.services import email_domains as services


def email_domain_of(reference: str) -> EmailDomain:
    """The domain that an address names. Raises Absent."""
    row = EmailDomain.objects.by_reference(reference)
    if row is None:
        raise Absent
    return row


class EmailDomains(ApiView):
    """The e-mail domains of an organization."""

    access = {"GET": organization(Permission.MANAGE_SSO), "POST": organization(Permission.MANAGE_SSO)}

    @listing("list_email_domains", EmailDomainRecord, query=EmailDomainQuery)
    def get(self, request: Request, organization: str) -> Response:
        """The domains, newest first."""
        status = self.query.get("status")
        rows = EmailDomain.objects.all()
        return self.page(rows.filter(status=status) if status else rows, EmailDomainRecord)

    @idempotent
    @operation("register_email_domain", EmailDomainRecord, body=NewEmailDomain, status=201, refusals=[Conflict])
    def post(self, request: Request, organization: str) -> Response:
        """Registers a domain, which counts once it is proven by the TXT record in the answer.

        International names are written in ASCII (`xn--…`). Public suffixes and providers of free mail are refused, and
        with 409 `email_domain_taken` a domain that another organization has proven.
        """
        row = services.register_email_domain(actor=self.admission.principal, **self.read())
        return self.answer(row, EmailDomainRecord, status=201)


class OneEmailDomain(ApiView):
    """One e-mail domain."""

    access = {"GET": organization(Permission.MANAGE_SSO), "DELETE": organization(Permission.MANAGE_SSO)}

    @operation("get_email_domain", EmailDomainRecord)
    def get(self, request: Request, organization: str, email_domain: str) -> Response:
        """One domain."""
        return self.answer(email_domain_of(email_domain), EmailDomainRecord)

    @operation("remove_email_domain", body=EmailDomainConfirmation, refusals=[Conflict])
    def delete(self, request: Request, organization: str, email_domain: str) -> Response:
        """Removes it, and tells by mail who manages sign-in.

        While people sign in by it or enforcement rests on it, it answers 409 `email_domain_in_use` with what would
        stop, until `confirm` is the domain.
        """
        services.remove_email_domain(
            actor=self.admission.principal, email_domain=email_domain, confirmation=self.read().get("confirm")
        )
        return Response(status=204)


class EmailDomainVerification(ApiView):
    """Looking a domain's record up now."""

    access = {"POST": organization(Permission.MANAGE_SSO)}

    @operation("verify_email_domain", EmailDomainRecord, refusals=[Conflict, RateLimited])
    def post(self, request: Request, organization: str, email_domain: str) -> Response:
        """Asks the DNS, and answers with the domain as it is then: `failure` says why it is not proven yet.

        Nobody needs to ask: it is looked up by itself, every five minutes in the first days.
        """
        row = email_domain_of(email_domain)
        services.require_check(row.id)
        checked = services.check_email_domain(actor=self.admission.principal, email_domain_id=row.id)
        return self.answer(checked, EmailDomainRecord)
