"""What gates and services refused, on the record of the organization that it was about (TENANTRY_DENIAL_RECORDER).

Nobody must be able to fill a ledger by asking again and again, so of each cause only so much is written in an hour: of
one who asks, and of all together. Hours, since what fills a ledger is no burst but a program that tries day and night.
The program's own log has a line for every one.

Whoever does not belong to the organization stays unnamed there, unless its own log knows them as a member: a link to it
that somebody follows must not tell it their address, nor a program's name what another organization calls it. Their id
is enough to tell one from another, and the operator who it was.
"""

from dataclasses import astuple, dataclass, replace
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from django.db import transaction
from django.utils import timezone
from redis.exceptions import RedisError

from audit.models import AuditEvent
from audit.services import Target, record_refused
from config.kernel.context import current_request, request_context
from config.kernel.denials import Denial
from config.kernel.identifiers import parse_public_id, required_id
from config.kernel.principals import Principal, ProgramPrincipal, UserPrincipal
from config.kernel.tasks import enqueue
from config.kernel.tenancy.scope import system_scope, tenant_scope
from config.kernel.throttling import may_try
from orgs.models import Membership, Organization, ServiceGrant
from orgs.services.targets import organization_target
from projects import events
from projects.models import Project
from projects.services.projects import project_target

# Records of one cause in one organization.
OF_ONE = "30/hour"
OF_ALL = "300/hour"
# Look-ups that one may cause, whatever they name: it bounds the queue, and is the same for what does not exist.
LOOK_UPS = "60/minute"
CLOCKS_APART = timedelta(minutes=5)

UNNAMED = {
    "user": "Somebody who is no member",
    "key": "A key of another organization",
    "agent": "An agent of another organization",
}


@dataclass(frozen=True)
class Attempt:
    """What the worker needs to know, as texts. `organization` and `project` are ids or slugs as they were typed.

    `bound_to` and `bound_project` are the ids of what the credential belongs to. `at` is in ISO 8601.
    """

    kind: str
    id: str
    label: str
    bound_to: str
    bound_project: str
    organization: str
    project: str
    method: str
    route: str
    permission: str
    at: str
    ip: str
    user_agent: str


class DenialRecorder:
    """config.kernel.denials says what it promises."""

    def permission_missing(self, denial: Denial, *, organization: Organization, project: Project | None) -> None:
        """Written before the answer: whoever is told so knows that the organization exists."""
        _record("permission_missing", denial.principal, organization, project, _what(denial))

    def rule_broken(self, denial: Denial, *, organization: Organization, project: Project | None, reason: str) -> None:
        """Written before the answer, too, but after what the service had begun is undone."""
        _record("rule", denial.principal, organization, project, {**_what(denial), "reason": reason})

    def absent(self, denial: Denial, *, organization: str, project: str) -> None:
        """By a task, which outlives this process; with or without a broker."""
        principal, request = denial.principal, current_request()
        if not _is_free("access.absent", principal.id, limit=LOOK_UPS):
            return
        bound = isinstance(principal, UserPrincipal | ProgramPrincipal) and principal.organization_id
        attempt = Attempt(
            kind=principal.kind,
            id=principal.id,
            label=principal.label,
            bound_to=str(bound or ""),
            bound_project=str(principal.project_id) if isinstance(principal, ProgramPrincipal) else "",
            organization=organization,
            project=project,
            method=denial.asked.method,
            route=denial.asked.route,
            permission=str(denial.permission or ""),
            at=timezone.now().isoformat(),
            ip=request.ip or "",
            user_agent=request.user_agent,
        )
        with transaction.atomic():
            enqueue("projects.record_absent", *astuple(attempt))


def _what(denial: Denial) -> dict[str, str]:
    return {
        "method": denial.asked.method,
        "route": denial.asked.route,
        "permission": str(denial.permission or ""),
    }


