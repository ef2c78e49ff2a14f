"""Who may ask about whom. Everybody asks about themselves; about others only programs that hold `access:evaluate`.

What a caller may not know of is, to it, like what does not exist.
"""

from dataclasses import dataclass, field
from uuid import UUID

from config.kernel.access import Admission
from config.kernel.permissions import Permission
from config.kernel.principals import (
    AgentPrincipal,
    KeyPrincipal,
    Principal,
    ProgramPrincipal,
    ServicePrincipal,
    UserPrincipal,
)
from keys.decisions.facts import Place, SubjectFacts, SubjectType
from keys.decisions.wire import Name


@dataclass(frozen=True, slots=True)
class Horizon:
    """What a caller may know of: the `organization` and what belongs to no project; `projects`, None for all."""

    organization: bool
    projects: frozenset[UUID] | None = None

    def sees_place(self, place: Place) -> bool:
        """Whether it may know of what is asked about."""
        if place.project_id is None:
            return self.organization
        return self.projects is None or place.project_id in self.projects

    def sees_subject(self, subject: SubjectFacts) -> bool:
        """Whether it may know of somebody: of people always, of programs with their project, of services by grant."""
        if self.projects is None or isinstance(subject.principal, UserPrincipal):
            return True
        if subject.bound is not None:
            return subject.bound in self.projects
        return subject.everywhere is not None or not self.projects.isdisjoint(subject.in_projects)


EVERYTHING = Horizon(organization=True)


@dataclass(frozen=True, slots=True)
class Caller:
    """Who asks: `name` is it as a subject, `own` bounds questions about itself, `others` those about others."""

    name: Name
    principal: Principal = field(repr=False)
    own: Horizon
    others: Horizon | None

    def horizon(self, subject: Name) -> Horizon | None:
        """What it may know of when it asks about `subject`; None when it may not ask."""
        return self.own if subject == self.name else self.others


NAMES: dict[type[Principal], SubjectType] = {
    UserPrincipal: SubjectType.USER,
    KeyPrincipal: SubjectType.KEY,
    AgentPrincipal: SubjectType.AGENT,
    ServicePrincipal: SubjectType.SERVICE_ACCOUNT,
}


def caller_of(admission: Admission) -> Caller:
    """Of whom the gates admitted. Raises KeyError for who is no subject."""
    principal = admission.principal
    name = (NAMES[type(principal)].value, principal.id)
    if isinstance(principal, ProgramPrincipal):
        return program_caller(name, principal)
    if isinstance(principal, ServicePrincipal):
        asking = {project for project, held in admission.grants.items() if Permission.ACCESS_EVALUATE in held}
        return Caller(name, principal, within(set(admission.grants)), within(asking) if asking else None)
    return Caller(name, principal, EVERYTHING, None)


def program_caller(name: Name, principal: ProgramPrincipal) -> Caller:
    """A key or an agent: it belongs to its organization, of whose projects it knows its own."""
    horizon = Horizon(organization=True, projects=frozenset({principal.project_id}))
    return Caller(name, principal, horizon, horizon if Permission.ACCESS_EVALUATE in principal.permissions else None)


def onlooker(principal: Principal) -> Caller:
    """Somebody who looks at the decisions of a whole organization in its dashboard, their own among them."""
    return Caller(("", ""), principal, EVERYTHING, EVERYTHING)


def within(granted: set[UUID | None]) -> Horizon:
    """What grants for these projects let somebody know of; one under None is for the whole organization."""
    if None in granted:
        return EVERYTHING
    return Horizon(organization=False, projects=frozenset(project for project in granted if project))
