"""manage.py seed_demo"""

from typing import Any

from django.conf import settings
from django.core.management.base import CommandError, CommandParser

from config.kernel.management.base import OperatorCommand
from keys.demo.seeding import seed


class Command(OperatorCommand):
    """Says where the credentials are; never prints one."""

    help = "Make the demo organizations and write TENANTRY_HOME/demo.json. A second run changes nothing."

    def add_arguments(self, parser: CommandParser) -> None:
        """`--force` seeds an installation that is not for development."""
        parser.add_argument("--force", action="store_true", help="Seed although TENANTRY_DEBUG is off.")

    def run(self, **options: Any) -> None:
        """Raises CommandError outside of development."""
        if not settings.DEBUG and not options["force"]:
            raise CommandError("The demo is for development: its people have passwords in a file. Use --force if sure.")
        outcome = seed()
        words = "The demo is seeded" if outcome.changed else "The demo was there already"
        self.answer(
            f"{words}; sign-ins are in {outcome.path}.", data={"changed": outcome.changed, "path": str(outcome.path)}
        )
