"""Mails of organizations, in text and HTML."""

from datetime import datetime
from uuid import UUID

from django.conf import settings
from django.core.mail import EmailMultiAlternatives
from django.template.loader import render_to_string
from django.urls import reverse

from config.kernel.permissions import Permission
from config.kernel.sign_in import METHOD_WORDS, Method
from orgs.models import KnownDevice, Membership, Organization, SignedInBrowser, SignInPolicy, User
from orgs.services import confirmations, invitations
from orgs.services.factor_notices import FEW_CODES


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


def mail_new_device(device_id: UUID, ip: str, method: str) -> str:
    """Tells a person that somebody signed in as them from a new browser. Returns `sent` or `gone`."""
    device = KnownDevice.objects.select_related("user").filter(id=device_id).first()
    if device is None:
        return "gone"
    send(
        to=device.user.email,
        subject="New sign-in to your Tenantry account",
        template="new_device",
        context={
            "device": device,
            "ip": ip,
            "method": METHOD_WORDS[Method(method)],
            "sessions_link": settings.TENANTRY_URL + reverse("keys:sessions"),
            "password_link": settings.TENANTRY_URL + reverse("account_reset_password"),
        },
    )
    return "sent"


def mail_confirmation_code(user_id: UUID, session_id: UUID) -> str:
    """Mails a person a code, made this moment, to confirm in that session that it is them. Returns `sent` or `gone`."""
    user = User.objects.filter(id=user_id, is_active=True).first()
    if user is None or not SignedInBrowser.objects.of_user(user_id).living().filter(id=session_id).exists():
        return "gone"
    send(
        to=user.email,
        subject="Your Tenantry confirmation code",
        template="confirmation_code",
        context={"code": confirmations.issue_code(session_id=session_id)},
    )
    return "sent"


# By orgs.services.factor_notices.Notice: the subject, and the sentence.
FACTOR_WORDS = {
    "authenticator_added": ("An authenticator was set up", "An authenticator now guards your account."),
    "authenticator_replaced": ("Your authenticator was replaced", "Another authenticator now guards your account."),
    "authenticator_removed": ("Your authenticator was removed", "Your authenticator was removed from your account."),
    "passkey_added": ("A passkey was added", "The passkey {detail} was added to your account."),
    "passkey_removed": ("A passkey was removed", "The passkey {detail} was removed from your account."),
    "codes_made": ("New recovery codes", "Recovery codes were made for your account; earlier ones no longer work."),
    "code_used": ("A recovery code was used", "A recovery code of yours was used as second factor. Unused: {detail}."),
    "factors_reset": ("Your second factors were removed", "An operator removed your second factors. Set up a new one."),
}


def mail_factor_notice(user_id: UUID, what: str, at: datetime, ip: str, user_agent: str) -> str:
    """Tells a person what `factor_notices.tell` says of their second factors. Returns `sent` or `gone`."""
    user = User.objects.filter(id=user_id).first()
    if user is None:
        return "gone"
    notice, _, detail = what.partition(" ")
    subject, sentence = FACTOR_WORDS[notice]
    send(
        to=user.email,
        subject=subject,
        template="factor_notice",
        context={
            "sentence": sentence.format(detail=detail),
            "few_codes": notice == "code_used" and int(detail) <= FEW_CODES,
            "link": settings.TENANTRY_URL + reverse("sso:security"),
            "timestamp": at,
            "ip": ip or "unknown",
            "user_agent": user_agent or "unknown",
        },
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
