"""Staff pages of users."""

from typing import Any

from django.db import transaction
from django.db.models import QuerySet

from config.kernel.errors import Conflict
from config.kernel.identifiers import parse_public_id
from config.kernel.principals import StaffPrincipal
from config.kernel.staff import (
    Outcome,
    ReasonForm,
    StaffAction,
    StaffForm,
    StaffModelAdmin,
    list_link,
    switch_field,
    text_field,
)
from orgs.models import User
from orgs.services import users
from orgs.services.addresses import vouch_for_address
from orgs.services.invitations import checked_email
from orgs.services.second_factor import reset_second_factor


class NewUserForm(StaffForm):
    """A new person."""

    email = text_field("E-mail address", max_length=254)
    name = text_field("Name", max_length=120, required=False)
    verified = switch_field("The address is known to be theirs", help_text="Else they confirm it by a mail first.")
    is_staff = switch_field("Staff", help_text="May use these pages, with a second factor.")


def require_somebody_else(actor: StaffPrincipal, user: User) -> None:
    """Raises Conflict for oneself: a slip must not lock staff out."""
    if actor.user_id == user.id:
        raise Conflict("This is you: ask a colleague to do it.")


def disable(*, actor: StaffPrincipal, row: User, reason: str) -> Outcome:
    """Out at once, everywhere."""
    require_somebody_else(actor, row)
    users.disable_user(actor=actor, user=row, reason=reason)
    return Outcome(f"{row.email} is disabled.")


def enable(*, actor: StaffPrincipal, row: User) -> Outcome:
    """In again."""
    users.enable_user(actor=actor, user=row)
    return Outcome(f"{row.email} is enabled.")


def reset_password(*, actor: StaffPrincipal, row: User) -> Outcome:
    """A temporary password."""
    require_somebody_else(actor, row)
    return Outcome(
        f"The temporary password of {row.email}; they change it at the next sign-in.",
        secret=users.reset_password(actor=actor, user=row),
    )


def reset_factor(*, actor: StaffPrincipal, row: User) -> Outcome:
    """No device any more."""
    require_somebody_else(actor, row)
    removed = reset_second_factor(actor=actor, user=row)
    return Outcome(f"{row.email} had {removed} second factor{'' if removed == 1 else 's'}, which no longer count.")


class UserAdmin(StaffModelAdmin):
    """People, by their sign-in."""

    list_display = ("email", "name", "is_active", "is_staff", "created_at")
    list_filter = ("is_active", "is_staff")
    search_help_text = "The beginning of an e-mail address, or a public id (usr_…)"
    fields = (
        "email",
        "name",
        "public_id",
        "is_active",
        "is_staff",
        "must_change_password",
        "last_login",
        "created_at",
        "updated_at",
    )
    add_form_class = NewUserForm
    add_explanation = "The user gets a temporary password, which is shown once."
    staff_actions = (
        StaffAction(
            "disable",
            "Disable",
            "Ends every session and token of this person from their next request on.",
            disable,
            form=ReasonForm,
            applies=lambda row: row.is_active,
            danger=True,
        ),
        StaffAction("enable", "Enable", "The person may sign in again.", enable, applies=lambda row: not row.is_active),
        StaffAction(
            "reset-password",
            "Reset password",
            "Ends every session and sets a temporary password, which is shown once.",
            reset_password,
        ),
        StaffAction(
            "reset-second-factor",
            "Reset second factor",
            "Removes the person's authenticator, passkeys and recovery codes and ends their sessions in browsers; "
            "they set up a new one when they next need it.",
            reset_factor,
        ),
    )

    def narrow(self, rows: QuerySet, word: str) -> QuerySet:
        user_id = parse_public_id("usr", word)
        return rows.filter(id=user_id) if user_id else rows.filter(email__startswith=word.lower())

    @transaction.atomic
    def add(self, *, actor: StaffPrincipal, **values: Any) -> tuple[User, Outcome]:
        verified = values.pop("verified")
        email = checked_email(values.pop("email"))
        user = users.create_user(actor=actor, email=email, password=None, **values)
        if verified:
            vouch_for_address(user=user)
        password = users.reset_password(actor=actor, user=user)
        return user, Outcome(f"The temporary password of {user.email}; they change it at first sign-in.", password)

    def links(self, row: User) -> list[tuple[str, str]]:
        return [
            ("Memberships", list_link("orgs_membership", user__id__exact=row.id)),
            ("Personal tokens", list_link("keys_personaltoken", user__id__exact=row.id)),
            ("Sessions in browsers", list_link("orgs_signedinbrowser", user__id__exact=row.id)),
            ("Addresses", list_link("account_emailaddress", user__id__exact=row.id)),
            ("Second factors", list_link("orgs_totpdevice", user__id__exact=row.id)),
        ]
