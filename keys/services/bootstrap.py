"""The first start: the first staff user, their organization, and a personal token shown once.

TENANTRY_BOOTSTRAP_MODE says who may: `token` whoever has the operator's token, while there is no staff; `open` the
first caller, while there is nobody at all; `off` nobody.
"""

import hmac
from dataclasses import dataclass

from django.conf import settings
from django.db import connection, transaction

from audit.services import record, record_refused
from config.kernel.errors import AuthFailure
from config.kernel.principals import SYSTEM, Principal, UserPrincipal
from config.kernel.tenancy.scope import INSTALLATION_ID
from keys.services.tokens import create_token
from orgs import events
from orgs.models import Organization, User
from orgs.services.addresses import vouch_for_address
from orgs.services.invitations import checked_email
from orgs.services.organizations import create_organization
from orgs.services.targets import user_target
from orgs.services.users import create_user

LOCK = 0x7E4A0B  # any number that no other advisory lock of ours uses
TOKEN_NAME = "First start"  # noqa: S105 - the name of a token


@dataclass(frozen=True)
class FirstStart:
    """What was made. `token` is a personal token's plaintext, to be shown this once."""

    user: User
    organization: Organization
    token: str


def bootstrap_available() -> bool:
    """Whether a first start is still to be made and may be made."""
    if settings.TENANTRY_BOOTSTRAP_MODE == "open":
        return not User.objects.exists()
    return settings.TENANTRY_BOOTSTRAP_MODE == "token" and not User.objects.filter(is_staff=True).exists()


def bootstrap(
    *,
    actor: Principal,
    email: str,
    password: str,
    organization_name: str,
    organization_slug: str,
    name: str = "",
    token: str = "",
) -> FirstStart:
    """Makes the first staff user and their organization. Of two callers at once one succeeds.

    Raises AuthFailure for whoever may not, whatever the cause, and records it; then Invalid or Conflict for the input.
    """
    try:
        with transaction.atomic():
            with connection.cursor() as cursor:
                cursor.execute("SELECT pg_advisory_xact_lock(%s)", [LOCK])
            _require_right(token)
            return _make(email, password, name, organization_name, organization_slug)
    except AuthFailure:
        record_refused(
            events.BOOTSTRAP_REFUSED,
            actor=actor,
            data={"mode": settings.TENANTRY_BOOTSTRAP_MODE},
            org_id=INSTALLATION_ID,
        )
        raise


def _require_right(token: str) -> None:
    expected = settings.TENANTRY_BOOTSTRAP_TOKEN
    known = bool(expected) and hmac.compare_digest(token.encode(errors="replace"), expected.encode())
    if not bootstrap_available() or (settings.TENANTRY_BOOTSTRAP_MODE == "token" and not known):
        raise AuthFailure


def _make(email: str, password: str, name: str, organization_name: str, organization_slug: str) -> FirstStart:
    email = checked_email(email)
    user = create_user(actor=SYSTEM, email=email, password=password, name=name, is_staff=True, how="bootstrap")
    vouch_for_address(user=user)
    actor = UserPrincipal.of(user_id=user.id, email=user.email)
    organization = create_organization(actor=actor, name=organization_name, slug=organization_slug)
    _, plaintext = create_token(actor=actor, user=user, name=TOKEN_NAME)
    record(
        events.INSTALLATION_BOOTSTRAPPED,
        actor=actor,
        target=user_target(user),
        data={"mode": settings.TENANTRY_BOOTSTRAP_MODE},
        org_id=INSTALLATION_ID,
    )
    return FirstStart(user=user, organization=organization, token=plaintext)
