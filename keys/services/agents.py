"""Agents of projects: create, change, enrol, renew, revoke."""

from dataclasses import dataclass
from datetime import timedelta
from typing import Any
from uuid import UUID

from django.db import IntegrityError, transaction
from django.utils import timezone

from audit.services import Target, record, record_refused
from config.kernel.context import current_request
from config.kernel.errors import Absent, AuthFailure, Conflict
from config.kernel.identifiers import public_id
from config.kernel.permissions import Permission
from config.kernel.principals import ANONYMOUS, AgentPrincipal, Principal
from config.kernel.tenancy.scope import system_scope, tenant_scope
from config.kernel.throttling import require_try
from keys import events, signing
from keys.credentials import NewCredential, digest_of, generate, prefix_of
from keys.models import Agent, Key
from keys.models.agent import LIFETIME
from keys.services.keys import require_active
from keys.services.terms import chosen_permissions
from keys.signing import Purpose
from orgs.models import Organization
from projects.services.projects import locked_project

PREFIX = "enr_"
ENROLMENT_LIFETIME = timedelta(hours=24)
ENROLMENT = "agent enrolment"
ADDRESS_LIMIT = "60/minute"
TOKEN_LIMIT = "10/minute"  # noqa: S105 - how often


@dataclass(frozen=True)
class AgentToken:
    """What an agent goes on with. The plaintext is in the answer and nowhere else."""

    agent: Agent
    access_token: str
    expires_in: int
    token_type: str = "Bearer"  # noqa: S105 - the scheme's name


def agent_target(agent: Agent) -> Target:
    """How an agent is named in the ledger."""
    return Target("agent", agent.public_id, agent.name)


def agent_principal(agent: Agent) -> AgentPrincipal:
    """The agent as a caller."""
    return AgentPrincipal.of(
        agent_id=agent.id,
        label=agent.name,
        organization_id=agent.org_id,
        project_id=agent.project_id,
        permissions=agent.permission_set,
    )


@transaction.atomic
def create_agent(
    *,
    actor: Principal,
    holder: frozenset[Permission],
    project_id: UUID,
    name: str,
    permissions: str | list[str] | None = None,
    token_lifetime_seconds: int = LIFETIME,
) -> tuple[Agent, str]:
    """A new agent and its enrolment token, which is shown this once.

    `permissions` is a preset's name or a list, `runner` when nothing is said; `holder` is what the actor may do in the
    project, beyond which nothing is given. Raises Absent, Conflict for an archived project or a name in use, Invalid,
    Forbidden.
    """
    project = locked_project(project_id)
    require_active(project)
    chosen = chosen_permissions(actor=actor, kind=Key.Kind.SECRET, permissions=permissions, holder=holder)
    agent = Agent(
        project=project,
        name=name,
        permissions=chosen,
        token_lifetime_seconds=token_lifetime_seconds,
        created_by=actor.id,
    )
    credential = _give_enrolment_token(agent)
    _save_named(agent)
    record(
        events.AGENT_CREATED,
        actor=actor,
        target=agent_target(agent),
        data={
            "project": project.public_id,
            "permissions": chosen,
            "token_lifetime_seconds": token_lifetime_seconds,
        },
    )
    return agent, credential.plaintext


@transaction.atomic
def update_agent(
    *,
    actor: Principal,
    holder: frozenset[Permission],
    project_id: UUID,
    agent: str,
    name: str | None = None,
    permissions: str | list[str] | None = None,
    token_lifetime_seconds: int | None = None,
) -> Agent:
    """Changes what is given; what it may holds from its next request on. `agent` is the public id.

    Raises Absent, Conflict for a revoked agent or a name in use, Invalid, Forbidden.
    """
    row = locked_agent(project_id=project_id, reference=agent)
    _require_living(row)
    wanted: dict[str, Any] = {"name": name, "token_lifetime_seconds": token_lifetime_seconds}
    if permissions is not None:
        kind = Key.Kind.SECRET
        wanted["permissions"] = chosen_permissions(actor=actor, kind=kind, permissions=permissions, holder=holder)
    changes = {
        field: [getattr(row, field), value]
        for field, value in wanted.items()
        if value is not None and value != getattr(row, field)
    }
    if changes:
        for field, (_, value) in changes.items():
            setattr(row, field, value)
        _save_named(row)
        _record_changes(actor, row, changes)
    return row


def _record_changes(actor: Principal, agent: Agent, changes: dict[str, list[Any]]) -> None:
    record(
        events.AGENT_UPDATED,
        actor=actor,
        target=agent_target(agent),
        data={"project": agent.project.public_id, "changes": changes},
    )


@transaction.atomic
def end_enrolment(*, actor: Principal, project_id: UUID, agent: str, digest: bytes) -> bool:
    """Lets the enrolment token with that SHA-256 expire now. False when another one took its place, or it has ended.

    Raises Absent.
    """
    row = locked_agent(project_id=project_id, reference=agent)
    if bytes(row.enrolment_digest) != digest or not row.enrolment_is_open:
        return False
    before, row.enrolment_expires_at = row.enrolment_expires_at, timezone.now()
    row.save(update_fields=["enrolment_expires_at", "updated_at"])
    _record_changes(actor, row, {"enrolment_expires_at": [before.isoformat(), row.enrolment_expires_at.isoformat()]})
    return True


