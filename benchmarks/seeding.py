"""A database of believable size: organizations, projects, and keys whose plaintexts the load generator knows.

`python -m benchmarks.seeding FOLDER COUNT [NAME]` writes `caller.txt`, `keys.txt` and `limited.txt` there; with a NAME,
`COUNT` keys more to a file of that name.
"""

import os
import sys
from pathlib import Path

import django

ORGANIZATIONS = 20
PROJECTS = 5
BATCH = 10_000
LIMIT, WINDOW_SECONDS = 1000, 60
INSERT = """
INSERT INTO keys_key (id, org_id, project_id, kind, mode, name, note, digest, start, plaintext, permissions,
                      allowed_ips, metadata, created_by, rate_limit, rate_window_seconds, created_at, updated_at)
SELECT id, %s, %s, 'secret', 'live', 'Benchmark', '', digest, start, '', ARRAY['view_org', 'usage:track'], '{}', '{}',
       'system', %s, %s, now(), now()
FROM unnest(%s::uuid[], %s::bytea[], %s::text[]) AS key (id, digest, start)
"""


def seed(folder: Path, count: int) -> None:
    """Makes `count` keys without and as many with a rate limit, spread over all projects, and one that may ask."""
    from config.kernel.permissions import PERSONAL_PERMISSIONS
    from config.kernel.principals import SYSTEM
    from config.kernel.tenancy.scope import tenant_scope
    from keys.services.keys import create_key
    from orgs.models import Organization
    from orgs.services.organizations import create_organization
    from orgs.services.users import create_user
    from projects.models import Project
    from projects.services.projects import create_project

    owner = create_user(actor=SYSTEM, email=f"bench-{os.getpid()}@bench.example", password=None)
    places = []
    organization: Organization
    for number in range(ORGANIZATIONS):
        organization = create_organization(
            actor=SYSTEM, owner=owner, name=f"Bench {number}", slug=f"bench-{os.getpid()}-{number}"
        )
        with tenant_scope(organization.id):
            projects: list[Project] = [
                create_project(actor=SYSTEM, name=f"Project {index}", slug=f"project-{index}")
                for index in range(PROJECTS)
            ]
        places.append((organization, projects))
    # The keys that one caller may ask about are its organization's, so most of them are there.
    first, projects = places[0]
    with tenant_scope(first.id):
        _, caller = create_key(
            actor=SYSTEM, holder=PERSONAL_PERMISSIONS, project_id=projects[0].id, kind="secret", mode="live",
            name="Caller", permissions="runner",
        )  # fmt: skip
        (folder / "keys.txt").write_text("\n".join(insert(first, projects, count, limited=False)))
        (folder / "limited.txt").write_text("\n".join(insert(first, projects, count, limited=True)))
    (folder / "organization.txt").write_text(first.public_id)
    (folder / "caller.txt").write_text(caller)


def insert(organization: object, projects: list, count: int, *, limited: bool) -> list[str]:
    """Keys of one organization, over its projects in turn: their plaintexts."""
    from django.db import connection

    from config.kernel.tenancy.models import new_id
    from keys.credentials import generate

    plaintexts = []
    rate = [LIMIT, WINDOW_SECONDS] if limited else [None, None]
    for number, start in enumerate(range(0, count, BATCH)):
        made = [generate("sk_live_") for _ in range(min(BATCH, count - start))]
        plaintexts += [key.plaintext for key in made]
        project = projects[number % len(projects)]
        columns = [[new_id() for _ in made], [key.digest for key in made], [key.start for key in made]]
        with connection.cursor() as cursor:
            cursor.execute(INSERT, [organization.id, project.id, *rate, *columns])  # type: ignore[attr-defined] # a row
    return plaintexts


def seed_more(folder: Path, count: int, name: str) -> None:
    """Makes `count` keys more in the organization of the caller, and writes them to a file of that name."""
    from config.kernel.tenancy.scope import tenant_scope
    from orgs.models import Organization
    from projects.models import Project

    organization = Organization.objects.by_reference((folder / "organization.txt").read_text())
    with tenant_scope(organization.id):
        projects = list(Project.objects.order_by("id"))
        (folder / f"{name}.txt").write_text("\n".join(insert(organization, projects, count, limited=False)))


if __name__ == "__main__":
    django.setup()
    if len(sys.argv) > 3:  # noqa: PLR2004 - a name was given
        seed_more(Path(sys.argv[1]), int(sys.argv[2]), sys.argv[3])
    else:
        seed(Path(sys.argv[1]), int(sys.argv[2]))
