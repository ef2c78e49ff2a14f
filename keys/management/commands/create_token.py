"""manage.py create_token"""

from typing import Any

from django.core.management.base import CommandError, CommandParser

from config.kernel.management.base import OperatorCommand, operator
from config.kernel.permissions import PERSONAL_PERMISSIONS
from config.kernel.tenancy.scope import tenant_scope
from keys.management.times import days_from_now
from keys.services.tokens import create_token
from orgs.management.named import organization_named, user_named
from orgs.models import Membership


class Command(OperatorCommand):
    """Make a personal token of a user and write it to standard output."""

    help = "Make a personal token of a user and write it to standard output."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("email", help="The user's address.")
        parser.add_argument("name", help="What to call the token.")
        parser.add_argument("--organization", help="The id or slug of the only one it works in.")
        parser.add_argument("--permission", action="append", choices=sorted(PERSONAL_PERMISSIONS), help="Narrows it.")
        parser.add_argument("--days", type=days_from_now, dest="expires_at", help="After how many days it expires.")

    def run(self, **options: Any) -> None:
        user = user_named(options["email"])
        organization = None
        if options["organization"]:
            organization = organization_named(options["organization"])
            with tenant_scope(organization.id):
                if not Membership.objects.of_user(user.id).exists():
                    raise CommandError(f"{user.email} is no member of {organization.name}.")
        token, plaintext = create_token(
            actor=operator(),
            user=user,
            name=options["name"],
            organization=organization,
            permissions=options["permission"],
            expires_at=options["expires_at"],
        )
        self.answer(
            f"{token.name} of {user.email} is made: {token.public_id}",
            data={"id": token.public_id, "expires_at": token.expires_at, "token": plaintext},
            secret=plaintext,
        )
