"""manage.py dev_sign_in"""

from typing import Any

from django.core.management.base import CommandError, CommandParser

from config.kernel.errors import Absent
from config.kernel.management.base import OperatorCommand
from sso.services.development import EMAIL, is_allowed, write_token


class Command(OperatorCommand):
    """Writes a token of the development user to a file. `make run` does it where development sign-in is on."""

    help = "Development sign-in: makes the development user and writes a new token to ~/.tenantry/dev-token."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--if-on", action="store_true", help="Do nothing where development sign-in is off.")

    def run(self, **options: Any) -> None:
        if options["if_on"] and not is_allowed():
            return
        try:
            path = write_token()
        except Absent:
            raise CommandError("Set TENANTRY_DEV_AUTH=true and TENANTRY_DEBUG=true first.") from None
        except OSError as error:
            raise CommandError(f"The token cannot be written: {error.strerror}.") from None
        self.answer(f"The token of {EMAIL} is in {path}.", data={"email": EMAIL, "path": str(path)})
