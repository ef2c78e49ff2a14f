"""Loads the facts of decisions from the database: as many queries for a thousand names as for one of each kind.

Runs in the organization's tenant scope, so what is another organization's is not there. Names and addresses of people
and things are left out: decisions need none, and what is kept in memory would not notice their change.
"""

from collections import defaultdict
from collections.abc import Callable, Iterable
from functools import lru_cache
from uuid import UUID

from django.db import models

from config.kernel.identifiers import parse_public_id, public_id
from config.kernel.permissions import KEY_ORGANIZATION_PERMISSIONS, ROLE_PERMISSIONS, Permission, Role
from config.kernel.principals import AgentPrincipal, KeyPrincipal, ServicePrincipal, UserPrincipal
from config.kernel.tenancy.scope import require_organization_id
from keys.decisions.facts import (
    Facts,
    Held,
    OrganizationFacts,
    Place,
    ProjectFacts,
    ResourceType,
    SubjectFacts,
    SubjectType,
)
from keys.decisions.wire import Name
from keys.models import Agent, Key
from orgs.models import Membership, Organization, ServiceGrant
from orgs.plans import plan_of
from projects.models import Project, ProjectMembership, Resource
from projects.resource_names import ResourceName, parse

Subjects = dict[Name, SubjectFacts]
ByProject = dict[UUID | None, frozenset[Permission]]


def load(facts: Facts, *, subjects: Iterable[Name], places: Iterable[Name]) -> None:
    """Adds to `facts` what these names stand for, and the projects that they lead to."""
    wanted = by_type(subjects)
    found: Subjects = {}
    for subject_type, loader in SUBJECT_LOADERS.items():
        if wanted[subject_type]:
            found |= loader(facts.organization, wanted[subject_type])
    for subject_type, names in wanted.items():
        facts.subjects.update({(subject_type, name): found.get((subject_type, name)) for name in names})
    _load_places(facts, by_type(places))
    _load_projects(facts)


def organization_facts(organization: Organization) -> OrganizationFacts:
    """Of a row."""
    tracked = plan_of(organization.plan).events
    return OrganizationFacts(
        id=organization.id,
        public_id=organization.public_id,
        is_active=organization.is_active,
        plan=organization.plan,
        tracks=tracked is None or tracked > 0,
    )


def by_type(names: Iterable[Name]) -> dict[str, set[str]]:
    """The ids by their type."""
    found: dict[str, set[str]] = defaultdict(set)
    for kind, name in names:
        found[kind].add(name)
    return found


def ids_of(prefix: str, names: Iterable[str]) -> list[UUID]:
    """The UUIDs behind those names that are public ids of this kind."""
    parsed = (parse_public_id(prefix, name) for name in names)
    return [found for found in parsed if found]


@lru_cache(maxsize=1024)
def names_of(permissions: frozenset[Permission]) -> frozenset[str]:
    """As plain strings, which are looked up faster than members of an enumeration. Equal sets are one object."""
    return frozenset(permission.value for permission in permissions)


# -- subjects --------------------------------------------------------------------------------------------------------
def users(organization: OrganizationFacts, names: Iterable[str]) -> Subjects:
    """Members with their role, and those of their own that they have in projects. Two queries."""
    rows = list(Membership.objects.with_people().filter(user_id__in=ids_of("usr", names)))
    own_roles: dict[UUID, dict[UUID, str]] = defaultdict(dict)
    inside = ProjectMembership.objects.filter(membership__in=[row.id for row in rows if row.role != Role.OWNER])
    for membership_id, project_id, role in inside.values_list("membership_id", "project_id", "role"):
        own_roles[membership_id][project_id] = role
    found: Subjects = {}
    for row in rows:
        words = f"user {row.public_id} → member of {organization.public_id}"
        role = f"custom role “{row.role_name}”" if row.custom_role_id else f"role {row.role}"
        found[SubjectType.USER, row.public_id] = SubjectFacts(
            principal=UserPrincipal.of(user_id=row.user_id, email=row.public_id),
            words=words,
            everywhere=Held(
                names_of(row.permissions), "custom_role" if row.custom_role_id else "role", f"{words} → {role}"
            ),
            in_projects={
                project_id: Held(
                    names_of(ROLE_PERMISSIONS[Role(own)]),
                    "project_role",
                    f"{words} → role {own} in {public_id('prj', project_id)}",
                )
                for project_id, own in own_roles[row.id].items()
            },
            refused="" if row.user.is_active else f"{words} → the person is disabled",
            refused_code="" if row.user.is_active else "subject_disabled",
        )
    return found


def keys(organization: OrganizationFacts, names: Iterable[str]) -> Subjects:
    """Keys of projects. One query."""
    found: Subjects = {}
    for key in Key.objects.filter(id__in=ids_of("key", names)):
        principal = KeyPrincipal.of(
            key_id=key.id,
            label=key.public_id,
            organization_id=key.org_id,
            project_id=key.project_id,
            permissions=key.permission_set,
            mode=key.mode,
        )
        code, words = "", ""
        if key.revoked_at:
            code, words = "subject_revoked", "revoked"
        elif key.quarantined_at:
            code, words = "subject_quarantined", "quarantined, since it was reported as leaked"
        elif key.kind == Key.Kind.PUBLISHABLE:
            code, words = "publishable_key", "publishable keys have no permissions"
        ends_at = key.expires_at.timestamp() if key.expires_at else None
        found[SubjectType.KEY, key.public_id] = program_facts(principal, refused=words, code=code, ends_at=ends_at)
    return found


