"""The record of sign-ins that were refused because an organization enforces single sign-on."""

from audit.services import Target, record_refused
from config.kernel.principals import ANONYMOUS
from config.kernel.sign_in import Method
from config.kernel.tenancy.scope import INSTALLATION_ID
from orgs import events
from orgs.models import User
from orgs.models.user import normalize_email
from orgs.services.targets import user_target
from orgs.sign_in import MethodRefused, validate_auth_method


def note_method_refused(refusal: MethodRefused, *, method: Method, user: User | None = None, email: str = "") -> None:
    """Writes it to the log of each organization that governs the person, and to the installation's own.

    Call it outside of the transaction that is refused. `email` is what was typed, where no person is known.
    """
    target = user_target(user) if user else Target("address", "", normalize_email(email))
    for organization_id in (INSTALLATION_ID, *sorted(refusal.organization_ids)):
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
