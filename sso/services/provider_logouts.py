"""The identity provider says that somebody signed out there: what they had here by it ends at once."""

from dataclasses import dataclass
from uuid import UUID

from django.db import transaction
from django.db.models import Q

from audit.services import record
from config.kernel.principals import SYSTEM
from config.kernel.sign_in import Method
from config.kernel.tenancy.scope import tenant_scope
from keys.models import TokenSession
from keys.services.sessions import end_session
from orgs.models import BrowserSession, Organization
from sso import events
from sso.causes import REPLAYED, Known, SignInRefused
from sso.models import Configuration, ConnectionLogEntry, FederatedIdentity, HandoverToken
from sso.protocols.logout_tokens import LogoutToken
from sso.services.log import note
from sso.services.targets import connection_target
from sso.services.used_assertions import use_once


@dataclass(frozen=True)
class Ended:
    """How many sessions ended."""

    browsers: int
    programs: int


def end_by_provider(*, organization: Organization, configuration: Configuration, token: LogoutToken) -> Ended:
    """Ends the sessions of the token's `sid`, or all of its subject. Raises SignInRefused for a used token.

    With a session go the programs that got theirs through it; with a subject, every program session that began by
    this organization's single sign-on.
    """
    with transaction.atomic():
        with tenant_scope(organization.id):
            connection = configuration.connection
            if not use_once(connection=connection, kind="logout", name=token.id, good_until=token.good_until):
                raise SignInRefused(REPLAYED, f"The logout token {token.id} was used already.", known=_known(token))
            identities = FederatedIdentity.objects.filter(connection=connection, issuer=configuration.issuer)
            people = list(identities.filter(subject=token.subject).values_list("user_id", flat=True))
            theirs = Q(connection_id=connection.id)
            theirs &= Q(provider_session=token.session) if token.session else Q(user_id__in=people)
            if token.session and token.subject:
                theirs &= Q(user_id__in=people)
            sessions = list(BrowserSession.objects.select_for_update().filter(theirs))
            programs = _programs(organization, sessions, people if not token.session else [])
        for program in programs:
            end_session(actor=SYSTEM, user_id=program.user_id, session=program.public_id)
        BrowserSession.objects.filter(session_key__in=[row.session_key for row in sessions]).delete()
        ended = Ended(browsers=len(sessions), programs=len(programs))
        with tenant_scope(organization.id):
            note(
                configuration,
                ConnectionLogEntry.Outcome.SIGNED_OUT,
                detail=f"Ended {ended.browsers} sessions in browsers and {ended.programs} of programs.",
                subject=token.subject,
                claims=token.claims,
            )
            record(
                events.PROVIDER_LOGGED_OUT,
                actor=SYSTEM,
                target=connection_target(connection),
                data={"browsers": ended.browsers, "programs": ended.programs},
            )
    return ended


def _programs(organization: Organization, sessions: list[BrowserSession], people: list[UUID]) -> list[TokenSession]:
    """The program sessions that end along."""
    handed = HandoverToken.objects.filter(
        browser_session_id__in=[row.id for row in sessions], token_session_id__isnull=False
    ).values_list("token_session_id", flat=True)
    of_people = Q(user_id__in=people, method=Method.SSO.value, sso_organization_id=organization.id)
    rows = TokenSession.objects.living().filter(Q(id__in=list(handed)) | of_people)
    return list(rows.select_related("user").order_by("id"))


def _known(token: LogoutToken) -> Known:
    return Known(subject=token.subject, claims=token.claims)


def note_logout_refused(*, organization: Organization, configuration: Configuration, refusal: SignInRefused) -> None:
    """Writes a refused logout to the connection's log."""
    with transaction.atomic(), tenant_scope(organization.id):
        note(
            configuration,
            ConnectionLogEntry.Outcome.REFUSED,
            code=refusal.code,
            detail=f"Logout: {refusal.exactly}",
            subject=refusal.known.subject,
            claims=refusal.known.claims,
        )
