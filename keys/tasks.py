"""Celery entries of keys: ids in, a named outcome out. The work is in the modules they call."""

from uuid import UUID

from celery import shared_task
from django.db import Error

from keys import leaks, mail, notices, tidying
from keys.services import signing_keys


@shared_task(name="keys.tend_signing_keys")
def tend_signing_keys() -> str:
    """Replaces the signing key when it is old enough. Outcomes: `rotated`, `nothing to do`."""
    return signing_keys.tend_signing_keys()


@shared_task(name="keys.tidy")
def tidy() -> str:
    """Forgets what has served its time. Outcome: `forgot N`."""
    return f"forgot {tidying.tidy()}"


@shared_task(name="keys.handle_leaks", autoretry_for=(Error,), retry_backoff=True, max_retries=8)
def handle_leaks(rows: str) -> str:
    """Handles leak reports. Outcomes: for each `revoke`, `quarantine`, `report`, `revoked`, `nothing`."""
    return leaks.handle(rows)


@shared_task(name="keys.mail_leak", autoretry_for=(OSError,), retry_backoff=True, max_retries=8)
def mail_leak(key_id: str, user_id: str) -> str:
    """Tells an owner of a leaked key. Outcomes: `sent`, `gone`."""
    return mail.mail_leak(UUID(key_id), UUID(user_id))


@shared_task(name="keys.mail_leaked_token", autoretry_for=(OSError,), retry_backoff=True, max_retries=8)
def mail_leaked_token(token_id: str) -> str:
    """Tells a person of their leaked token. Outcomes: `sent`, `gone`."""
    return mail.mail_leaked_token(UUID(token_id))


@shared_task(name="keys.give_notice")
def give_notice() -> str:
    """Gives notice of keys that end soon or are not used. Outcome: `noticed N`."""
    return f"noticed {notices.give_all_notices()}"


@shared_task(name="keys.mail_notice", autoretry_for=(OSError,), retry_backoff=True, max_retries=8)
def mail_notice(user_id: str, expiring: str, unused: str) -> str:
    """Tells somebody of keys, whose ids come with commas between them. Outcomes: `sent`, `gone`."""
    return mail.mail_notice(UUID(user_id), _ids(expiring), _ids(unused))


def _ids(text: str) -> list[UUID]:
    return [UUID(part) for part in text.split(",") if part]
