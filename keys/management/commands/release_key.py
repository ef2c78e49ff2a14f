"""manage.py release_key"""

from typing import Any

from django.core.management.base import CommandError, CommandParser

from config.kernel.management.base import OperatorCommand, operator
from config.kernel.permissions import PERSONAL_PERMISSIONS
from config.kernel.tenancy.scope import tenant_scope
from keys.models import Key
from keys.services.keys import release_key
from orgs.management.named import organization_named


class Command(OperatorCommand):
    """Let a key work again that was put in quarantine because it leaked."""

    help = "Let a key work again that was put in quarantine because it leaked."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("organization", help="Its id or slug.")
        parser.add_argument("key", help="Its id, key_…")

    def run(self, **options: Any) -> None:
        organization = organization_named(options["organization"])
        with tenant_scope(organization.id):
            key = Key.objects.by_reference(options["key"])
            if key is None:
                raise CommandError(f"{organization.name} has no key {options['key']}.")
            key = release_key(
                actor=operator(), holder=PERSONAL_PERMISSIONS, project_id=key.project_id, key=key.public_id
            )
        self.answer(f"{key} works.", data={"id": key.public_id, "state": key.state})
