"""What operators name on the command line: people by address, organizations by id or slug."""

from django.core.management.base import CommandError

from orgs.models import Organization, User


def user_named(email: str) -> User:
    """The user of an address. Raises CommandError."""
    user = User.objects.by_email(email)
    if user is None:
        raise CommandError(f"No user has the address {email}: look for a typing mistake.")
    return user


def organization_named(reference: str) -> Organization:
    """The organization of a public id, slug or retired slug. Raises CommandError."""
    organization = Organization.objects.by_reference(reference)
    if organization is None:
        raise CommandError(f"There is no organization {reference}: `manage.py list_organizations` names them all.")
    return organization
