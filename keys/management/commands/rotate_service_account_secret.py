"""manage.py rotate_service_account_secret"""

from datetime import timedelta
from typing import Any

from django.core.management.base import CommandParser

from config.kernel.management.base import OperatorCommand, operator
from keys.management.named import service_account_named
from keys.services.keys import LONGEST_OVERLAP
from keys.services.service_accounts import USUAL_OVERLAP, rotate_service_account_secret


class Command(OperatorCommand):
    """Give a service account a new secret and write it to standard output."""

    help = "Give a service account a new secret and write it to standard output."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("service_account", help="Its id or name.")
        parser.add_argument(
            "--overlap-days",
            type=int,
            choices=range(LONGEST_OVERLAP.days + 1),
            metavar="DAYS",
            default=USUAL_OVERLAP.days,
            help="For how many days (up to 30) earlier secrets work on; 0 ends them at once. (default: %(default)s)",
        )

    def run(self, **options: Any) -> None:
        account = service_account_named(options["service_account"])
        secret, plaintext = rotate_service_account_secret(
            actor=operator(), account_id=account.id, overlap=timedelta(days=options["overlap_days"])
        )
        self.answer(
            f"{account.name} has a new secret, whose keyid is {secret.key_id}.",
            data={"id": account.public_id, "key_id": secret.key_id, "secret": plaintext},
            secret=plaintext,
        )
