"""Looking the records of e-mail domains up again, each when it is due (orgs/models/email_domain.py says when)."""

from uuid import UUID

from django.utils import timezone

from config.kernel.errors import Absent, Conflict
from config.kernel.principals import SYSTEM
from config.kernel.tasks import enqueue
from config.kernel.tenancy.scope import system_scope, tenant_scope
from orgs.models import EmailDomain
from orgs.services.email_domains import check_email_domain

AT_ONCE = 500


def recheck_due() -> int:
    """Hands the domains that are due to the queue, those not seen for longest first. Returns how many."""
    with system_scope("e-mail domains whose record is due to be looked up"):
        due = EmailDomain.objects.due(timezone.now()).order_by("checked_at")
        rows = list(due.values_list("org_id", "id")[:AT_ONCE])
    for organization_id, email_domain_id in rows:
        with tenant_scope(organization_id):
            enqueue("orgs.check_email_domain", str(email_domain_id))
    return len(rows)


def recheck(email_domain_id: UUID) -> str:
    """Checks one domain of the organization in scope. Returns its status, `taken`, `not due` or `gone`.

    One that was checked while this waited in the queue is not due any more.
    """
    if not EmailDomain.objects.due(timezone.now()).filter(id=email_domain_id).exists():
        return "not due"
    try:
        return check_email_domain(actor=SYSTEM, email_domain_id=email_domain_id).status
    except Absent:
        return "gone"
    except Conflict:
        return "taken"
