"""Staff pages of the sessions that programs have as a person."""

from django.contrib import admin
from django.db.models import QuerySet

from config.kernel.identifiers import parse_public_id
from config.kernel.principals import StaffPrincipal
from config.kernel.staff import Outcome, StaffAction, StaffModelAdmin
from keys.models import TokenSession
from keys.services.sessions import end_session


def end(*, actor: StaffPrincipal, row: TokenSession) -> Outcome:
    """Ends the session."""
    end_session(actor=actor, user_id=row.user_id, session=row.public_id)
    return Outcome(f"{row} is ended.")


class TokenSessionAdmin(StaffModelAdmin):
    """Programs that signed in as somebody."""

    list_display = ("public_id", "user", "scope", "living", "ip", "last_used_at", "created_at")
    list_select_related = ("user", "organization")
    search_help_text = "A public id of a session (ses_…) or a user (usr_…)"
    fields = (
        "public_id",
        "user",
        "organization",
        "method",
        "ip",
        "user_agent",
        "created_at",
        "last_used_at",
        "expires_at",
        "ended_at",
        "end_reason",
    )
    staff_actions = (
        StaffAction(
            "end",
            "End",
            "The program is refused from now on; the person can sign it in again.",
            end,
            applies=lambda row: row.is_living,
            danger=True,
        ),
    )

    def narrow(self, rows: QuerySet, word: str) -> QuerySet:
        session_id, user_id = parse_public_id("ses", word), parse_public_id("usr", word)
        if session_id:
            return rows.filter(id=session_id)
        return rows.filter(user_id=user_id) if user_id else super().narrow(rows, word)

    @admin.display(description="Works in")
    def scope(self, row: TokenSession) -> str:
        """The organization it is for."""
        return row.organization.name if row.organization else "All their organizations"

    @admin.display(boolean=True, description="Living")
    def living(self, row: TokenSession) -> bool:
        """Neither ended nor expired."""
        return row.is_living
