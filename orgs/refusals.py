"""What is refused to service accounts, written down: in the installation's log, and in the organization's if known.

An attacker must not be able to fill the ledgers, so each cause is written at most so often a minute for each account
and ledger; the program's own log has a line for every one. Refused sign-ins, which need no account, ask here as well
whether one more may be written.
"""

from uuid import UUID

import structlog
from redis.exceptions import RedisError

from audit.services import Target, record_refused
from config.kernel.context import current_request
from config.kernel.principals import ANONYMOUS, ServicePrincipal
from config.kernel.tenancy.scope import INSTALLATION_ID
from config.kernel.throttling import may_try
from orgs import events

LIMIT = "10/minute"
# Refused sign-ins in one ledger: of one who tries, and of all strangers together.
OF_ONE = "30/hour"
OF_ALL = "300/hour"

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
        if _is_free("service_account.refused", f"{ledger}:{name}:{cause}", limit=LIMIT):
            record_refused(
                events.SERVICE_ACCOUNT_REFUSED, actor=actor, target=target, data={"cause": cause}, org_id=ledger
            )


def may_note_sign_in(what: str, *, ledger: UUID, user_id: UUID | None = None) -> bool:
    """Whether one more refused sign-in goes into `ledger`. `user_id` is who it was, if they have proven who they are.

    Strangers are told apart by their address. All of them together have a limit too where the ledger is an
    organization's; people who are known have none, so that nobody crowds out their records.
    """
    who = user_id or current_request().ip
    if not _is_free(what, f"{ledger}:{who}", limit=OF_ONE):
        return False
    return user_id is not None or ledger == INSTALLATION_ID or _is_free(what, str(ledger), limit=OF_ALL)


def _is_free(what: str, who: str, *, limit: str) -> bool:
    try:
        return may_try(what, who, limit=limit)
    except RedisError:  # rather too much in the ledger than a gap for whoever can stop the counting
        return True
