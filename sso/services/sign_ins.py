"""Signing people in by the word of their organization's identity provider: the rows that come of it.

Everything of one sign-in is one transaction under the organization's lock, so of several first sign-ins of a person
at the same moment one makes them and the others find them.
"""

from dataclasses import dataclass
from uuid import UUID

from django.db import IntegrityError, transaction
from django.utils import timezone

from audit.services import Target, record, record_refused
from config.kernel.errors import Conflict
from config.kernel.identifiers import public_id
from config.kernel.principals import ANONYMOUS, SYSTEM, Principal, UserPrincipal
from config.kernel.sign_in import Method
from config.kernel.tenancy.scope import tenant_scope
from config.kernel.throttling import may_try
from orgs import events as orgs_events
from orgs.models import Membership, Organization, SsoSignIn, User
from orgs.refusals import may_note_sign_in
from orgs.services.addresses import vouch_for_address
from orgs.services.authority import lock_organization
from orgs.services.members import change_role
from orgs.services.sign_in_policies import note_sso_sign_in
from orgs.services.targets import member_target, user_target
from orgs.services.users import create_user
from sso import events
from sso.causes import CONFIGURATION_CHANGED, SOMEONE_ELSE, Known, SignInRefused
from sso.models import Configuration, Connection, ConnectionLogEntry, FederatedIdentity
from sso.protocols.received import Received
from sso.services.judgement import CONTROL, AssignedRole, Verdict, judge
from sso.services.log import note

NAME_LENGTH = 120
# Anybody can bring about a refusal, and each is a line in the connection's log.
REFUSALS_NOTED = "60/minute"


@dataclass(frozen=True)
class SignedIn:
    """Who got in, and what was made for it."""

    user: User
    verdict: Verdict


def sign_in(*, organization: Organization, configuration: Configuration, received: Received) -> SignedIn:
    """Makes, links or finds the person, gives them their role and notes the sign-in. Raises SignInRefused.

    The caller begins the browser's session.
    """
    try:
        return _sign_in(organization, configuration, received)
    except (IntegrityError, Conflict):
        # Somebody took the address at the same moment by another way in: now there is an account to judge.
        return _sign_in(organization, configuration, received)


@transaction.atomic
def _sign_in(organization: Organization, configuration: Configuration, received: Received) -> SignedIn:
    with tenant_scope(organization.id):
        locked = lock_organization()
        connection = _connection_in_force(configuration)
        verdict = judge(organization=locked, connection=connection, received=received)
    user = verdict.user or _new_person(verdict.email, received)
    with tenant_scope(organization.id):
        if not verdict.is_linked:
            _link(connection, received, user)
        if verdict.membership is None and verdict.role is not None:
            _join(connection, user, verdict.role)
        elif verdict.role is not None:
            custom_role = verdict.role.custom_role
            change_role(
                actor=SYSTEM,
                user_id=user.id,
                role=verdict.role.role,
                custom_role_id=custom_role.id if custom_role else None,
            )
        now = timezone.now()
        SsoSignIn.objects.update_or_create(
            user=user, defaults={"connection_id": connection.id, "subject": received.subject, "last_at": now}
        )
        Connection.objects.filter(id=connection.id).update(last_sign_in_at=now)
        note(
            configuration,
            ConnectionLogEntry.Outcome.SIGNED_IN,
            email=verdict.email,
            subject=received.subject,
            claims=received.claims,
        )
    note_sso_sign_in(user=user, organization_id=organization.id, connection_id=connection.id)
    return SignedIn(user, verdict)


def confirm(*, organization: Organization, configuration: Configuration, received: Received, user_id: UUID) -> None:
    """The person who is signed in proved themselves again. Raises SignInRefused, also for anybody else."""
    with transaction.atomic(), tenant_scope(organization.id):
        connection = _connection_in_force(configuration)
        verdict = judge(organization=organization, connection=connection, received=received)
        if verdict.user is None or verdict.user.id != user_id:
            exactly = f"{public_id('usr', user_id)} is signed in here, and {verdict.email} came back."
            raise SignInRefused(SOMEONE_ELSE, exactly, known=Known(verdict.email, received.subject, received.claims))
        note(
            configuration,
            ConnectionLogEntry.Outcome.SIGNED_IN,
            detail="Proved themselves once more.",
            email=verdict.email,
            subject=received.subject,
            claims=received.claims,
        )


def note_refused(
    *, organization: Organization, configuration: Configuration | None, refusal: SignInRefused, ip: str | None
) -> None:
    """Writes a refusal to the connection's log and the ledger, which takes fewer of them, since it forgets nothing.

    Call it outside of the transaction that is refused.
    """
    if configuration is None or not may_try(
        "sso refusals", f"{configuration.connection_id}:{ip}", limit=REFUSALS_NOTED
    ):
        return
    known = refusal.known
    with transaction.atomic(), tenant_scope(organization.id):
        note(
            configuration,
            ConnectionLogEntry.Outcome.REFUSED,
            code=refusal.code,
            detail=refusal.exactly,
            email=known.email,
            subject=known.subject,
            claims=known.claims,
        )
    if may_note_sign_in("sso.refused", ledger=organization.id):
        record_refused(
            orgs_events.USER_SIGN_IN_FAILED,
            actor=ANONYMOUS,
            target=Target("address", "", known.email),
            data={"method": Method.SSO.value, "cause": refusal.code},
            org_id=organization.id,
        )


def _connection_in_force(configuration: Configuration) -> Connection:
    """The connection, when the configuration is still its live one. Raises SignInRefused."""
    current = Configuration.objects.select_related("connection").filter(id=configuration.id).first()
    if current is None or current.state != Configuration.State.LIVE:
        raise SignInRefused(CONFIGURATION_CHANGED, f"Configuration {configuration.number} is no longer the live one.")
    return current.connection


def _new_person(email: str, received: Received) -> User:
    """A user without a password, whose address the organization's provider speaks for."""
    name = CONTROL.sub("", received.name)[:NAME_LENGTH]
    user = create_user(actor=SYSTEM, email=email, password=None, name=name, how="single sign-on")
    vouch_for_address(user=user)
    return user


def _link(connection: Connection, received: Received, user: User) -> None:
    FederatedIdentity.objects.create(connection=connection, issuer=received.issuer, subject=received.subject, user=user)
    record(
        events.IDENTITY_LINKED,
        actor=_principal(user),
        target=user_target(user),
        data={"connection": connection.public_id, "issuer": received.issuer},
    )


def _join(connection: Connection, user: User, role: AssignedRole) -> None:
    membership = Membership.objects.create(user=user, role=role.role, custom_role=role.custom_role)
    record(
        orgs_events.MEMBER_JOINED,
        actor=_principal(user),
        target=member_target(membership),
        data={"role": membership.role_name, "connection": connection.public_id},
    )


def _principal(user: User) -> Principal:
    return UserPrincipal.of(user_id=user.id, email=user.email)
