"""Mails about keys."""

from uuid import UUID

from django.conf import settings
from django.urls import reverse

from config.kernel.permissions import Permission
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


def mail_notice(user_id: UUID, expiring: list[UUID], unused: list[UUID]) -> str:
    """Tells somebody who manages keys in the organization in scope which end soon and which are not used.

    Returns `sent`, or `gone` for who does so no more and for keys that have ended meanwhile.
    """
    membership = Membership.objects.holding(Permission.MANAGE_KEYS).of_user(user_id).first()
    rows = {key.id: key for key in Key.objects.usable().select_related("project").filter(id__in=[*expiring, *unused])}
    if membership is None or not rows:
        return "gone"
    organization = Organization.objects.get(id=membership.org_id)
    told = [
        [(rows[key_id], key_link(organization, rows[key_id])) for key_id in ids if key_id in rows]
        for ids in (expiring, unused)
    ]
    send(
        to=membership.user.email,
        subject=f"Keys of {organization.name} that " + ("end soon" if told[0] else "nobody uses"),
        template="key_notice",
        context={
            "organization": organization,
            "expiring": told[0],
            "unused": told[1],
            "link": settings.TENANTRY_URL + reverse("keys:all", args=[organization.slug]),
        },
    )
    return "sent"
