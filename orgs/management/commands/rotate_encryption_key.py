"""manage.py rotate_encryption_key"""

from typing import Any

from django.core.management.base import CommandError, CommandParser

from config.kernel.management.base import OperatorCommand, operator
from orgs.encryption import configured_keys
from orgs.services.data_keys import BATCH, rewrap_all


class Command(OperatorCommand):
    """Wrap every organization's data key under the newest master key."""

    help = (
        "Wrap every organization's data key under the newest master key, while everything runs. Ended halfway, it does "
        "the rest when it is run again."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--batch", type=int, default=BATCH, help=f"Data keys in each transaction ({BATCH}).")

    def run(self, **options: Any) -> None:
        if options["batch"] < 1:
            raise CommandError("--batch: name a whole number from 1.")
        newest, rewrapped, left, missing = configured_keys()[0], 0, 0, list[str]()
        for progress in rewrap_all(actor=operator(), batch=options["batch"]):
            rewrapped += progress.rewrapped
            left, missing = progress.left, progress.missing
            if not self.as_json:
                self.stderr.write(f"{left} left.")
        if missing:
            raise CommandError(
                f"{left} data keys are under master keys that are not configured ({', '.join(missing)}): add them to "
                "the end of TENANTRY_ENCRYPTION_KEYS and run this again."
            )
        self.answer(
            f"{rewrapped} data keys were wrapped anew; all are under the master key {newest.id} now."
            if not left
            else f"{left} data keys are being worked on by somebody else: run this again.",
            data={"master_key": newest.id, "rewrapped": rewrapped, "left": left},
        )
