"""manage.py bootstrap"""

from typing import Any

from django.conf import settings
from django.core.management.base import CommandError, CommandParser

from config.kernel.errors import AuthFailure
from config.kernel.management.base import OperatorCommand, operator, read_secret
from keys.services.bootstrap import bootstrap

# One sentence for every cause, as over HTTP.
REFUSED = "The first start was refused: see TENANTRY_BOOTSTRAP_MODE in docs/settings.md for when it is possible."


class Command(OperatorCommand):
    """Does what POST /api/v1/auth/bootstrap does, under the same rules. Reads the password, then any token."""

    help = "The first start: the first staff user and organization, and a personal token on standard output."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("email", help="The address of the first staff user.")
        parser.add_argument("slug", help="The organization's part of addresses.")
        parser.add_argument("--organization", required=True, help="The organization's name.")
        parser.add_argument("--name", default="", help="What to call the person.")

    def run(self, **options: Any) -> None:
        password = read_secret("Password")
        token = read_secret("Bootstrap token") if settings.TENANTRY_BOOTSTRAP_MODE == "token" else ""
        try:
            made = bootstrap(
                actor=operator(),
                email=options["email"],
                password=password,
                name=options["name"],
                organization_name=options["organization"],
                organization_slug=options["slug"],
                token=token,
            )
        except AuthFailure as error:
            raise CommandError(REFUSED) from error
        self.answer(
            f"{made.user.email} is staff and owns {made.organization.name}; their personal token:",
            data={
                "user": {"id": made.user.public_id, "email": made.user.email},
                "organization": {"id": made.organization.public_id, "slug": made.organization.slug},
                "token": made.token,
            },
            secret=made.token,
        )
