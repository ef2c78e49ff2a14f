"""The decision maker that we bring: roles of people, permissions of keys and agents, grants of service accounts.

It holds what the two gates hold: what it allows is what the same caller may do over REST.
"""

import time

from config.kernel.permissions import (
    GRANT_PERMISSIONS,
    KEY_PERMISSIONS,
    PERSONAL_PERMISSIONS,
    ROLE_PERMISSIONS,
    Permission,
)
from config.kernel.principals import UserPrincipal
from keys.decisions.facts import Facts, Held, Place, SubjectFacts, SubjectType
from keys.decisions.maker import LONGEST_TTL, Decision, Inquiry

ACTIONS: dict[str, Permission] = {permission.value: permission for permission in Permission}
GRANTABLE: dict[str, frozenset[Permission]] = {
    SubjectType.USER: PERSONAL_PERMISSIONS,
    SubjectType.KEY: KEY_PERMISSIONS,
    SubjectType.AGENT: KEY_PERMISSIONS,
    SubjectType.SERVICE_ACCOUNT: GRANT_PERMISSIONS,
}
# The lowest role that has each permission: the nearest that somebody lacks.
LOWEST_ROLE = {permission: role for role, held in ROLE_PERMISSIONS.items() for permission in held}


class RoleDecisions:
    """Named by TENANTRY_DECISION_MAKER unless the installation says otherwise."""

    def decide(self, inquiry: Inquiry, facts: Facts) -> Decision:
        """The first rule that refuses; else whether what the subject holds in that place has the permission."""
        subject = facts.subjects[inquiry.subject_type, inquiry.handle]
        place = facts.places[inquiry.resource_type, inquiry.resource_id]
        if subject is None or place is None:
            return denied("unknown", "nothing is known of the subject or the resource")
        refusal = refused(subject, place, facts)
        if refusal is not None:
            return refusal
        permission, held = ACTIONS.get(inquiry.action), held_in(subject, place)
        if permission is None:
            return denied("unknown_action", "the action is no permission of Tenantry's")
        ttl = LONGEST_TTL if subject.ends_at is None else min(LONGEST_TTL, int(subject.ends_at - time.time()))
        if held is None:
            return denied("not_granted", f"{subject.words} → no grant for {place.words}", ttl)
        if permission not in held.permissions:
            return denied("permission_missing", f"{held.words} {lacking(inquiry.subject_type, permission)}", ttl)
        limit = limited(inquiry, permission, held, facts, ttl)
        return limit or Decision(allowed=True, reason=f"{held.words} → {permission}", code=held.code, ttl=ttl)


def denied(code: str, reason: str, ttl: int = LONGEST_TTL) -> Decision:
    """A denial."""
    return Decision(allowed=False, reason=reason, code=code, ttl=ttl)


def limited(inquiry: Inquiry, permission: Permission, held: Held, facts: Facts, ttl: int) -> Decision | None:
    """The denial of what is held but for a narrower credential or the plan; None when neither limits it."""
    principal = inquiry.principal
    narrowed_to = principal.allowed if isinstance(principal, UserPrincipal) else None
    if narrowed_to is not None and permission not in narrowed_to:
        return denied("token_narrowed", f"{held.words} → the personal token is narrowed and lacks {permission}", ttl)
    if permission is Permission.USAGE_TRACK and not facts.organization.tracks:
        plan = f"plan {facts.organization.plan} of {facts.organization.public_id}"
        return denied("plan_limit", f"{held.words} → {plan} includes no events", ttl)
    return None


def refused(subject: SubjectFacts, place: Place, facts: Facts) -> Decision | None:
    """The denial of everything that applies to the subject or the place; None when nothing does."""
    if not facts.organization.is_active:
        return denied("organization_disabled", f"{facts.organization.public_id} is disabled")
    if subject.refused:
        return denied(subject.refused_code, subject.refused)
    if subject.ends_at is not None and subject.ends_at <= time.time():
        return denied("subject_expired", f"{subject.words} → expired")
    for project_id in (subject.bound, place.project_id):
        if project_id is None:
            continue
        project = facts.projects.get(project_id)
        if project is None or not project.is_active:
            named = project.public_id if project else "the project"
            return denied("project_archived", f"{named} is archived")
    if subject.bound is not None and place.project_id not in (None, subject.bound):
        return denied("outside_project", f"{subject.words} → {place.words} is outside of its project")
    return None


def held_in(subject: SubjectFacts, place: Place) -> Held | None:
    """What the subject holds there."""
    if place.project_id is not None:
        own = subject.in_projects.get(place.project_id)
        if own is not None:
            return own
    return subject.everywhere


def lacking(subject_type: str, permission: Permission) -> str:
    """The nearest grant that is missing, in words."""
    if permission not in GRANTABLE[subject_type]:
        return f"→ {permission} is nothing that a {subject_type.replace('_', ' ')} can hold"
    if subject_type == SubjectType.USER:
        return f"→ lacks {permission}, which the role {LOWEST_ROLE[permission]} has"
    return f"→ lacks {permission}"