def agents(organization: OrganizationFacts, names: Iterable[str]) -> Subjects:
    """Agents of projects. One query."""
    found: Subjects = {}
    for agent in Agent.objects.filter(id__in=ids_of("agt", names)):
        principal = AgentPrincipal.of(
            agent_id=agent.id,
            label=agent.public_id,
            organization_id=agent.org_id,
            project_id=agent.project_id,
            permissions=agent.permission_set,
        )
        revoked = ("revoked", "subject_revoked") if agent.revoked_at else ("", "")
        found[SubjectType.AGENT, agent.public_id] = program_facts(principal, refused=revoked[0], code=revoked[1])
    return found


def program_facts(
    principal: KeyPrincipal | AgentPrincipal, *, refused: str = "", code: str = "", ends_at: float | None = None
) -> SubjectFacts:
    """Of a project's program: it holds all of its permissions in its project, and few of them around."""
    words = f"{principal.kind} {principal.id} of {public_id('prj', principal.project_id)}"
    around, rule = principal.permissions & KEY_ORGANIZATION_PERMISSIONS, f"{principal.kind}_permission"
    return SubjectFacts(
        principal=principal,
        words=words,
        everywhere=Held(names_of(around), rule, f"{words} → outside of its project"),
        in_projects={principal.project_id: Held(names_of(principal.permissions), rule, f"{words} → permission")},
        bound=principal.project_id,
        refused=f"{words} → {refused}" if refused else "",
        refused_code=code,
        ends_at=ends_at,
    )


def service_accounts(organization: OrganizationFacts, names: Iterable[str]) -> Subjects:
    """Service accounts that have a grant here, which is what makes them known. One query."""
    rows = ServiceGrant.objects.filter(withdrawn_at=None, account_id__in=ids_of("svc", names)).select_related("account")
    grants: dict[UUID, ByProject] = defaultdict(dict)
    accounts = {}
    for grant in rows:
        accounts[grant.account_id] = grant.account
        own = grants[grant.account_id]
        own[grant.project_id] = own.get(grant.project_id, frozenset()) | grant.permission_set
    return {
        (SubjectType.SERVICE_ACCOUNT, account.public_id): service_facts(
            ServicePrincipal.of(service_account_id=account_id, name=account.public_id),
            grants[account_id],
            organization,
            is_active=account.is_active,
        )
        for account_id, account in accounts.items()
    }


def service_facts(
    principal: ServicePrincipal, grants: ByProject, organization: OrganizationFacts, *, is_active: bool
) -> SubjectFacts:
    """Of a service account with its grants by project id, those of the whole organization under None."""
    words = f"service account {principal.id}"
    whole = grants.get(None)
    return SubjectFacts(
        principal=principal,
        words=words,
        everywhere=None
        if whole is None
        else Held(names_of(whole), "grant", f"{words} → grant of {organization.public_id} of"),
        in_projects={
            project_id: Held(
                names_of((whole or frozenset()) | granted),
                "grant",
                f"{words} → grant for {public_id('prj', project_id)} of",
            )
            for project_id, granted in grants.items()
            if project_id is not None
        },
        refused="" if is_active else f"{words} → disabled",
        refused_code="" if is_active else "subject_disabled",
    )


SUBJECT_LOADERS: dict[str, Callable[[OrganizationFacts, Iterable[str]], Subjects]] = {
    SubjectType.USER: users,
    SubjectType.KEY: keys,
    SubjectType.AGENT: agents,
    SubjectType.SERVICE_ACCOUNT: service_accounts,
}


# -- places ----------------------------------------------------------------------------------------------------------
def _load_places(facts: Facts, wanted: dict[str, set[str]]) -> None:
    for kind, names in wanted.items():
        facts.places.update(dict.fromkeys(((kind, name) for name in names), None))
    own = facts.organization.public_id
    if own in wanted[ResourceType.ORGANIZATION]:
        facts.places[ResourceType.ORGANIZATION, own] = Place(own)
    ids = ids_of("prj", wanted[ResourceType.PROJECT])
    if ids:
        for project in Project.objects.filter(id__in=ids):
            facts.places[ResourceType.PROJECT, project.public_id] = Place(project.public_id, project.id)
            facts.projects[project.id] = ProjectFacts(project.public_id, project.is_active)
    for resource in registered(wanted[ResourceType.RESOURCE]):
        facts.places[ResourceType.RESOURCE, resource.trn] = Place(resource.trn, resource.project_id)


def registered(names: Iterable[str]) -> list[Resource]:
    """The registered resources of these trns. One query, and none when no name is one of this organization's."""
    organization_id = require_organization_id()
    by_kind: dict[tuple[str, str], list[str]] = defaultdict(list)
    for name in names:
        parsed: ResourceName | None = parse(name)
        if parsed is not None and parsed.organization_id == organization_id:
            by_kind[parsed.service, parsed.kind].append(parsed.name)
    if not by_kind:
        return []
    condition = models.Q()
    for (service, kind), own in by_kind.items():
        condition |= models.Q(service=service, kind=kind, name__in=own)
    return list(Resource.objects.filter(condition))


def _load_projects(facts: Facts) -> None:
    wanted = {subject.bound for subject in facts.subjects.values() if subject and subject.bound}
    wanted |= {place.project_id for place in facts.places.values() if place and place.project_id}
    missing = wanted - set(facts.projects)
    if missing:
        for project in Project.objects.filter(id__in=missing):
            facts.projects[project.id] = ProjectFacts(project.public_id, project.is_active)
