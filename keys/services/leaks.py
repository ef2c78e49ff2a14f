"""Credentials of which somebody showed that they leaked: what the organization's policy makes of it."""

from dataclasses import dataclass
from uuid import UUID

from django.db import transaction
from django.utils import timezone

from audit.services import record
from config.kernel.principals import SYSTEM
from config.kernel.tasks import enqueue
from config.kernel.tenancy.scope import INSTALLATION_ID, system_scope, tenant_scope
from keys import events
from keys.models import Agent, Key, KeyPolicy, PersonalToken, RefreshToken, TokenSession
from keys.services.agents import end_enrolment
from keys.services.keys import key_target
from keys.services.sessions import end_session
from keys.services.tokens import revoke_token, token_target
from orgs.models import Membership

NOTHING = "nothing"
REVOKED = "revoked"


@dataclass(frozen=True)
class LeakReport:
    """Of a credential only its SHA-256 is known here. `source` and `url` say where it was found, as it was told."""

    digest: bytes
    source: str = ""
    url: str = ""


def is_known(digest: bytes) -> bool:
    """Whether a credential with that SHA-256 is or was ours and secret."""
    with system_scope("leak reports"):
        found = Key.objects.filter(digest=digest, kind=Key.Kind.SECRET).exists()
        found = found or Agent.objects.filter(enrolment_digest=digest).exists()
    return found or any(model.objects.filter(digest=digest).exists() for model in (PersonalToken, RefreshToken))


def handle_report(report: LeakReport) -> str:
    """Does with a leaked credential what is to be done. Returns what: `revoke`, `quarantine`, `report`, `revoked` for
    other credentials, `nothing` for what is unknown, public, ended, or was reported before and handled as far as the
    policy now demands.
    """
    with system_scope("leak reports"):
        place = Key.objects.filter(digest=report.digest).values_list("org_id", "id").first()
        agent = Agent.objects.filter(enrolment_digest=report.digest).first() if place is None else None
    if place is not None:
        organization_id, key_id = place
        with tenant_scope(organization_id):
            return _leaked_key(key_id, report)
    if agent is not None:
        with tenant_scope(agent.org_id):
            return _leaked_enrolment(agent, report.digest)
    refresh_token = RefreshToken.objects.select_related("session").filter(digest=report.digest).first()
    return _leaked_session(refresh_token.session) if refresh_token else _leaked_token(report)


@transaction.atomic
def _leaked_key(key_id: UUID, report: LeakReport) -> str:
    key = Key.objects.select_for_update(of=("self",)).select_related("project").filter(id=key_id).first()
    # A publishable key is public.
    if key is None or key.kind == Key.Kind.PUBLISHABLE or key.state in (Key.State.REVOKED, Key.State.EXPIRED):
        return NOTHING
    action = KeyPolicy.objects.current().on_leak
    if key.leaked_at is not None and not _demands_more(action, key):
        return NOTHING
    now = timezone.now()
    key.leaked_at = key.leaked_at or now
    if action == KeyPolicy.OnLeak.REVOKE:
        key.revoked_at = now
    elif action == KeyPolicy.OnLeak.QUARANTINE:
        key.quarantined_at = now
    key.save(update_fields=["leaked_at", "revoked_at", "quarantined_at", "updated_at"])
    record(
        events.KEY_LEAKED,
        actor=SYSTEM,
        target=key_target(key),
        data={"project": key.project.public_id, "action": action, "source": report.source, "url": report.url},
    )
    for membership in Membership.objects.owners().filter(user__is_active=True).order_by("id"):
        enqueue("keys.mail_leak", str(key.id), str(membership.user_id))
    return str(action)


def _demands_more(action: str, key: Key) -> bool:
    """Whether the policy asks for more than was done with a key that has not ended and was reported before."""
    if action == KeyPolicy.OnLeak.QUARANTINE:
        return key.quarantined_at is None
    return action == KeyPolicy.OnLeak.REVOKE


@transaction.atomic
def _leaked_token(report: LeakReport) -> str:
    """A personal token is its owner's, so no organization's policy keeps it alive."""
    token = PersonalToken.objects.select_related("user", "organization").filter(digest=report.digest).first()
    if token is None or not token.is_usable:
        return NOTHING
    revoke_token(actor=SYSTEM, user=token.user, token=token.public_id)
    record(
        events.TOKEN_LEAKED,
        actor=SYSTEM,
        target=token_target(token),
        data={"source": report.source, "url": report.url},
        org_id=token.organization_id or INSTALLATION_ID,
    )
    enqueue("keys.mail_leaked_token", str(token.id))
    return REVOKED


def _leaked_session(session: TokenSession) -> str:
    """Ends the session of a refresh token, also of a used one: whoever sent that again would end it too."""
    if not session.is_living:
        return NOTHING
    end_session(actor=SYSTEM, user_id=session.user_id, session=session.public_id)
    return REVOKED


def _leaked_enrolment(agent: Agent, digest: bytes) -> str:
    """Ends an enrolment token. What the agent has already goes on working."""
    has_ended = end_enrolment(actor=SYSTEM, project_id=agent.project_id, agent=agent.public_id, digest=digest)
    return REVOKED if has_ended else NOTHING
