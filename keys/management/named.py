"""What operators name on the command line: service accounts by id or name."""

from django.core.management.base import CommandError

from orgs.models import ServiceAccount


def service_account_named(reference: str) -> ServiceAccount:
    """The service account of a public id or name. Raises CommandError."""
    account = ServiceAccount.objects.by_reference(reference) or ServiceAccount.objects.filter(name=reference).first()
    if account is None:
        raise CommandError(
            f"There is no service account {reference}: `manage.py list_service_accounts` names them all."
        )
    return account
