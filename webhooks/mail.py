"""Mails about endpoints, in text and HTML."""

from uuid import UUID

from django.conf import settings
from django.urls import reverse

from config.kernel.permissions import Permission
from orgs.mail import send
from orgs.models import Membership, Organization
from webhooks.models import Endpoint
from webhooks.services.deliveries import replay_reach
from webhooks.services.targets import told_url


def mail_disabled(endpoint_id: UUID, user_id: UUID) -> str:
    """Tells one person that an endpoint in scope was disabled because of how it answers.

    Returns `sent`, or `gone` for who manages webhooks no more and for an endpoint that is enabled again or deleted.
    """
    membership = Membership.objects.holding(Permission.MANAGE_WEBHOOKS).of_user(user_id).first()
    endpoint = Endpoint.objects.filter(id=endpoint_id, state=Endpoint.State.DISABLED).first()
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