def record_absent(attempt: Attempt) -> int:
    """Records the attempt for the organization that it names, and for the one whose project it names.

    Answers in how many of them: none where nothing of that name exists, or where whoever asked is at home.
    """
    organization, project = _named(attempt)
    subjects: dict[UUID, tuple[Organization, Project | None]] = {}
    if organization:
        subjects[organization.id] = (organization, None)
    if project:
        subjects[project.org_id] = (Organization.objects.get(id=project.org_id), project)
    written = 0
    data = {"method": attempt.method, "route": attempt.route, "permission": attempt.permission, "at": attempt.at}
    with request_context(replace(current_request(), ip=attempt.ip or None, user_agent=attempt.user_agent)):
        for owner, part in subjects.values():
            with tenant_scope(owner.id):
                cause, label = _judged(attempt, owner, part)
                if cause and not _is_recorded(attempt):
                    actor = Principal(kind=attempt.kind, id=attempt.id, label=label)
                    written += _record(cause, actor, owner, part, data)
    return written


def _is_recorded(attempt: Attempt) -> bool:
    """A task may come twice. The moment tells it from the next attempt; a request's id is for the caller to choose."""
    since = datetime.fromisoformat(attempt.at) - CLOCKS_APART
    rows = AuditEvent.objects.between(since, None).matching(event=events.ACCESS_DENIED.name, actor_id=attempt.id)
    return rows.filter(data__at=attempt.at).exists()


def _named(attempt: Attempt) -> tuple[Organization | None, Project | None]:
    """What exists of what was named. A project's id names it wherever it stands, its slug in its organization."""
    organization = Organization.objects.by_reference(attempt.organization)
    if parse_public_id("prj", attempt.project):
        with system_scope("whose project somebody named who may not know of it"):
            return organization, Project.objects.by_reference(attempt.project)
    if organization is None or not attempt.project:
        return organization, None
    with tenant_scope(organization.id):
        return organization, Project.objects.by_reference(attempt.project)


def _judged(attempt: Attempt, organization: Organization, project: Project | None) -> tuple[str, str]:
    """Why it was refused there, and by which name the organization may know who asked; no cause where they belong."""
    if attempt.kind == "user":
        return _judged_person(attempt, organization)
    if attempt.kind == "service":
        grants = ServiceGrant.objects.in_force().of_account(required_id("svc", attempt.id)).by_project()
        granted = project is None or grants.get(None) or grants.get(project.id)
        return ("" if granted else "no_grant"), attempt.label
    if attempt.bound_to != str(organization.id):
        return "other_organization", UNNAMED[attempt.kind]
    elsewhere = project is not None and attempt.bound_project != str(project.id)
    return ("other_project" if elsewhere else ""), attempt.label


def _judged_person(attempt: Attempt, organization: Organization) -> tuple[str, str]:
    if not Membership.objects.of_user(required_id("usr", attempt.id)).exists():
        as_member = AuditEvent.objects.matching(target_id=attempt.id).filter(target_kind="member")
        known = as_member.order_by("-id").values_list("target_label", flat=True).first()
        return "not_a_member", known or UNNAMED["user"]
    elsewhere = attempt.bound_to not in ("", str(organization.id))
    return ("other_organization" if elsewhere else ""), attempt.label


def _record(
    cause: str, actor: Principal, organization: Organization, project: Project | None, data: dict[str, Any]
) -> bool:
    """In the organization's ledger, unless it has enough of this; says whether it did."""
    if not _may_record(cause, actor, organization):
        return False
    target: Target = project_target(project) if project else organization_target(organization)
    record_refused(
        events.ACCESS_DENIED,
        actor=actor,
        target=target,
        data={"cause": cause, **data, "project": project.public_id if project else None},
        org_id=organization.id,
    )
    return True


def _may_record(cause: str, actor: Principal, organization: Organization) -> bool:
    place = f"{organization.id}:{cause}"
    return _is_free("access.denied", f"{place}:{actor.id}", limit=OF_ONE) and _is_free(
        "access.denied", place, limit=OF_ALL
    )


def _is_free(what: str, who: str, *, limit: str) -> bool:
    try:
        return may_try(what, who, limit=limit)
    except RedisError:  # rather too much in the ledger than a gap for whoever can stop the counting
        return True
