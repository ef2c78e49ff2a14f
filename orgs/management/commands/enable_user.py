"""manage.py enable_user"""

from typing import Any

from django.core.management.base import CommandParser

from config.kernel.management.base import OperatorCommand, operator
from orgs.management.named import user_named
from orgs.services.users import enable_user


class Command(OperatorCommand):
    """Let a disabled user sign in again."""

    help = "Let a disabled user sign in again."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("email", help="The user's address.")

    def run(self, **options: Any) -> None:
        user = enable_user(actor=operator(), user=user_named(options["email"]))
        self.answer(f"{user.email} is enabled.", data={"id": user.public_id, "enabled": user.is_active})
