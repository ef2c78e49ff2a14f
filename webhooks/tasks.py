"""Celery entries of webhooks: ids in, a named outcome out. The work is in the modules they call."""

from uuid import UUID

from celery import shared_task
from celery.worker import state
from django.db import Error

from webhooks import mail, replaying, tidying


@shared_task(name="webhooks.deliver")
def deliver() -> str:
    """Delivers until its time is over or the worker is to stop. Outcome: `made N attempts`."""
    # It brings libcurl along, 6 MiB that web servers, which know tasks by their names, do not need.
    from webhooks import delivery

    return f"made {delivery.deliver(stopped=_is_stopping)} attempts"


def _is_stopping() -> bool:
    """Whether this worker was told to end, warm or cold. Told with the exit code 0, Celery notes 0."""
    return any(told is not None and told is not False for told in (state.should_stop, state.should_terminate))


@shared_task(name="webhooks.mail_disabled", autoretry_for=(OSError,), retry_backoff=True, max_retries=8)
def mail_disabled(endpoint_id: str, user_id: str) -> str:
    """Tells one person of an endpoint that was disabled by itself. Outcomes: `sent`, `gone`."""
    return mail.mail_disabled(UUID(endpoint_id), UUID(user_id))


@shared_task(name="webhooks.replay", autoretry_for=(Error,), retry_backoff=True, max_retries=8)
def replay(endpoint_id: str) -> str:
    """Goes on with making up for what an endpoint missed. Outcomes: `done`, `more`, `waits`, `gone`."""
    return replaying.replay(UUID(endpoint_id))


@shared_task(name="webhooks.tend")
def tend() -> str:
    """Sends off mails about endpoints that were disabled, and asks again for replays that stand still.

    Outcome: `sent off N, asked M`.
    """
    return f"sent off {mail.announce_disabled()}, asked {replaying.tend_replays()}"


@shared_task(name="webhooks.tidy")
def tidy() -> str:
    """Forgets what has served its time. Outcome: `forgot N`."""
    return f"forgot {tidying.tidy()}"
