"""manage.py create_organization"""

from typing import Any

from django.core.management.base import CommandParser

from config.kernel.management.base import OperatorCommand, operator
from orgs.management.named import user_named
from orgs.models import Organization
from orgs.services.organizations import create_organization


class Command(OperatorCommand):
    """Make an organization for a user, who becomes its owner."""

    help = "Make an organization for a user, who becomes its owner."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("slug", help="Its part of addresses.")
        parser.add_argument("--name", required=True, help="What to call it.")
        parser.add_argument("--owner", required=True, help="The address of its owner.")
        parser.add_argument("--plan", choices=Organization.Plan.values, default=Organization.Plan.FREE)

    def run(self, **options: Any) -> None:
        organization = create_organization(
            actor=operator(),
            name=options["name"],
            slug=options["slug"],
            owner=user_named(options["owner"]),
            plan=options["plan"],
        )
        self.answer(
            f"{organization.name} is made: {organization.public_id}",
            data={"id": organization.public_id, "slug": organization.slug, "plan": organization.plan},
        )
