"""Staff pages of e-mail domains."""

from django.db.models import QuerySet

from config.kernel.principals import StaffPrincipal
from config.kernel.staff import Outcome, ReasonForm, StaffAction
from config.kernel.tenancy.scope import tenant_scope
from orgs.admin.organizations import OfOrganizationAdmin
from orgs.domain_names import UnfitDomain, ascii_domain
from orgs.models import EmailDomain
from orgs.services import email_domains as services


def prove(*, actor: StaffPrincipal, row: EmailDomain, reason: str) -> Outcome:
    """On staff's word."""
    with tenant_scope(row.org_id):
        services.prove_by_staff(actor=actor, domain=row.domain, reason=reason)
    return Outcome(f"{row.domain} is proven.")


def check(*, actor: StaffPrincipal, row: EmailDomain) -> Outcome:
    """Looks its record up."""
    with tenant_scope(row.org_id):
        checked = services.check_email_domain(actor=actor, email_domain_id=row.id)
    return Outcome(f"{row.domain} is {checked.status}. {checked.failure}".strip())


class EmailDomainAdmin(OfOrganizationAdmin):
    """Domains of e-mail addresses, and by what they are proven."""

    prefix = "edm"
    list_display = ("domain", "organization", "status", "checked_at", "created_at")
    search_help_text = "A whole proven domain, a public id (edm_…), or that of an organization (org_…)"
    fields = (
        "domain",
        "public_id",
        "organization",
        "status",
        "txt_name",
        "txt_value",
        "failure",
        "vouched_for",
        "checked_at",
        "proven_at",
        "missing_since",
        "lost_at",
        "created_at",
    )
    staff_actions = (
        StaffAction(
            "prove",
            "Mark as proven",
            "The organization speaks for everybody with an address in this domain from now on. Make sure that it is "
            "theirs: no check of the DNS undoes it.",
            prove,
            form=ReasonForm,
            applies=lambda row: not row.vouched_for,
        ),
        StaffAction(
            "check",
            "Check now",
            "Looks its record up in the DNS.",
            check,
        ),
    )

    def narrow(self, rows: QuerySet, word: str) -> QuerySet:
        if "." in word:
            try:
                return rows.filter(domain=ascii_domain(word), status=EmailDomain.Status.PROVEN)
            except UnfitDomain:
                return rows.none()
        return super().narrow(rows, word)
