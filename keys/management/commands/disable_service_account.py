"""manage.py disable_service_account"""

from typing import Any

from django.core.management.base import CommandParser

from config.kernel.management.base import OperatorCommand, operator
from keys.management.named import service_account_named
from keys.services.service_accounts import disable_service_account


class Command(OperatorCommand):
    """Refuse a service account's signatures at once."""

    help = "Refuse a service account's signatures at once."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("service_account", help="Its id or name.")
        parser.add_argument("--reason", required=True, help="Why, for the installation's log.")

    def run(self, **options: Any) -> None:
        account = service_account_named(options["service_account"])
        disable_service_account(actor=operator(), account_id=account.id, reason=options["reason"])
        self.answer(f"{account.name} is disabled.", data={"id": account.public_id, "active": False})
