"""manage.py create_service_account"""

from typing import Any

from django.core.management.base import CommandParser

from config.kernel.management.base import OperatorCommand, operator
from keys.services.service_accounts import create_service_account


class Command(OperatorCommand):
    """Register a product behind Tenantry and write the secret it signs requests with to standard output."""

    help = "Register a product behind Tenantry and write the secret it signs requests with to standard output."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("name", help="What organizations will know it by.")
        parser.add_argument("--description", default="", help="What it does, for those who grant it permissions.")

    def run(self, **options: Any) -> None:
        account, secret, plaintext = create_service_account(
            actor=operator(), name=options["name"], description=options["description"]
        )
        self.answer(
            f"{account.name} is registered as {account.public_id}; the keyid of its secret is {secret.key_id}.",
            data={"id": account.public_id, "name": account.name, "key_id": secret.key_id, "secret": plaintext},
            secret=plaintext,
        )