@transaction.atomic
def issue_enrolment_token(
    *, actor: Principal, holder: frozenset[Permission], project_id: UUID, agent: str
) -> tuple[Agent, str]:
    """A new enrolment token in place of the one before, shown this once. `agent` is the public id.

    What the agent has goes on working until the token is exchanged. Raises Absent, Conflict for a revoked agent or an
    archived project, Forbidden when the agent may do more than the actor.
    """
    require_active(locked_project(project_id))
    row = locked_agent(project_id=project_id, reference=agent)
    _require_living(row)
    chosen_permissions(actor=actor, kind=Key.Kind.SECRET, permissions=list(row.permissions), holder=holder)
    credential = _give_enrolment_token(row)
    row.save(update_fields=["enrolment_digest", "enrolment_expires_at", "enrolment_used_at", "updated_at"])
    record(
        events.AGENT_ENROLMENT_ISSUED,
        actor=actor,
        target=agent_target(row),
        data={"project": row.project.public_id, "expires_at": row.enrolment_expires_at.isoformat()},
    )
    return row, credential.plaintext


@transaction.atomic
def revoke_agent(*, actor: Principal, project_id: UUID, agent: str) -> Agent:
    """Ends an agent at once. Doing so twice is no error. Raises Absent."""
    row = locked_agent(project_id=project_id, reference=agent)
    if row.revoked_at is None:
        row.revoked_at = timezone.now()
        row.save(update_fields=["revoked_at", "updated_at"])
        record(events.AGENT_REVOKED, actor=actor, target=agent_target(row), data={"project": row.project.public_id})
    return row


def enrol_agent(*, token: str) -> AgentToken:
    """The first token of an agent for its enrolment token, which is used up by it. Of several at once one gets it.

    Raises AuthFailure for whatever is wrong, and records it where the token is known; RateLimited for too many tries.
    """
    require_try(ENROLMENT, f"address:{current_request().ip}", limit=ADDRESS_LIMIT)
    if prefix_of(token) != PREFIX:
        raise AuthFailure
    digest = digest_of(token)
    with system_scope("agent by its enrolment token"):
        found = Agent.objects.filter(enrolment_digest=digest).first()
    if found is None:
        raise AuthFailure
    require_try(ENROLMENT, f"agent:{found.id}", limit=TOKEN_LIMIT)
    with tenant_scope(found.org_id):
        with transaction.atomic():
            agent = locked_agent(project_id=found.project_id, reference=found.public_id)
            cause = _why_not(agent, digest)
            if cause is None:
                return _enrolled(agent)
        record_refused(
            events.AGENT_ENROLMENT_REFUSED,
            actor=ANONYMOUS,
            target=agent_target(agent),
            data={"project": agent.project.public_id, "cause": cause},
        )
    raise AuthFailure


def _why_not(agent: Agent, digest: bytes) -> str | None:
    """Why the enrolment token of that digest opens nothing, or None."""
    causes = {
        "replaced": bytes(agent.enrolment_digest) != digest,
        "used": agent.enrolment_used_at is not None,
        "expired": agent.enrolment_expires_at <= timezone.now(),
        "agent revoked": agent.revoked_at is not None,
        "project archived": not agent.project.is_active,
        "organization inactive": not Organization.objects.get(id=agent.org_id).is_active,
    }
    return next((cause for cause, holds in causes.items() if holds), None)


def _enrolled(agent: Agent) -> AgentToken:
    now = timezone.now()
    agent.generation += 1
    agent.enrolment_used_at = agent.enrolled_at = agent.last_renewed_at = now
    agent.save(update_fields=["generation", "enrolment_used_at", "enrolled_at", "last_renewed_at", "updated_at"])
    record(
        events.AGENT_ENROLLED,
        actor=agent_principal(agent),
        target=agent_target(agent),
        data={"project": agent.project.public_id},
    )
    return _issued(agent)


@transaction.atomic
def renew_agent_token(*, principal: AgentPrincipal) -> AgentToken:
    """The next token of an agent that came with one that still holds. Raises AuthFailure if it was revoked since."""
    agent = (
        Agent.objects.select_for_update(of=("self",)).select_related("project").filter(id=principal.agent_id).first()
    )
    if agent is None or agent.revoked_at is not None:
        raise AuthFailure
    agent.last_renewed_at = timezone.now()
    agent.save(update_fields=["last_renewed_at", "updated_at"])
    return _issued(agent)


def _issued(agent: Agent) -> AgentToken:
    claims = {
        "sub": agent.public_id,
        "org": public_id("org", agent.org_id),
        "prj": public_id("prj", agent.project_id),
        "gen": agent.generation,
    }
    lifetime = timedelta(seconds=agent.token_lifetime_seconds)
    text = signing.sign(Purpose.AGENT, claims, lifetime=lifetime, audience=signing.ourselves())
    return AgentToken(agent=agent, access_token=text, expires_in=agent.token_lifetime_seconds)


def locked_agent(*, project_id: UUID, reference: str) -> Agent:
    """The agent of that project, locked. Raises Absent, also for an agent of another project."""
    agents = Agent.objects.select_for_update(of=("self",)).select_related("project")
    agent = agents.of_project(project_id).by_reference(reference)
    if agent is None:
        raise Absent
    return agent


def _give_enrolment_token(agent: Agent) -> NewCredential:
    credential = generate(PREFIX)
    agent.enrolment_digest = credential.digest
    agent.enrolment_expires_at = timezone.now() + ENROLMENT_LIFETIME
    agent.enrolment_used_at = None
    return credential


def _require_living(agent: Agent) -> None:
    if agent.revoked_at is not None:
        raise Conflict("This agent is revoked: make a new one instead.", code="agent_revoked")


def _save_named(agent: Agent) -> None:
    try:
        with transaction.atomic():
            agent.save()
    except IntegrityError as error:
        if "keys_agent_name_once" not in str(error):
            raise
        raise Conflict("Another agent of this project has this name: choose another one.", code="name_taken") from None
