"""Domains of the demo's projects: registered ones, and hosts that were seen without being so."""

from datetime import timedelta

from django.utils import timezone

from config.kernel.errors import Forbidden
from config.kernel.principals import PublishablePrincipal
from keys.demo.building import acting, principal
from keys.demo.world import Person
from keys.models import Key
from orgs.models import User
from projects.hosts import WILDCARD
from projects.models import Domain, Project, SeenDomain
from projects.services.domains import note_seen, register_domain

# Of the free plan's three hosts one is left, so that there is something to try.
REGISTERED = {
    "fleet-control": ["localhost", "*.customers.acme-robotics.example", "fleet.acme-robotics.example"],
    "arm-studio": ["localhost", "studio.acme-robotics.example"],
    "route-planner": ["localhost", "routes.globex-logistics.example"],
    "dock-scanner": ["localhost", "docks.globex-logistics.example"],
}
SEEN = {"fleet-control": ["fleet.reseller.example", "preview-4711.acme-robotics.example"]}
SEEN_BEFORE = timedelta(days=3)


def ensure_domains(project: Project, developer: User, person: Person) -> list[str]:
    """Registers what is missing, and returns the hosts on which the project's live keys work in full.

    A project that has domains is left as it is.
    """
    rows = Domain.objects.of_project(project.id)
    if not rows.exists():
        with acting(person):
            for domain in REGISTERED.get(project.slug, []):
                register(project, developer, domain)
        _note(project, SEEN.get(project.slug, []))
    exact = rows.filter(is_loopback=False).exclude(pattern__startswith=WILDCARD)
    return list(exact.order_by("-id").values_list("pattern", flat=True))


def register(project: Project, developer: User, domain: str) -> None:
    """A domain, unless visitors of the demo have used the plan's up."""
    try:
        register_domain(actor=principal(developer), project_id=project.id, domain=domain)
    except Forbidden:
        return


def _note(project: Project, hosts: list[str]) -> None:
    key = Key.objects.of_project(project.id).usable().filter(kind=Key.Kind.PUBLISHABLE).order_by("id").first()
    if key is None:
        return
    page = PublishablePrincipal.of(
        key_id=key.id, label=str(key), organization_id=key.org_id, project_id=project.id, mode=key.mode
    )
    for host in hosts:
        try:
            note_seen(actor=page, project_id=project.id, host=host)
        except Forbidden:
            return
    noted = SeenDomain.objects.of_project(project.id).filter(host__in=hosts)
    noted.update(created_at=timezone.now() - SEEN_BEFORE, count=12)
