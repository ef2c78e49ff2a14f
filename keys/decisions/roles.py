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
from keys.decisions.facts import Facts, Held, Place, SubjectFacts, SubjectType
from keys.decisions.maker import LONGEST_TTL, Decision, Inquiry

ACTIONS = frozenset(permission.value for permission in Permission)
GRANTABLE = {
    SubjectType.USER.value: PERSONAL_PERMISSIONS,
    SubjectType.KEY.value: KEY_PERMISSIONS,
    SubjectType.AGENT.value: KEY_PERMISSIONS,
    SubjectType.SERVICE_ACCOUNT.value: GRANT_PERMISSIONS,
}
# The lowest role that has each permission: the nearest that somebody lacks.
LOWEST_ROLE = {permission.value: role.value for role, held in ROLE_PERMISSIONS.items() for permission in held}
# Members of an enumeration are looked up by name each time they are written; these are asked for in every decision.
USER = SubjectType.USER.value
TRACK = Permission.USAGE_TRACK.value


class RoleDecisions:
    """Named by TENANTRY_DECISION_MAKER unless the installation says otherwise."""

    is_pure = True
    is_steady = True

    def decide(self, inquiry: Inquiry, facts: Facts) -> Decision:
        """The first rule that refuses; else whether what the subject holds in that place has the permission."""
        subject, place = facts.subjects[inquiry.subject], facts.places[inquiry.resource]
        if subject is None or place is None:
            return denied("unknown", "nothing is known of the subject or the resource")
        refusal = refused(subject, place, facts)
        if refusal is not None:
            return refusal
        action, held = inquiry.action, held_in(subject, place)
        if action not in ACTIONS:
            return denied("unknown_action", "the action is no permission of Tenantry's")
        ttl = LONGEST_TTL if subject.ends_at is None else min(LONGEST_TTL, int(subject.ends_at - time.time()))
        if held is None:
            return denied("not_granted", f"{subject.words} → no grant for {place.words}", ttl)
        if action not in held.permissions:
            return denied("permission_missing", f"{held.words} {lacking(inquiry.subject[0], action)}", ttl)
        limit = limited(inquiry, held, facts, ttl)
        return limit or Decision(True, f"{held.words} → {action}", held.code, ttl)  # noqa: FBT003 - in every decision


def denied(code: str, reason: str, ttl: int = LONGEST_TTL) -> Decision:
    """A denial."""
    return Decision(False, reason, code, ttl)  # noqa: FBT003 - in every decision


def refused(subject: SubjectFacts, place: Place, facts: Facts) -> Decision | None:
    """The denial of everything that applies to the subject or the place; None when nothing does."""
    if not facts.organization.is_active:
        return denied("organization_disabled", f"{facts.organization.public_id} is disabled")
    if subject.refused:
        return denied(subject.refused_code, subject.refused)
    if subject.ends_at is not None and subject.ends_at <= time.time():
        return denied("subject_expired", f"{subject.words} → expired")
    bound, project_id = subject.bound, place.project_id
    if bound is not None and project_id is not None and project_id != bound:
        return denied("outside_project", f"{subject.words} → {place.words} is outside of its project")
    for one in (bound, project_id):
        if one is not None and not facts.projects[one].is_active:
            return denied("project_archived", f"{facts.projects[one].public_id} is archived")
    return None


def held_in(subject: SubjectFacts, place: Place) -> Held | None:
    """What the subject holds there."""
    if place.project_id is not None and subject.in_projects:
        own = subject.in_projects.get(place.project_id)
        if own is not None:
            return own
    return subject.everywhere


def limited(inquiry: Inquiry, held: Held, facts: Facts, ttl: int) -> Decision | None:
    """The denial of what is held but for a narrower credential or the plan; None when neither limits it."""
    action = inquiry.action
    narrowed_to = getattr(inquiry.principal, "allowed", None)
    if narrowed_to is not None and action not in narrowed_to:
        return denied("token_narrowed", f"{held.words} → the personal token is narrowed and lacks {action}", ttl)
    if action == TRACK and not facts.organization.tracks:
        plan = f"plan {facts.organization.plan} of {facts.organization.public_id}"
        return denied("plan_limit", f"{held.words} → {plan} includes no events", ttl)
    return None


def lacking(subject_type: str, permission: str) -> str:
    """The nearest grant that is missing, in words."""
    if permission not in GRANTABLE[subject_type]:
        return f"→ {permission} is nothing that a {subject_type.replace('_', ' ')} can hold"
    if subject_type == USER:
        return f"→ lacks {permission}, which the role {LOWEST_ROLE[permission]} has"
    return f"→ lacks {permission}"
