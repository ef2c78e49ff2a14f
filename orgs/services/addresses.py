"""Addresses that somebody of authority vouches for, so that nobody need click a link first."""

from allauth.account.models import EmailAddress
from django.db import transaction

from orgs.models import User


@transaction.atomic
def vouch_for_address(*, user: User) -> EmailAddress:
    """Makes the user's address their primary, verified one. Doing so twice is no error.

    The event is that of the change it belongs to: the user's creation.
    """
    address, _ = EmailAddress.objects.update_or_create(
        user=user, email=user.email, defaults={"verified": True, "primary": True}
    )
    return address
