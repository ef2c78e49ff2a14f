"""Whether a key is good for what somebody wants to do with it. The answer names one cause, the first that applies."""

import json
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any
from uuid import UUID

from config.kernel.access import Admission
from config.kernel.permissions import Permission
from config.kernel.principals import ServicePrincipal
from config.kernel.tenancy.scope import system_scope
from keys import limits, uses
from keys.credentials import could_be_ours, digest_of
from keys.facts import KeyFacts, ProjectFacts, address_allowed, load_keys
from keys.models import Key
from orgs.models import ServiceGrant
from projects.hosts import origin_host, passes

# Members of an enumeration are looked up by name each time they are written; these are asked for in every request.
SECRET = Key.Kind.SECRET.value
TEST = Key.Mode.TEST.value

Grants = Mapping[tuple[UUID, UUID | None], frozenset[Permission]]


class Code(StrEnum):
    """The causes, in the order in which they are looked for."""

    VALID = "valid"
    NOT_FOUND = "not_found"
    ORGANIZATION_DISABLED = "organization_disabled"
    DISABLED = "disabled"
    REVOKED = "revoked"
    EXPIRED = "expired"
    IP_NOT_ALLOWED = "ip_not_allowed"
    ORIGIN_NOT_ALLOWED = "origin_not_allowed"
    PERMISSION_MISSING = "permission_missing"
    RATE_LIMITED = "rate_limited"
    USAGE_EXCEEDED = "usage_exceeded"


VALID = Code.VALID


@dataclass(frozen=True)
class Verification:
    """The answer of keys/verify. Everything but `valid` and `code` is empty when the key was not found."""

    code: Code
    key_id: str | None = None
    organization_id: str | None = None
    project_id: str | None = None
    kind: str | None = None
    mode: str | None = None
    permissions: list[str] = field(default_factory=list)
    plan: str | None = None
    metadata: dict[str, Any] = field(default_factory=dict)
    expires_at: datetime | None = None
    ratelimit: dict[str, int] | None = None
    remaining: int | None = None

    @property
    def valid(self) -> bool:
        """Whether to let it pass."""
        return self.code == Code.VALID


@dataclass(slots=True)
class Question:
    """What somebody wants to know: may this key, from this origin and address, do this?"""

    key: str
    origin: str | None = None
    ip: str | None = None
    permission: str | None = None
    cost: int = 1


@dataclass(slots=True)
class Verdict:
    """The cause, with what is left of the key's limits where it came to asking them."""

    code: Code
    rate: limits.Left | None = None
    remaining: int | None = None


# Of a key without limits of its own, which most are.
PASSED = Verdict(VALID)


def verify(questions: list[Question], *, admission: Admission) -> list[Verification]:
    """Answers in order, with one query for the keys. What the asker may not know of is not found.

    A program asks about its own organization; a service account about whatever organizations and projects granted it
    `keys:verify`, within the one that it names or across all.
    """
    digests = [digest_of(question.key) if could_be_ours(question.key) else None for question in questions]
    found = load_keys({digest for digest in digests if digest})
    known = _knowable(found.values(), admission)
    now = time.time()
    answers = []
    for question, digest in zip(questions, digests, strict=True):
        key = found.get(digest) if digest else None
        if digest is None or key is None or key.project.id not in known:
            answers.append(Verification(Code.NOT_FOUND))
        else:
            answers.append(_told(key, judge(key, question, now)))
    return answers


def _knowable(keys: Iterable[KeyFacts], admission: Admission) -> set[UUID]:
    """The projects, of those that keys belong to, whose keys the asker may know of."""
    projects = {key.project.id: key.project for key in keys}
    if admission.organization is not None:
        projects = {
            project_id: project
            for project_id, project in projects.items()
            if project.organization.id == admission.organization.id
        }
    if isinstance(admission.principal, ServicePrincipal):
        grants = grants_of(admission.principal, {project.organization.id for project in projects.values()})
        return {project.id for project in projects.values() if may_verify(grants, project)}
    return set(projects) if admission.organization is not None else set()


