"""Mails of organizations, in text and HTML."""

from uuid import UUID

from django.conf import settings
from django.core.mail import EmailMultiAlternatives
from django.template.loader import render_to_string
from django.urls import reverse

from orgs.models import Organization
from orgs.services import invitations


def send_invitation(invitation_id: UUID) -> str:
    """Mails the link of an invitation in scope, with a token made this moment. Returns `sent` or `not open`."""
    issued = invitations.issue_token(invitation_id=invitation_id)
    if issued is None:
        return "not open"
    invitation, token = issued
    organization = Organization.objects.get(id=invitation.org_id)
    context = {
        "organization": organization,
        "invitation": invitation,
        "inviter": invitation.invited_by,
        "link": settings.TENANTRY_URL + reverse("orgs:invitation", args=[token]),
    }
    send(
        to=invitation.email,
        subject=f"Join {organization.name} on Tenantry",
        template="invitation",
        context=context,
    )
    return "sent"


def send(*, to: str, subject: str, template: str, context: dict) -> None:
    """One mail from `mail/{template}.txt` and `.html`. Raises OSError when the server cannot be reached."""
    message = EmailMultiAlternatives(
        " ".join(subject.split()),
        render_to_string(f"mail/{template}.txt", context),
        settings.DEFAULT_FROM_EMAIL,
        [to],
    )
    message.attach_alternative(render_to_string(f"mail/{template}.html", context), "text/html")
    message.send()
