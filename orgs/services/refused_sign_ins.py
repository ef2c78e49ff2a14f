"""The record of sign-ins that were refused because an organization enforces single sign-on.

Anybody may try at any address, so only so many are recorded (orgs/refusals.py); the program's own log has every one.
"""

import structlog

from audit.services import Target, record_refused
from config.kernel.identifiers import public_id
from config.kernel.principals import ANONYMOUS
from config.kernel.sign_in import Method
from config.kernel.tenancy.scope import INSTALLATION_ID
from orgs import events
from orgs.models import User
from orgs.models.user import normalize_email
from orgs.refusals import may_note_sign_in
from orgs.services.targets import user_target
from orgs.sign_in import MethodRefused, validate_auth_method

logger = structlog.get_logger()


def note_method_refused(refusal: MethodRefused, *, method: Method, user: User | None = None, email: str = "") -> None:
    """Writes it to the log of each organization that governs the person, and to the installation's own.

    Call it outside of the transaction that is refused. `email` is what was typed, where no person is known.
    """
    governing = [public_id("org", organization_id) for organization_id in sorted(refusal.organization_ids)]
    logger.warning("sign-in refused", cause="method", method=method.value, organizations=governing)
    target = user_target(user) if user else Target("address", "", normalize_email(email))
    for organization_id in (INSTALLATION_ID, *sorted(refusal.organization_ids)):
        if may_note_sign_in("sign_in.refused", ledger=organization_id, user_id=user.id if user else None):
            record_refused(
                events.USER_SIGN_IN_REFUSED,
                actor=ANONYMOUS,
                target=target,
                data={"method": method.value},
                org_id=organization_id,
            )


def note_if_refused(*, method: Method, email: str) -> bool:
    """Writes it down if whoever has this address may not sign in by `method`, for ways in that end before they ask."""
    try:
        validate_auth_method(method=method, email=email)
    except MethodRefused as refusal:
        note_method_refused(refusal, method=method, email=email)
        return True
    return False
