"""Celery entries of projects: ids in, a named outcome out. The work is in the modules they call."""

from uuid import UUID

from celery import shared_task

from projects import mail, tidying
from projects.services import denials


@shared_task(name="projects.forget_events")
def forget_events() -> str:
    """Forgets old tracked events. Outcome: `forgot N`."""
    return f"forgot {tidying.forget_events()}"


@shared_task(name="projects.announce_usage_warnings")
def announce_usage_warnings() -> str:
    """Sends off the mails of new usage warnings. Outcome: `sent off N`."""
    return f"sent off {mail.announce_usage_warnings()}"


@shared_task(name="projects.mail_usage_warning", autoretry_for=(OSError,), retry_backoff=True, max_retries=8)
def mail_usage_warning(month_id: str, percent: str, user_id: str) -> str:
    """Mails one person a usage warning. Outcomes: `sent`, `gone`."""
    return mail.mail_usage_warning(UUID(month_id), int(percent), UUID(user_id))


@shared_task(name="projects.record_absent")
def record_absent(*attempt: str) -> str:
    """Records what was refused as absent, where it exists. Outcome: `recorded N`."""
    return f"recorded {denials.record_absent(denials.Attempt(*attempt))}"
