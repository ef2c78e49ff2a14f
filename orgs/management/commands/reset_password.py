"""manage.py reset_password"""

from typing import Any

from django.core.management.base import CommandParser

from config.kernel.management.base import OperatorCommand, operator
from orgs.management.named import user_named
from orgs.services.users import reset_password


class Command(OperatorCommand):
    """Set a temporary password, written to standard output, and end the user's sessions."""

    help = "Set a temporary password, written to standard output, and end the user's sessions."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("email", help="The user's address.")

    def run(self, **options: Any) -> None:
        user = user_named(options["email"])
        password = reset_password(actor=operator(), user=user)
        self.answer(
            f"The temporary password of {user.email}, to be changed at the next sign-in:",
            data={"id": user.public_id, "password": password},
            secret=password,
        )
