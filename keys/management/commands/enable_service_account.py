"""manage.py enable_service_account"""

from typing import Any

from django.core.management.base import CommandParser

from config.kernel.management.base import OperatorCommand, operator
from keys.management.named import service_account_named
from keys.services.service_accounts import enable_service_account


class Command(OperatorCommand):
    """Accept a disabled service account's signatures again."""

    help = "Accept a disabled service account's signatures again."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("service_account", help="Its id or name.")

    def run(self, **options: Any) -> None:
        account = service_account_named(options["service_account"])
        enable_service_account(actor=operator(), account_id=account.id)
        self.answer(f"{account.name} is enabled.", data={"id": account.public_id, "active": True})
