"""manage.py sso_disable"""

from typing import Any

from django.core.management.base import CommandParser

from config.kernel.management.base import OperatorCommand, operator
from config.kernel.tenancy.scope import tenant_scope
from orgs.management.named import organization_named
from orgs.services.sign_in_policies import policy_in_scope, switch_off
from orgs.sign_in_mail import tell_managers


class Command(OperatorCommand):
    """Switch single sign-on of an organization off at once, for people who are locked out."""

    help = "Switch single sign-on of an organization off at once, for people who are locked out. Needs no worker."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("organization", help="Its id or slug.")
        parser.add_argument("--reason", default="no reason given", help="Why, for the audit log.")

    def run(self, **options: Any) -> None:
        organization = organization_named(options["organization"])
        with tenant_scope(organization.id):
            was_on = policy_in_scope().enforcement != "off"
            switch_off(actor=operator(), reason=options["reason"])
            told = self._tell() if was_on else "nobody had to be told"
        self.answer(
            f"{organization.name} requires single sign-on no more; {told}.",
            data={"id": organization.public_id, "enforce_sso": "off", "changed": was_on},
        )

    def _tell(self) -> str:
        """Mails from here: the worker may be what does not work."""
        try:
            return f"its owners and admins are told ({tell_managers('disabled')})"
        except OSError as error:
            return f"its owners and admins could not be mailed ({error}), so tell them yourself"
