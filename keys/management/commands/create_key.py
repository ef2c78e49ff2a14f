"""manage.py create_key"""

from typing import Any

from django.core.management.base import CommandError, CommandParser

from config.kernel.management.base import OperatorCommand, operator
from config.kernel.permissions import KEY_PERMISSIONS, KEY_PRESETS, PERSONAL_PERMISSIONS
from config.kernel.tenancy.scope import tenant_scope
from keys.management.times import days_from_now
from keys.models import Key
from keys.services.keys import create_key
from orgs.management.named import organization_named
from projects.models import Project


class Command(OperatorCommand):
    """Make a key of a project and write it to standard output."""

    help = "Make a key of a project and write it to standard output."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("organization", help="Its id or slug.")
        parser.add_argument("project", help="Its id or slug.")
        parser.add_argument("name", help="What to call the key.")
        parser.add_argument("--kind", choices=Key.Kind.values, default=Key.Kind.SECRET)
        parser.add_argument("--mode", choices=Key.Mode.values, default=Key.Mode.TEST)
        parser.add_argument("--preset", choices=sorted(KEY_PRESETS), help="What a secret key may; runner by default.")
        parser.add_argument(
            "--permission", action="append", choices=sorted(KEY_PERMISSIONS), help="In place of a preset."
        )
        parser.add_argument("--allow", action="append", metavar="NETWORK", help="Where it may be used from.")
        parser.add_argument("--days", type=days_from_now, dest="expires_at", help="After how many days it expires.")

    def run(self, **options: Any) -> None:
        organization = organization_named(options["organization"])
        with tenant_scope(organization.id):
            project = Project.objects.by_reference(options["project"])
            if project is None:
                raise CommandError(f"{organization.name} has no project {options['project']}.")
            key, plaintext = create_key(
                actor=operator(),
                holder=PERSONAL_PERMISSIONS,
                project_id=project.id,
                kind=options["kind"],
                mode=options["mode"],
                name=options["name"],
                permissions=options["permission"] or options["preset"],
                allowed_ips=options["allow"],
                expires_at=options["expires_at"],
            )
        self.answer(
            f"{key.name} is made: {key.public_id}",
            data={"id": key.public_id, "permissions": key.permissions, "expires_at": key.expires_at, "key": plaintext},
            secret=plaintext,
        )
