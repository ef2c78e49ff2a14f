"""Who can, what can be seen, what may be done: candidates in pages, each put to the very check of an evaluation.

So a search is never incomplete and never says more than a check. Candidates are what the caller may know of, in the
order of their ids; a token is the place of the last one looked at, bound to the search it came from.
"""

import base64
import binascii
import hashlib
import json
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any
from uuid import UUID

from django.db import models

from config.kernel.errors import Invalid
from config.kernel.identifiers import public_id
from config.kernel.permissions import Permission
from keys.decisions.callers import Caller, Horizon
from keys.decisions.evaluating import Answer, decided
from keys.decisions.facts import Facts, OrganizationFacts, ResourceType, SubjectType
from keys.decisions.loading import load
from keys.decisions.maker import decision_maker
from keys.decisions.wire import DEFAULT_LIMIT, LARGEST_LIMIT, Question, Search
from keys.models import Agent, Key
from orgs.models import Membership, ServiceGrant
from projects.models import Project, Resource

CHUNK = 250
# After so many candidates a page ends, whatever it has found: its token leads on.
MOST_CANDIDATES = 5000

Candidate = tuple[str, str]  # its position in the order, and its name
Candidates = Callable[[str, int], list[Candidate]]  # those after a position, at most so many


@dataclass(frozen=True)
class Position:
    """Where a page begins: `after` the last candidate of the page before; `limit` is the first page's."""

    after: str
    limit: int


def search_subjects(search: Search, *, caller: Caller, organization: OrganizationFacts) -> Answer:
    """Which subjects of a type may. Runs in the organization's tenant scope."""
    kind = search.question.subject[0]

    def candidates(after: str, limit: int) -> list[Candidate]:
        if caller.others is None:
            return [("self", caller.name[1])] if caller.name[0] == kind and after == "" else []
        listed = SUBJECTS.get(kind)
        return listed(caller.others, after, limit) if listed else []

    return _page(
        "subject",
        search,
        caller=caller,
        organization=organization,
        candidates=candidates,
        asked=lambda name: replace(search.question, subject=(kind, name)),
        shown=lambda name: {"type": kind, "id": name},
    )


def search_resources(search: Search, *, caller: Caller, organization: OrganizationFacts) -> Answer:
    """Which resources of a type a subject may do something with. Runs in the organization's tenant scope."""
    kind = search.question.resource[0]
    horizon = caller.horizon(search.question.subject)

    def candidates(after: str, limit: int) -> list[Candidate]:
        if horizon is None:
            return []
        if kind == ResourceType.ORGANIZATION:
            return [("own", organization.public_id)] if horizon.organization and after == "" else []
        listed = RESOURCES.get(kind)
        return listed(horizon, after, limit) if listed else []

    return _page(
        "resource",
        search,
        caller=caller,
        organization=organization,
        candidates=candidates,
        asked=lambda name: replace(search.question, resource=(kind, name)),
        shown=lambda name: {"type": kind, "id": name},
    )


def search_actions(search: Search, *, caller: Caller, organization: OrganizationFacts) -> Answer:
    """What a subject may do with a resource. Runs in the organization's tenant scope."""
    names = sorted(permission.value for permission in Permission)
    return _page(
        "action",
        search,
        caller=caller,
        organization=organization,
        candidates=lambda after, limit: [(name, name) for name in names if name > after][:limit],
        asked=lambda name: replace(search.question, action=name),
        shown=lambda name: {"name": name},
    )


def _page(
    kind: str,
    search: Search,
    *,
    caller: Caller,
    organization: OrganizationFacts,
    candidates: Candidates,
    asked: Callable[[str], Question],
    shown: Callable[[str], dict[str, str]],
) -> Answer:
    """A page of those for whom the check says yes. Raises what loading or the decision maker raises, since a search
    that leaves somebody out says more than that it failed.
    """
    digest = _digest(kind, search.question, organization)
    position = _position(search, digest, _is_action if kind == "action" else _is_row)
    maker = decision_maker()
    results: list[dict[str, str]] = []
    after, looked_at, ended = position.after, 0, False
    while not ended and len(results) < position.limit and looked_at < MOST_CANDIDATES:
        chunk = candidates(after, CHUNK)
        ended = len(chunk) < CHUNK
        questions = [asked(name) for _, name in chunk]
        facts = _facts(questions, organization)
        for number, ((place, name), question) in enumerate(zip(chunk, questions, strict=True), start=1):
            after = place
            looked_at += 1
            decision = decided(question, caller=caller, facts=facts, maker=maker)
            if decision is not None and decision.allowed is True:
                results.append(shown(name))
                if len(results) == position.limit:
                    ended = ended and number == len(chunk)
                    break
    token = "" if ended else _token(after, position.limit, digest)
    return {"page": {"next_token": token, "count": len(results)}, "results": results}


