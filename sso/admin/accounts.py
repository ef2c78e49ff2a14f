"""Staff pages of sign-in: addresses and second factors. A device's secret is never shown."""

from django.db.models import QuerySet

from config.kernel.identifiers import parse_public_id
from config.kernel.staff import StaffModelAdmin


class OfUserAdmin(StaffModelAdmin):
    """Rows that belong to one user."""

    list_select_related = ("user",)
    search_help_text = "A public id of a user (usr_…)"

    def narrow(self, rows: QuerySet, word: str) -> QuerySet:
        user_id = parse_public_id("usr", word)
        return rows.filter(user_id=user_id) if user_id else super().narrow(rows, word)


class EmailAddressAdmin(OfUserAdmin):
    """Which addresses are proven."""

    list_display = ("email", "user", "verified", "primary")
    fields = ("email", "user", "verified", "primary")
    search_help_text = "A public id of a user (usr_…), or a whole address"

    def narrow(self, rows: QuerySet, word: str) -> QuerySet:
        return rows.filter(email=word.lower()) if "@" in word else super().narrow(rows, word)


class PasskeyAdmin(OfUserAdmin):
    """Who has a passkey. All are removed on the user's page."""

    list_display = ("user", "name", "created_at", "last_used_at")
    fields = ("user", "name", "sign_count", "created_at", "last_used_at")


class RecoveryCodeAdmin(OfUserAdmin):
    """Who has recovery codes, and which were used. Nobody can read them."""

    list_display = ("user", "created_at", "used_at")
    fields = ("user", "created_at", "used_at")


class TOTPDeviceAdmin(OfUserAdmin):
    """Who has a second factor. It is reset on the user's page."""

    list_display = ("user", "name", "confirmed", "created_at", "last_used_at")
    fields = ("user", "name", "confirmed", "created_at", "last_used_at", "throttling_failure_count")
