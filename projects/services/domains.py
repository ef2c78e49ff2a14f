"""Hosts of a project: register and remove domains, note the hosts that were seen, keep to the plan's limit of both.

Whatever adds a host holds the organization's row while it counts, so that requests at once cannot pass the limit.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from uuid import UUID

from django.db import transaction
from django.db.models import F
from django.utils import timezone

from audit.services import Target, record
from config.kernel.errors import Absent, Conflict, Forbidden, Invalid
from config.kernel.principals import Principal
from config.kernel.tenancy.scope import require_organization_id
from orgs.models import Organization
from orgs.plans import plan_of
from orgs.services.authority import lock_organization
from projects import events
from projects.hosts import WILDCARD, UnfitHost, is_loopback, pattern_of
from projects.models import Domain, Project, SeenDomain
from projects.models.domain import NOTED_RECENTLY, hosts_counted, is_counted
from projects.services.projects import locked_project

# Of plans without a limit, and of system projects: anybody can invent hosts, so there is an end to noting them.
MOST_SEEN = 1000


def domain_target(domain: Domain) -> Target:
    """How a domain is named in the ledger."""
    return Target("domain", domain.public_id, domain.pattern)


def domain_cap_exceeded(limit: int) -> Forbidden:
    """The one answer to a host more than the plan includes."""
    return Forbidden(
        f"The plan includes {limit} domains: remove one, forget hosts that were seen, or change the plan.",
        code="domain_cap_exceeded",
        limit=limit,
    )


@transaction.atomic
def register_domain(*, actor: Principal, project_id: UUID, domain: str) -> Domain:
    """Registers a host or a wildcard for a project. Hosts that it stands for no longer count as merely seen.

    Raises Absent, Invalid, Conflict when it is registered already, Forbidden beyond the plan's limit.
    """
    try:
        pattern = pattern_of(domain)
    except UnfitHost as error:
        raise Invalid.field("domain", str(error)) from None
    organization = lock_organization()
    project = locked_project(project_id)
    if Domain.objects.of_project(project.id).filter(pattern=pattern).exists():
        raise Conflict(
            "This domain is registered for the project already.",
            code="domain_registered",
            errors={"domain": ["Registered already."]},
        )
    with within_cap(organization, project):
        seen = SeenDomain.objects.of_project(project.id)
        if pattern.startswith(WILDCARD):
            seen.filter(host__endswith=pattern.removeprefix("*")).delete()
        else:
            seen.filter(host=pattern).delete()
        row = Domain.objects.create(
            project=project, pattern=pattern, is_loopback=is_loopback(pattern), created_by=actor.id
        )
    record(events.DOMAIN_REGISTERED, actor=actor, target=domain_target(row), data={"project": project.public_id})
    return row


@transaction.atomic
def remove_domain(*, actor: Principal, project_id: UUID, domain: str) -> None:
    """Ends a registration, named by public id. Raises Absent."""
    project = locked_project(project_id)
    row = Domain.objects.of_project(project.id).by_reference(domain)
    if row is None:
        raise Absent
    target = domain_target(row)
    row.delete()
    record(events.DOMAIN_REMOVED, actor=actor, target=target, data={"project": project.public_id})


def note_seen(*, actor: Principal, project_id: UUID, host: str) -> None:
    """Notes that a page of `host`, which is not registered, used a publishable key of the project.

    Writes at most once in NOTED_RECENTLY for each host. Raises Absent, and Forbidden when one host more would pass the
    plan's limit.
    """
    now = timezone.now()
    seen = SeenDomain.objects.of_project(project_id).filter(host=host)
    last_seen_at = seen.values_list("last_seen_at", flat=True).first()
    if last_seen_at is None:
        _note_new(actor=actor, project_id=project_id, host=host)
    elif last_seen_at < now - NOTED_RECENTLY:
        seen.filter(last_seen_at=last_seen_at).update(last_seen_at=now, updated_at=now, count=F("count") + 1)


def _note_new(*, actor: Principal, project_id: UUID, host: str) -> None:
    """Looks before it locks, since whoever invents hosts comes here with every request."""
    project, seen = Project.objects.filter(id=project_id).first(), SeenDomain.objects.of_project(project_id)
    if project is None:
        raise Absent
    # The plan comes before MOST_SEEN: having seen that many hosts must be no way past a smaller plan.
    organization = Organization.objects.get(id=require_organization_id())
    limit = None if project.is_system or is_loopback(host) else plan_of(organization.plan).domains
    if limit is not None and hosts_counted() >= limit and not is_counted(host):
        raise domain_cap_exceeded(limit)
    if seen.count() >= MOST_SEEN:
        return
    with transaction.atomic():
        organization = lock_organization()  # from here on nobody else notes or registers
        registered = Domain.objects.of_project(project_id).standing_for(host)
        if registered.exists() or seen.filter(host=host).exists() or seen.count() >= MOST_SEEN:
            return
        with within_cap(organization, project):
            row = SeenDomain.objects.create(
                project=project, host=host, is_loopback=is_loopback(host), last_seen_at=timezone.now()
            )
        record(
            events.DOMAIN_SEEN,
            actor=actor,
            target=Target("seen_domain", row.public_id, host),
            data={"project": project.public_id},
        )


@transaction.atomic
def forget_seen(*, actor: Principal, project_id: UUID, seen: str | None = None) -> int:
    """Forgets a host that was seen, named by public id, or all of the project's. Returns how many. Raises Absent."""
    project = locked_project(project_id)
    rows = SeenDomain.objects.of_project(project.id)
    if seen is not None:
        row = rows.by_reference(seen)
        if row is None:
            raise Absent
        rows = rows.filter(id=row.id)
    hosts = list(rows.order_by("id").values_list("host", flat=True))
    if hosts:
        rows.delete()
        data = {"project": project.public_id, "hosts": hosts}
        record(
            events.DOMAINS_FORGOTTEN, actor=actor, target=Target("project", project.public_id, project.name), data=data
        )
    return len(hosts)


@contextmanager
def within_cap(organization: Organization, project: Project) -> Iterator[None]:
    """Lets a block add hosts to a project as long as the plan includes them. Needs the organization's lock.

    An organization that is above the limit of a smaller plan keeps what it has. Raises Forbidden, which must undo the
    block.
    """
    limit = plan_of(organization.plan).domains
    if limit is None or project.is_system:
        yield
        return
    before = hosts_counted()
    yield
    if hosts_counted() > max(limit, before):
        raise domain_cap_exceeded(limit)
