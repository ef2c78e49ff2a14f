"""Celery entries of orgs: ids in, a named outcome out. The work is in the modules they call."""

from datetime import datetime
from uuid import UUID

from celery import shared_task

from orgs import enforcing, erasure, exporting, mail, rechecking, sign_in_mail, tidying


@shared_task(name="orgs.send_invitation", autoretry_for=(OSError,), retry_backoff=True, max_retries=8)
def send_invitation(invitation_id: str) -> str:
    """Mails an invitation. Outcomes: `sent`, `not open`."""
    return mail.send_invitation(UUID(invitation_id))


@shared_task(name="orgs.mail_new_device", autoretry_for=(OSError,), retry_backoff=True, max_retries=8)
def mail_new_device(device_id: str, ip: str, method: str) -> str:
    """Tells a person of a sign-in from a new browser. Outcomes: `sent`, `gone`."""
    return mail.mail_new_device(UUID(device_id), ip, method)


@shared_task(name="orgs.mail_confirmation_code", autoretry_for=(OSError,), retry_backoff=True, max_retries=3)
def mail_confirmation_code(user_id: str, session_id: str) -> str:
    """Mails a code to confirm one's identity with. Outcomes: `sent`, `gone`."""
    return mail.mail_confirmation_code(UUID(user_id), UUID(session_id))


@shared_task(name="orgs.mail_factor_notice", autoretry_for=(OSError,), retry_backoff=True, max_retries=8)
def mail_factor_notice(user_id: str, what: str, at: str, ip: str, user_agent: str) -> str:
    """Tells a person what happened to their second factors. Outcomes: `sent`, `gone`."""
    return mail.mail_factor_notice(UUID(user_id), what, datetime.fromisoformat(at), ip, user_agent)


@shared_task(name="orgs.erase_due")
def erase_due() -> str:
    """Erases the organizations whose grace period is over. Outcome: `erased N`."""
    return f"erased {erasure.erase_due()}"


@shared_task(name="orgs.tidy")
def tidy() -> str:
    """Forgets what has served its time. Outcome: `forgot N`."""
    return f"forgot {tidying.tidy()}"


@shared_task(name="orgs.make_export")
def make_export(export_id: str) -> str:
    """Makes a data export. Outcomes: `ready`, `gone`."""
    return exporting.make_export(UUID(export_id))


@shared_task(name="orgs.tend_exports")
def tend_exports() -> str:
    """Asks again for data exports that stand still. Outcome: `asked N`."""
    return f"asked {exporting.tend_exports()}"


@shared_task(name="orgs.recheck_email_domains")
def recheck_email_domains() -> str:
    """Asks for a check of each e-mail domain that is due. Outcome: `asked for N`."""
    return f"asked for {rechecking.recheck_due()}"


@shared_task(name="orgs.check_email_domain")
def check_email_domain(email_domain_id: str) -> str:
    """Looks one domain's record up. Outcomes: its status, `taken`, `not due`, `gone`."""
    return rechecking.recheck(UUID(email_domain_id))


@shared_task(name="orgs.mail_email_domain", autoretry_for=(OSError,), retry_backoff=True, max_retries=8)
def mail_email_domain(domain: str, what: str, user_id: str) -> str:
    """Mails one person that a domain is `lost` or `removed`. Outcomes: `sent`, `gone`."""
    return mail.mail_email_domain(domain, what, UUID(user_id))


@shared_task(name="orgs.tend_enforcement")
def tend_enforcement() -> str:
    """Ends enforcement that lets nobody in, and reminds of what takes effect. Outcome: `ended N, reminded N`."""
    ended, reminded = enforcing.tend_enforcement()
    return f"ended {ended}, reminded {reminded}"


@shared_task(name="orgs.announce_single_sign_on", autoretry_for=(OSError,), retry_backoff=True, max_retries=8)
def announce_single_sign_on(switched_on_at: str, occasion: str, after: str) -> str:
    """Mails a batch of those whom enforcement concerns. Outcomes: `stale`, `mailed N`."""
    return sign_in_mail.announce_single_sign_on(switched_on_at, occasion, after)


@shared_task(name="orgs.tell_managers_of_sign_in", autoretry_for=(OSError,), retry_backoff=True, max_retries=8)
def tell_managers_of_sign_in(occasion: str) -> str:
    """Mails owners and admins what became of enforcement. Outcome: `mailed N`."""
    return sign_in_mail.tell_managers(occasion)


@shared_task(name="orgs.tell_owners_of_break_glass", autoretry_for=(OSError,), retry_backoff=True, max_retries=8)
def tell_owners_of_break_glass(email: str, ip: str, at: str, left: str) -> str:
    """Mails owners that a break-glass code was used. Outcome: `mailed N`."""
    return sign_in_mail.tell_owners_of_break_glass(email, ip, at, left)
