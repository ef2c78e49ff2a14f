"""manage.py rotate_signing_key"""

from typing import Any

from django.core.management.base import CommandParser

from config.kernel.management.base import OperatorCommand, operator
from keys.services.signing_keys import rotate_signing_key, withdraw_signing_key


class Command(OperatorCommand):
    """Let the next signing key take over. What the old one signed stays valid."""

    help = "Let the next signing key take over. What the old one signed stays valid."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument(
            "--withdraw",
            metavar="KEY",
            help="Withdraw this key instead, because somebody else may have it: nothing that it signed is valid any "
            "more. By its id (sgk_…): Signing keys in Django admin finds it by its kid.",
        )
        parser.add_argument("--reason", default="", help="Why it is withdrawn; kept in the audit log.")

    def run(self, **options: Any) -> None:
        if options["withdraw"] is not None:
            key = withdraw_signing_key(actor=operator(), key=options["withdraw"], reason=options["reason"])
            words = f"{key.public_id} is withdrawn. Verify the audit logs now: `manage.py verify_audit`."
            self.answer(words, data={"id": key.public_id, "withdrawn_at": key.withdrawn_at})
            return
        key = rotate_signing_key(actor=operator())
        self.answer(
            f"{key.public_id} signs from {key.signs_from:%Y-%m-%d %H:%M:%S} UTC on.",
            data={"id": key.public_id, "kid": key.kid, "signs_from": key.signs_from},
        )
