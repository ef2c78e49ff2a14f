"""Celery entries of sign-in: ids in, a named outcome out. The work is in the modules they call."""

from uuid import UUID

from celery import shared_task

from sso import mail, notices, rechecking, tidying


@shared_task(name="sso.mail_sign_in", autoretry_for=(OSError,), retry_backoff=True, max_retries=4)
def mail_sign_in(email: str, request_digest: str, next_path: str) -> str:
    """Mails a link and a code to sign in by. Outcomes: `sent`, `to confirm`, `nobody`."""
    return mail.mail_sign_in(email, request_digest, next_path)


@shared_task(name="sso.mail_password_reset", autoretry_for=(OSError,), retry_backoff=True, max_retries=8)
def mail_password_reset(email: str) -> str:
    """Mails the way to a new password. Outcomes: `sent`, `nobody`."""
    return mail.mail_password_reset(email)


@shared_task(name="sso.mail_confirmation", autoretry_for=(OSError,), retry_backoff=True, max_retries=8)
def mail_confirmation(address_id: str) -> str:
    """Mails the link that confirms an address. Outcomes: `to confirm`, `nobody`."""
    return mail.mail_confirmation(int(address_id))


@shared_task(name="sso.mail_account_exists", autoretry_for=(OSError,), retry_backoff=True, max_retries=8)
def mail_account_exists(email: str) -> str:
    """Tells somebody who signs up that they have an account. Outcomes: `sent`, `nobody`."""
    return mail.mail_account_exists(email)


@shared_task(name="sso.mail_notification", autoretry_for=(OSError,), retry_backoff=True, max_retries=8)
def mail_notification(name: str, email: str, at: str, ip: str, user_agent: str) -> str:
    """Tells somebody that their account changed. Outcome: `sent`."""
    return mail.mail_notification(name, email, at, ip, user_agent)


@shared_task(name="sso.refresh_due_metadata")
def refresh_due_metadata() -> str:
    """Asks for the metadata that are due to be read. Outcome: `asked for N`."""
    return f"asked for {rechecking.refresh_due()}"


@shared_task(name="sso.refresh_metadata")
def refresh_metadata(configuration_id: str) -> str:
    """Reads the metadata of an identity provider. Outcomes: `changed`, `same`, `failed`, `not due`, `gone`."""
    return rechecking.refresh(UUID(configuration_id))


@shared_task(name="sso.warn_of_certificates")
def warn_of_certificates() -> str:
    """Warns of certificates that end soon. Outcome: `warned of N`."""
    return f"warned of {notices.warn_everywhere()}"


@shared_task(name="sso.mail_connection", autoretry_for=(OSError,), retry_backoff=True, max_retries=8)
def mail_connection(configuration_id: str, what: str, user_id: str) -> str:
    """Tells somebody of a `certificate` or of `metadata`. Outcomes: `sent`, `gone`."""
    return notices.mail_connection(UUID(configuration_id), what, UUID(user_id))


@shared_task(name="sso.tidy")
def tidy() -> str:
    """Forgets what has served its time. Outcome: `forgot N`."""
    return f"forgot {tidying.tidy()}"
