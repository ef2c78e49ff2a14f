"""Staff pages of signing keys. The private part is never shown."""

from django.contrib import admin
from django.db.models import QuerySet
from django.utils import timezone

from config.kernel.identifiers import parse_public_id
from config.kernel.principals import StaffPrincipal
from config.kernel.staff import Outcome, ReasonForm, StaffAction, StaffModelAdmin
from keys.models import SigningKey
from keys.services.signing_keys import rotate_signing_key, withdraw_signing_key
from keys.signing import published_until


def rotate(*, actor: StaffPrincipal, row: SigningKey) -> Outcome:
    """Lets the next key take over."""
    following = rotate_signing_key(actor=actor)
    return Outcome(f"{following} signs from {following.signs_from:%Y-%m-%d %H:%M:%S} UTC on.")


def withdraw(*, actor: StaffPrincipal, row: SigningKey, reason: str) -> Outcome:
    """Ends the trust in the key."""
    withdraw_signing_key(actor=actor, key=row.public_id, reason=reason)
    return Outcome(f"{row} is withdrawn. Have the audit logs verified now: `manage.py verify_audit`.")


class SigningKeyAdmin(StaffModelAdmin):
    """The keys that the installation's own tokens are signed with."""

    list_display = ("kid", "state", "created_at", "signs_from", "signs_until", "published_until")
    search_help_text = "A key id (kid) or a public id (sgk_…)"
    fields = (
        "kid",
        "public_id",
        "state",
        "created_at",
        "ready_at",
        "signs_from",
        "signs_until",
        "published_until",
        "withdrawn_at",
    )
    staff_actions = (
        StaffAction(
            "rotate",
            "Rotate",
            "The next key takes over; what this one signed stays valid.",
            rotate,
            applies=lambda row: row.state == SigningKey.State.SIGNING and row.signs_until is None,
        ),
        StaffAction(
            "withdraw",
            "Withdraw",
            "For a key that somebody else may have: everything that it signed is refused from now on. Agents are "
            "enrolled again, and others may believe the key until they renew the key set that they keep.",
            withdraw,
            form=ReasonForm,
            applies=lambda row: row.withdrawn_at is None,
            danger=True,
        ),
    )

    def narrow(self, rows: QuerySet, word: str) -> QuerySet:
        key_id = parse_public_id("sgk", word)
        return rows.filter(id=key_id) if key_id else rows.filter(kid=word)

    @admin.display(description="Published until")
    def published_until(self, row: SigningKey) -> str:
        """When it leaves the key set."""
        if row.withdrawn_at:
            return "withdrawn"
        until = published_until(row)
        if until is None:
            return "further notice"
        return f"{until:%Y-%m-%d %H:%M} UTC" if until > timezone.now() else "no longer"