def grants_of(principal: ServicePrincipal, organization_ids: set[UUID]) -> Grants:
    """What these organizations granted a service account, by organization and project (None: all of them)."""
    with system_scope("grants of one service account"):
        rows = ServiceGrant.objects.in_force().of_account(principal.service_account_id)
        return {(row.org_id, row.project_id): row.permission_set for row in rows.filter(org_id__in=organization_ids)}


def may_verify(grants: Grants, project: ProjectFacts) -> bool:
    """Whether the grants let their account verify keys of the project."""
    everywhere = grants.get((project.organization.id, None), frozenset())
    return Permission.KEYS_VERIFY in everywhere | grants.get((project.organization.id, project.id), frozenset())


def judge(key: KeyFacts, question: Question, now: float) -> Verdict:
    """The verdict at `now` (seconds since 1970) on a key that the asker may know of.

    Counts the use against the key's limits when nothing else refuses.
    """
    code = refusal(key, question, now)
    if code is not None:
        return Verdict(code)
    rate = None
    terms = key.terms
    if terms.rate is not None:
        rate = limits.take(key, question.cost)
        if not rate.is_granted:
            return Verdict(Code.RATE_LIMITED, rate)
    if not terms.is_counted:
        uses.recorder.note(key, question.ip, now)
        return Verdict(VALID, rate) if rate is not None else PASSED
    is_spent, remaining = uses.spend(
        organization_id=key.project.organization.id, key_id=uses.id_behind(key.public_id), cost=question.cost
    )
    if not is_spent:
        return Verdict(Code.USAGE_EXCEEDED, rate, remaining)
    uses.recorder.note(key, question.ip, now)
    return Verdict(VALID, rate, remaining)


def refusal(key: KeyFacts, question: Question, now: float) -> Code | None:
    """The first cause that applies of those that count nothing, or None."""
    return state_refusal(key, now) or use_refusal(key, question)


def state_refusal(key: KeyFacts, now: float) -> Code | None:
    """Why the key works for nobody at `now`, or None."""
    project, terms = key.family.project, key.terms
    if not project.organization.is_active:
        return Code.ORGANIZATION_DISABLED
    if terms.is_quarantined or not project.is_active:
        return Code.DISABLED
    if terms.is_revoked:
        return Code.REVOKED
    return Code.EXPIRED if terms.expires <= now else None


def use_refusal(key: KeyFacts, question: Question) -> Code | None:
    """Why the key does not work for this use, or None."""
    if key.terms.networks and not address_allowed(question.ip, key.terms.networks):
        return Code.IP_NOT_ALLOWED
    if question.origin is not None and not origin_allowed(key, question.origin):
        return Code.ORIGIN_NOT_ALLOWED
    if question.permission is not None and question.permission not in key.family.permissions:
        return Code.PERMISSION_MISSING
    return None


def origin_allowed(key: KeyFacts, origin: str) -> bool:
    """Whether the key may come from pages of this Origin. A secret key never comes from a browser."""
    if key.family.kind == SECRET:
        return False
    host = origin_host(origin)
    return host is not None and passes(host, key.project.patterns, test=key.family.mode == TEST)


def _told(key: KeyFacts, verdict: Verdict) -> Verification:
    organization = key.project.organization
    return Verification(
        code=verdict.code,
        key_id=key.public_id,
        organization_id=organization.public_id,
        project_id=key.project.public_id,
        kind=key.family.kind,
        mode=key.family.mode,
        permissions=list(key.family.permissions),
        plan=organization.plan,
        metadata=json.loads(key.terms.metadata),
        expires_at=key.terms.expires_at,
        ratelimit=verdict.rate.told() if verdict.rate else None,
        remaining=verdict.remaining,
    )
