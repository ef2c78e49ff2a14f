"""Mails about keys."""

from uuid import UUID

from django.conf import settings
from django.urls import reverse

from keys.models import Key, PersonalToken
from orgs.mail import send
from orgs.models import Membership, Organization


def key_link(organization: Organization, key: Key) -> str:
    """The address of a key's page."""
    return settings.TENANTRY_URL + reverse(
        "keys:detail", args=[organization.slug, key.project.public_id, key.public_id]
    )


def mail_leak(key_id: UUID, user_id: UUID) -> str:
    """Tells an owner of the organization in scope that a key leaked. Returns `sent` or `gone`."""
    key = Key.objects.select_related("project").filter(id=key_id).first()
    membership = Membership.objects.owners().of_user(user_id).select_related("user").first()
    if key is None or membership is None:
        return "gone"
    organization = Organization.objects.get(id=key.org_id)
    send(
        to=membership.user.email,
        subject=f"A key of {organization.name} leaked",
        template="key_leaked",
        context={"organization": organization, "key": key, "link": key_link(organization, key)},
    )
    return "sent"


def mail_leaked_token(token_id: UUID) -> str:
    """Tells a person that their personal token leaked and is revoked. Returns `sent` or `gone`."""
    token = PersonalToken.objects.select_related("user").filter(id=token_id).first()
    if token is None:
        return "gone"
    send(
        to=token.user.email,
        subject="Your personal token leaked and is revoked",
        template="token_leaked",
        context={"token": token, "link": settings.TENANTRY_URL + reverse("keys:tokens")},
    )
    return "sent"
