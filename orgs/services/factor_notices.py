"""What people are told by mail of their second factors."""

from enum import StrEnum

from django.utils import timezone

from config.kernel.context import current_request
from config.kernel.tasks import enqueue
from orgs.models import User

# From this number of unused recovery codes on, the mail asks for new ones.
FEW_CODES = 3


class Notice(StrEnum):
    """What happened. Tasks carry the value, mails are written by it (orgs/mail.py)."""

    AUTHENTICATOR_ADDED = "authenticator_added"
    AUTHENTICATOR_REPLACED = "authenticator_replaced"
    AUTHENTICATOR_REMOVED = "authenticator_removed"
    PASSKEY_ADDED = "passkey_added"
    PASSKEY_REMOVED = "passkey_removed"
    CODES_MADE = "codes_made"
    CODE_USED = "code_used"
    FACTORS_RESET = "factors_reset"


def tell(user: User, notice: Notice, detail: str = "") -> None:
    """Mails the person after commit. `detail` is a passkey's name, or how many recovery codes are left."""
    request = current_request()
    what = f"{notice.value} {detail}"
    at = timezone.now().isoformat()
    enqueue("orgs.mail_factor_notice", str(user.id), what, at, request.ip or "", request.user_agent)