def _facts(questions: list[Question], organization: OrganizationFacts) -> Facts:
    facts = Facts(organization)
    load(
        facts,
        subjects={question.subject for question in questions},
        places={question.resource for question in questions},
    )
    return facts


# -- candidates ------------------------------------------------------------------------------------------------------
def _members(horizon: Horizon, after: str, limit: int) -> list[Candidate]:
    return _listed(Membership.objects.all(), "usr", "user_id", after, limit)


def _keys(horizon: Horizon, after: str, limit: int) -> list[Candidate]:
    return _listed(_in_projects(Key.objects.all(), horizon), "key", "id", after, limit)


def _agents(horizon: Horizon, after: str, limit: int) -> list[Candidate]:
    return _listed(_in_projects(Agent.objects.all(), horizon), "agt", "id", after, limit)


def _services(horizon: Horizon, after: str, limit: int) -> list[Candidate]:
    grants = ServiceGrant.objects.filter(withdrawn_at=None)
    if horizon.projects is not None:
        grants = grants.filter(models.Q(project_id__in=horizon.projects) | models.Q(project_id=None))
    return _listed(grants, "svc", "account_id", after, limit)


def _projects(horizon: Horizon, after: str, limit: int) -> list[Candidate]:
    rows = Project.objects.all()
    return _listed(
        rows if horizon.projects is None else rows.filter(id__in=horizon.projects), "prj", "id", after, limit
    )


def _registered(horizon: Horizon, after: str, limit: int) -> list[Candidate]:
    rows = Resource.objects.order_by("id")
    if horizon.projects is not None:
        seen = models.Q(project_id__in=horizon.projects)
        rows = rows.filter(seen | models.Q(project_id=None) if horizon.organization else seen)
    if after:
        rows = rows.filter(id__gt=UUID(after))
    return [(str(row.id), row.trn) for row in rows[:limit]]


def _in_projects(rows: models.QuerySet, horizon: Horizon) -> models.QuerySet:
    return rows if horizon.projects is None else rows.filter(project_id__in=horizon.projects)


def _listed(rows: models.QuerySet, prefix: str, column: str, after: str, limit: int) -> list[Candidate]:
    if after:
        rows = rows.filter(**{f"{column}__gt": UUID(after)})
    found = rows.order_by(column).values_list(column, flat=True).distinct()[:limit]
    return [(str(number), public_id(prefix, number)) for number in found]


SUBJECTS: dict[str, Callable[[Horizon, str, int], list[Candidate]]] = {
    SubjectType.USER: _members,
    SubjectType.KEY: _keys,
    SubjectType.AGENT: _agents,
    SubjectType.SERVICE_ACCOUNT: _services,
}
RESOURCES: dict[str, Callable[[Horizon, str, int], list[Candidate]]] = {
    ResourceType.PROJECT: _projects,
    ResourceType.RESOURCE: _registered,
}


# -- tokens ----------------------------------------------------------------------------------------------------------
def _digest(kind: str, question: Question, organization: OrganizationFacts) -> str:
    """What a token is bound to: following pages must ask the same (section 8.2)."""
    parts: list[Any] = [
        kind,
        organization.public_id,
        question.subject,
        question.action,
        question.resource,
        dict(question.attributes),
    ]
    return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()[:16]


def _token(after: str, limit: int, digest: str) -> str:
    return base64.urlsafe_b64encode(json.dumps([after, limit, digest]).encode()).decode().rstrip("=")


def _is_row(text: Any) -> bool:
    try:
        return text == "" or str(UUID(text)) == text
    except (ValueError, AttributeError, TypeError):
        return False


def _is_action(text: Any) -> bool:
    return text == "" or text in set(Permission)


def _position(search: Search, digest: str, is_position: Callable[[Any], bool]) -> Position:
    """Raises Invalid for a token that is not of this search, or comes with another limit."""
    if not search.token:
        return Position("", DEFAULT_LIMIT if search.limit is None else search.limit)
    refusal = Invalid.field("page", "Send page.token with the same search and limit as before, or begin anew without.")
    try:
        padded = search.token + "=" * (-len(search.token) % 4)
        after, limit, bound_to = json.loads(base64.b64decode(padded, altchars=b"-_", validate=True))
    except (ValueError, TypeError, binascii.Error):
        raise refusal from None
    whole = isinstance(limit, int) and not isinstance(limit, bool) and 0 <= limit <= LARGEST_LIMIT
    if bound_to != digest or not whole or search.limit not in (None, limit) or not is_position(after):
        raise refusal
    return Position(after, limit)
