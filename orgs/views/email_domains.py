"""E-mail domains: register them, the record that proves each, check it now, remove it."""

from functools import cached_property
from typing import Any

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect

from config.kernel.access import organization
from config.kernel.errors import Absent, Conflict, RateLimited
from config.kernel.pages import FormPage, Page
from config.kernel.permissions import Permission
from orgs.forms.email_domains import EmailDomainForm, RemovalForm
from orgs.models import EmailDomain
from orgs.selectors import consequences_of_losing
from orgs.services import email_domains as services

MANAGER = organization(Permission.MANAGE_SSO)


class EmailDomainsPage(FormPage):
    """The domains with their records, and a form for one more."""

    access = {"GET": MANAGER, "POST": MANAGER.after_recent_proof()}
    template_name = "orgs/email_domains.html"
    navigation = "sign-in"
    form_class = EmailDomainForm

    def form_context(self) -> dict[str, Any]:
        return {"tab": "domains", **self.listed(EmailDomain.objects.all())}

    def save(self, form: EmailDomainForm) -> HttpResponse:
        row = services.register_email_domain(actor=self.admission.principal, **form.cleaned_data)
        messages.success(self.request, f"{row.domain} is registered. Add its record to your DNS to prove it.")
        return redirect("orgs:email-domains", self.admission.organization.slug)


class OfEmailDomain(Page):
    """Base of what is about one domain."""

    @cached_property
    def email_domain(self) -> EmailDomain:
        """The domain that the address names. Raises Absent."""
        row = EmailDomain.objects.by_reference(self.kwargs["email_domain"])
        if row is None:
            raise Absent
        return row


class EmailDomainCheck(OfEmailDomain):
    """Looks a domain's record up now."""

    access = {"POST": MANAGER}

    def post(self, request: HttpRequest, **kwargs: Any) -> HttpResponse:
        row = self.email_domain
        try:
            services.require_check(row.id)
            checked = services.check_email_domain(actor=self.admission.principal, email_domain_id=row.id)
        except (Conflict, RateLimited) as error:
            messages.error(request, error.detail)
        else:
            if checked.failure:
                messages.warning(request, checked.failure)
            else:
                messages.success(request, f"{checked.domain} is proven.")
        return redirect("orgs:email-domains", self.admission.organization.slug)


class EmailDomainRemove(OfEmailDomain, FormPage):
    """Says what stops, then removes a domain."""

    access = MANAGER.after_recent_proof()
    template_name = "orgs/email_domain_remove.html"
    navigation = "sign-in"
    form_class = RemovalForm

    def form_context(self) -> dict[str, Any]:
        return {
            "tab": "domains",
            "email_domain": self.email_domain,
            "consequences": consequences_of_losing(self.email_domain),
        }

    def save(self, form: RemovalForm) -> HttpResponse:
        services.remove_email_domain(
            actor=self.admission.principal,
            email_domain=self.email_domain.public_id,
            confirmation=form.cleaned_data["confirm"],
        )
        messages.success(self.request, f"{self.email_domain.domain} is removed.")
        return redirect("orgs:email-domains", self.admission.organization.slug)
