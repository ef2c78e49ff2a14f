"""manage.py enable_organization"""

from typing import Any

from django.core.management.base import CommandParser

from config.kernel.management.base import OperatorCommand, operator
from config.kernel.tenancy.scope import tenant_scope
from orgs.management.named import organization_named
from orgs.services.organizations import enable_organization


class Command(OperatorCommand):
    """Accept the credentials of a disabled organization again."""

    help = "Accept the credentials of a disabled organization again."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("organization", help="Its id or slug.")

    def run(self, **options: Any) -> None:
        organization = organization_named(options["organization"])
        with tenant_scope(organization.id):
            organization = enable_organization(actor=operator())
        self.answer(
            f"{organization.name} is {organization.status}.",
            data={"id": organization.public_id, "status": organization.status},
        )
