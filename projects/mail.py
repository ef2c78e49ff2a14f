"""Mails about usage."""

from uuid import UUID

from django.conf import settings
from django.db import transaction
from django.urls import reverse
from django.utils import timezone

from config.kernel.permissions import Permission
from config.kernel.tasks import enqueue
from config.kernel.tenancy.scope import system_scope, tenant_scope
from orgs.mail import send
from orgs.models import Membership, Organization
from orgs.plans import plan_of
from projects.models import UsageMonth
from projects.models.usage import next_month

THRESHOLDS = (80, 100)


def announce_usage_warnings() -> int:
    """Hands a mail for each person who manages billing to the queue, once for each threshold. Returns how many.

    A warning is marked in the very transaction that sends its mails off, so a second run finds nothing to do.
    """
    with system_scope("usage warnings to mail"):
        due = list(UsageMonth.objects.to_mail().values_list("org_id", "id"))
    return sum(_announce(org_id, month_id) for org_id, month_id in due)


def _announce(organization_id: UUID, month_id: UUID) -> int:
    mails = 0
    with tenant_scope(organization_id), transaction.atomic():
        month = UsageMonth.objects.select_for_update(skip_locked=True).filter(id=month_id).first()
        if month is None:
            return 0
        for percent in THRESHOLDS:
            if getattr(month, f"warned_{percent}_at") is None or getattr(month, f"mailed_{percent}_at") is not None:
                continue
            setattr(month, f"mailed_{percent}_at", timezone.now())
            for membership in Membership.objects.holding(Permission.MANAGE_BILLING).order_by("id"):
                enqueue("projects.mail_usage_warning", str(month.id), str(percent), str(membership.user_id))
                mails += 1
        month.save(update_fields=["mailed_80_at", "mailed_100_at", "updated_at"])
    return mails


def mail_usage_warning(month_id: UUID, percent: int, user_id: UUID) -> str:
    """Tells one person in the organization in scope. Returns `sent`, or `gone` for who may not know any more."""
    month = UsageMonth.objects.filter(id=month_id).first()
    membership = Membership.objects.holding(Permission.MANAGE_BILLING).of_user(user_id).first()
    if month is None or membership is None:
        return "gone"
    organization = Organization.objects.get(id=month.org_id)
    used_up = percent == max(THRESHOLDS)
    what = "All events of this month are used up" if used_up else f"{percent} % of this month's events are used up"
    context = {
        "organization": organization,
        "percent": percent,
        "used_up": used_up,
        "used": month.count,
        "limit": plan_of(organization.plan).events,
        "month": month.month,
        "resets_on": next_month(month.month),
        "link": settings.TENANTRY_URL + reverse("keys:usage", args=[organization.slug]),
    }
    send(to=membership.user.email, subject=f"{organization.name}: {what}", template="usage_warning", context=context)
    return "sent"
