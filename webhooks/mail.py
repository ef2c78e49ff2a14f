"""Mails about endpoints, in text and HTML."""

from datetime import datetime, timedelta
from uuid import UUID

from django.conf import settings
from django.urls import reverse
from django.utils import timezone

from config.kernel.permissions import Permission
from config.kernel.tasks import enqueue
from config.kernel.tenancy.scope import system_scope, tenant_scope
from orgs.mail import send
from orgs.models import Membership, Organization
from webhooks.models import Endpoint
from webhooks.services.deliveries import replay_reach
from webhooks.services.targets import told_url

# Whoever hands mails over is done long before, or was killed.
TAKEN_FOR = timedelta(minutes=5)


def announce_disabled() -> int:
    """Hands a mail for each person who manages webhooks to the queue, about endpoints that were disabled by themselves.

    Returns how many. An endpoint is done with when all its mails are handed over: who is killed before that leaves
    it to a later run, which may repeat some of them.
    """
    now = timezone.now()
    with system_scope("endpoints that were disabled by themselves, to mail"):
        due = list(Endpoint.objects.to_mail_by(now).values_list("org_id", "id"))
    return sum(_announce(organization_id, endpoint_id, now) for organization_id, endpoint_id in due)


def _announce(organization_id: UUID, endpoint_id: UUID, now: datetime) -> int:
    with tenant_scope(organization_id):
        rows = Endpoint.objects.filter(id=endpoint_id)
        taken_until = now + TAKEN_FOR
        if not rows.to_mail_by(now).update(disabled_mail_due_at=taken_until):
            return 0  # another run has it
        people = list(
            Membership.objects.holding(Permission.MANAGE_WEBHOOKS).order_by("id").values_list("user_id", flat=True)
        )
        for user_id in people:
            enqueue("webhooks.mail_disabled", str(endpoint_id), str(user_id))
        rows.filter(disabled_mail_due_at=taken_until).update(disabled_mail_due_at=None)
    return len(people)


def mail_disabled(endpoint_id: UUID, user_id: UUID) -> str:
    """Tells one person that an endpoint in scope was disabled because of how it answers.

    Returns `sent`, or `gone` for who manages webhooks no more and for an endpoint that is enabled again, or was deleted
    or disabled by somebody meanwhile.
    """
    membership = Membership.objects.holding(Permission.MANAGE_WEBHOOKS).of_user(user_id).first()
    disabled = Endpoint.objects.filter(state=Endpoint.State.DISABLED).exclude(disabled_cause=Endpoint.Cause.BY_HAND)
    endpoint = disabled.filter(id=endpoint_id).first()
    if membership is None or endpoint is None:
        return "gone"
    organization = Organization.objects.get(id=membership.org_id)
    send(
        to=membership.user.email,
        subject=f"{organization.name}: a webhook endpoint was disabled",
        template="webhook_endpoint_disabled",
        context={
            "organization": organization,
            "endpoint": endpoint,
            "address": told_url(endpoint.url),
            "is_gone": endpoint.disabled_cause == Endpoint.Cause.GONE,
            "days": replay_reach().days,
            "link": settings.TENANTRY_URL + reverse("webhooks:endpoint", args=[organization.slug, endpoint.public_id]),
        },
    )
    return "sent"
