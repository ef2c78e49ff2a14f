"""Staff pages of the browsers that people sign in with.

Keys and data of sessions, which would open one, are not read here; of devices the digest of the cookie is not shown.
"""

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest

from config.kernel.identifiers import parse_public_id
from config.kernel.principals import StaffPrincipal
from config.kernel.staff import Outcome, StaffAction, StaffModelAdmin
from orgs.models import SignedInBrowser
from orgs.services import browser_sessions


def end(*, actor: StaffPrincipal, row: SignedInBrowser) -> Outcome:
    """Ends the session."""
    browser_sessions.end(actor=actor, user_id=row.user_id, session=row.public_id)  # type: ignore[arg-type] # signed in
    return Outcome(f"{row} is ended.")


class SignedInBrowserAdmin(StaffModelAdmin):
    """Browsers in which somebody is signed in."""

    list_display = ("public_id", "user", "device", "living", "ip", "last_used_at", "signed_in_at")
    list_select_related = ("user",)
    search_help_text = "A public id of a session (ses_…) or a user (usr_…)"
    fields = (
        "public_id",
        "user",
        "method",
        "device",
        "user_agent",
        "ip",
        "signed_in_at",
        "last_used_at",
        "expire_date",
    )
    staff_actions = (
        StaffAction(
            "end",
            "End",
            "The browser is signed out at once; the person can sign in again.",
            end,
            danger=True,
            removes=True,
        ),
    )

    def get_queryset(self, request: HttpRequest) -> QuerySet:
        """Without the sessions in which nobody is signed in yet."""
        return super().get_queryset(request).filter(signed_in_at__isnull=False, user__isnull=False)

    def narrow(self, rows: QuerySet, word: str) -> QuerySet:
        session_id, user_id = parse_public_id("ses", word), parse_public_id("usr", word)
        if session_id:
            return rows.filter(id=session_id)
        return rows.filter(user_id=user_id) if user_id else super().narrow(rows, word)

    @admin.display(boolean=True, description="Living")
    def living(self, row: SignedInBrowser) -> bool:
        """Not expired."""
        return row.is_living


class KnownDeviceAdmin(StaffModelAdmin):
    """Browsers that people have signed in from before."""

    list_display = ("label", "user", "network", "created_at", "last_used_at")
    list_select_related = ("user",)
    search_help_text = "A public id of a user (usr_…)"
    fields = ("user", "label", "network", "created_at", "last_used_at")

    def narrow(self, rows: QuerySet, word: str) -> QuerySet:
        user_id = parse_public_id("usr", word)
        return rows.filter(user_id=user_id) if user_id else super().narrow(rows, word)
