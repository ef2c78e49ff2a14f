"""manage.py disable_user"""

from typing import Any

from django.core.management.base import CommandParser

from config.kernel.management.base import OperatorCommand, operator
from orgs.management.named import user_named
from orgs.services.users import disable_user


class Command(OperatorCommand):
    """End every session and token of a user at once."""

    help = "End every session and token of a user at once."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("email", help="The user's address.")
        parser.add_argument("--reason", required=True, help="Why, for the audit log.")

    def run(self, **options: Any) -> None:
        user = disable_user(actor=operator(), user=user_named(options["email"]), reason=options["reason"])
        self.answer(f"{user.email} is disabled.", data={"id": user.public_id, "enabled": user.is_active})
