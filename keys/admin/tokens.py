"""Staff pages of personal tokens. Of a token only its first characters are shown."""

from django.contrib import admin
from django.db.models import QuerySet

from config.kernel.identifiers import parse_public_id
from config.kernel.principals import StaffPrincipal
from config.kernel.staff import Outcome, StaffAction, StaffModelAdmin
from keys.models import PersonalToken
from keys.services.tokens import revoke_token


def revoke_personal(*, actor: StaffPrincipal, row: PersonalToken) -> Outcome:
    """Ends the token."""
    revoke_token(actor=actor, user=row.user, token=row.public_id)
    return Outcome(f"{row} is revoked.")


class PersonalTokenAdmin(StaffModelAdmin):
    """Tokens that people made for themselves."""

    list_display = ("name", "start", "user", "scope", "usable", "last_used_at", "expires_at", "created_at")
    list_select_related = ("user", "organization")
    search_help_text = "A public id of a token (tok_…) or a user (usr_…)"
    fields = (
        "name",
        "start",
        "public_id",
        "user",
        "organization",
        "permissions",
        "usable",
        "last_used_at",
        "last_used_ip",
        "created_at",
        "expires_at",
        "revoked_at",
    )
    staff_actions = (
        StaffAction(
            "revoke",
            "Revoke",
            "Programs that use this token are refused from now on. This cannot be taken back.",
            revoke_personal,
            applies=lambda row: row.revoked_at is None,
            danger=True,
        ),
    )

    def narrow(self, rows: QuerySet, word: str) -> QuerySet:
        token_id, user_id = parse_public_id("tok", word), parse_public_id("usr", word)
        if token_id:
            return rows.filter(id=token_id)
        return rows.filter(user_id=user_id) if user_id else super().narrow(rows, word)

    @admin.display(description="Works in")
    def scope(self, row: PersonalToken) -> str:
        """The organization it is for."""
        return row.organization.name if row.organization else "All their organizations"

    @admin.display(boolean=True, description="Usable")
    def usable(self, row: PersonalToken) -> bool:
        """Neither revoked nor expired."""
        return row.is_usable
