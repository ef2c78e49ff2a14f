"""Mails of organizations, in text and HTML."""

from uuid import UUID

from django.conf import settings
from django.core.mail import EmailMultiAlternatives
from django.template.loader import render_to_string
from django.urls import reverse

from config.kernel.permissions import Permission
from orgs.models import Membership, Organization, SignInPolicy
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


def mail_email_domain(domain: str, what: str, user_id: UUID) -> str:
    """Tells one person in scope that an e-mail domain is `lost` or `removed`. Returns `sent` or `gone`."""
    membership = Membership.objects.holding(Permission.MANAGE_SSO).of_user(user_id).first()
    if membership is None:
        return "gone"
    organization = Organization.objects.get(id=membership.org_id)
    policy = SignInPolicy.objects.of_organization(organization.id)
    context = {
        "organization": organization,
        "domain": domain,
        "is_lost": what == "lost",
        "is_enforced": policy is not None and policy.enforcement != SignInPolicy.Enforcement.OFF,
        "link": settings.TENANTRY_URL + reverse("orgs:email-domains", args=[organization.slug]),
    }
    words = "is no longer proven" if what == "lost" else "was removed"
    subject = f"{organization.name}: the e-mail domain {domain} {words}"
    send(to=membership.user.email, subject=subject, template="email_domain", context=context)
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
