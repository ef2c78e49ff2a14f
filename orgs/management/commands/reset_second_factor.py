"""manage.py reset_second_factor"""

from typing import Any

from django.core.management.base import CommandParser

from config.kernel.management.base import OperatorCommand, operator
from orgs.management.named import user_named
from orgs.services.second_factor import reset_second_factor


class Command(OperatorCommand):
    """Remove a user's authenticator, passkeys and recovery codes, and end their sessions in browsers."""

    help = "Remove a user's authenticator, passkeys and recovery codes, and end their sessions in browsers."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("email", help="The user's address.")

    def run(self, **options: Any) -> None:
        user = user_named(options["email"])
        removed = reset_second_factor(actor=operator(), user=user)
        self.answer(
            f"The second factor of {user.email} is removed." if removed else f"{user.email} had no second factor.",
            data={"id": user.public_id, "removed": removed},
        )
