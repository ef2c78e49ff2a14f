"""manage.py create_user"""

from typing import Any

from django.core.management.base import CommandParser
from django.db import transaction

from config.kernel.management.base import OperatorCommand, operator, read_secret
from orgs.services.addresses import vouch_for_address
from orgs.services.invitations import checked_email
from orgs.services.users import create_user, reset_password


class Command(OperatorCommand):
    """Make a user. The password is asked for; with --temporary one is made and written to standard output."""

    help = "Make a user. The password is asked for; with --temporary one is made and written to standard output."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("email", help="The user's address.")
        parser.add_argument("--name", default="", help="What to call the person.")
        parser.add_argument("--staff", action="store_true", help="May use Django admin, with a second factor.")
        parser.add_argument("--verified", action="store_true", help="The address is known to be theirs.")
        parser.add_argument("--temporary", action="store_true", help="A password that they must change.")

    def run(self, **options: Any) -> None:
        password = None if options["temporary"] else read_secret("Password")
        temporary = None
        with transaction.atomic():
            user = create_user(
                actor=operator(),
                email=checked_email(options["email"]),
                password=password,
                name=options["name"],
                is_staff=options["staff"],
            )
            if options["verified"]:
                vouch_for_address(user=user)
            if options["temporary"]:
                temporary = reset_password(actor=operator(), user=user)
        data = {"id": user.public_id, "email": user.email, "is_staff": user.is_staff}
        self.answer(
            f"{user.email} is made; the temporary password:" if temporary else f"{user.email} is made.",
            data=data | ({"password": temporary} if temporary else {}),
            secret=temporary,
        )
