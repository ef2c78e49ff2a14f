"""A program that changes things until it has made all of its changes, however often it or the database is killed.

`python -m tests.webhooks.writing prepare URL` makes the cast and its endpoints and prints what the others need.
`python -m tests.webhooks.writing write ORGANIZATION PROJECT NAME COUNT` makes changes number 0 to COUNT - 1: each even
one makes a key named `NAME-number`, each odd one writes `NAME-number` into the note of the key before. So each change
leaves a trace of its own, and one that was broken off is found or made again. In between, some are undone at their very
end, after their record was written.
"""

import json
import sys
import time
from uuid import UUID

import django

UNDONE_EVERY = 7
PAUSE = 0.05


def prepare(url: str) -> None:
    """Acme and Globex, their endpoints below `url`, and a project for each who changes things."""
    from config.kernel.tenancy.scope import tenant_scope
    from projects.services.projects import create_project
    from tests.cast import make_cast
    from webhooks.services.endpoints import create_endpoint

    cast = make_cast()
    said = {"token": cast.token(cast.owner), "organizations": {}}
    for organization, owner in ((cast.acme, cast.owner), (cast.globex, cast.outsider)):
        with tenant_scope(organization.id):
            actor = cast.principal(owner)
            projects = [create_project(actor=actor, name=f"P{n}", slug=f"project-{n}") for n in range(4)]
            endpoint, secret = create_endpoint(actor=actor, url=f"{url}/fine/{organization.slug}", events=["*"])
        said["organizations"][organization.slug] = {
            "id": str(organization.id), "actor": [str(owner.id), owner.email], "secret": secret,
            "projects": [str(project.id) for project in projects], "endpoint": str(endpoint.id),
        }  # fmt: skip
    json.dump(said, sys.stdout)


class Writer:
    """Makes changes in one project."""

    def __init__(self, organization: dict[str, str], project: str, name: str) -> None:
        from config.kernel.permissions import ROLE_PERMISSIONS, Role
        from config.kernel.principals import UserPrincipal

        user_id, email = organization["actor"]
        self.organization = UUID(organization["id"])
        self.project, self.name = UUID(project), name
        self.given = {
            "actor": UserPrincipal.of(user_id=UUID(user_id), email=email),
            "holder": ROLE_PERMISSIONS[Role.OWNER], "project_id": self.project,
        }  # fmt: skip

    def made(self) -> int:
        """How many changes are committed."""
        from django.db.models import Count, Q

        from keys.models import Key

        begins = f"{self.name}-"
        created, noted = Count("id", Q(name__startswith=begins)), Count("id", Q(note__startswith=begins))
        return sum(Key.objects.filter(project_id=self.project).aggregate(created=created, noted=noted).values())

    def change(self, number: int, name: str) -> None:
        """Makes it."""
        from keys.models import Key
        from keys.services.key_changes import update_key
        from keys.services.keys import create_key

        if number % 2:
            key = Key.objects.get(project_id=self.project, name=f"{self.name}-{number - 1}")
            update_key(key=key.public_id, note=name, **self.given)
        else:
            create_key(kind="secret", mode="live", name=name, permissions="admin", **self.given)

    def undo(self, number: int) -> None:
        """Makes another change, with its record, and undoes it at the end of its transaction."""
        from django.db import transaction

        with transaction.atomic():
            self.change(number, f"undone-{self.name}-{number}")
            transaction.set_rollback(True)

    def write(self, count: int) -> None:
        """Makes them in their order. One whose answer was lost may be committed, so they are counted."""
        from django.db import Error, connection

        from config.kernel.tenancy.scope import tenant_scope

        number: int | None = None
        with tenant_scope(self.organization):
            while number is None or number < count:
                try:
                    if number is None:
                        number = self.made()
                        continue
                    if number % UNDONE_EVERY == 0:
                        self.undo(number)
                    self.change(number, f"{self.name}-{number}")
                    number += 1
                except Error:
                    connection.close()
                    number = None
                    time.sleep(PAUSE)


def main(action: str, *arguments: str) -> None:
    """See above."""
    django.setup()
    if action == "prepare":
        prepare(*arguments)
    else:
        organization, project, name, count = arguments
        Writer(json.loads(organization), project, name).write(int(count))


if __name__ == "__main__":
    main(*sys.argv[1:])
