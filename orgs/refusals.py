"""What is refused to service accounts, written down: in the installation's log, and in the organization's if known.

An attacker must not be able to fill the ledgers, so each cause is written at most so often a minute for each account
and ledger; the program's own log has a line for every one.
"""

from uuid import UUID

import structlog
from redis.exceptions import RedisError

from audit.services import Target, record_refused
from config.kernel.principals import ANONYMOUS, ServicePrincipal
from config.kernel.tenancy.scope import INSTALLATION_ID
from config.kernel.throttling import may_try
from orgs import events

LIMIT = "10/minute"

logger = structlog.get_logger()


def note_refusal(
    cause: str, *, account: ServicePrincipal | None, proven: bool, organization_id: UUID | None = None
) -> None:
    """Records that a service account, or somebody who claims to be one, was refused.

    `account` is the one that the signature names, None when there is none of that name; `proven` says that the
    signature was right. Call it outside of any scope, and of the transaction that is refused.
    """
    name = account.id if account else "unknown"
    logger.warning("service account refused", cause=cause, service_account=name)
    target = Target("service_account", account.id, account.label) if account else None
    actor = account if account and proven else ANONYMOUS
    for ledger in [INSTALLATION_ID, *([organization_id] if organization_id else [])]:
        if _may_write(f"{ledger}:{name}:{cause}"):
            record_refused(
                events.SERVICE_ACCOUNT_REFUSED, actor=actor, target=target, data={"cause": cause}, org_id=ledger
            )


def _may_write(what: str) -> bool:
    try:
        return may_try("service_account.refused", what, limit=LIMIT)
    except RedisError:  # rather too much in the ledger than a gap for whoever can stop the counting
        return True
