"""Users, as staff and the first start make and change them. People sign themselves up through sso."""

import secrets
from uuid import UUID

from django.contrib.auth.password_validation import validate_password
from django.core.exceptions import ValidationError
from django.db import IntegrityError, transaction

from audit.services import record
from config.kernel.errors import Conflict, Invalid
from config.kernel.principals import Principal, UserPrincipal
from config.kernel.tenancy.scope import INSTALLATION_ID
from orgs import events
from orgs.models import User
from orgs.models.user import normalize_email
from orgs.services.browser_sessions import end_all
from orgs.services.targets import user_target


@transaction.atomic
def create_user(
    *,
    actor: Principal,
    email: str,
    password: str | None,
    name: str = "",
    is_staff: bool = False,
    how: str = "staff",
) -> User:
    """A user; with no password, nobody signs in by one. Raises Conflict for the address, Invalid for the password."""
    if password is not None:
        try:
            validate_password(password, User(email=normalize_email(email), name=name))
        except ValidationError as error:
            raise Invalid(errors={"password": list(error.messages)}) from None
    try:
        with transaction.atomic():
            user = User.objects.create_user(email, password, name=name, is_staff=is_staff, is_superuser=is_staff)
    except IntegrityError:
        raise Conflict("A user with this address exists.", code="email_taken") from None
    record(events.USER_CREATED, actor=actor, target=user_target(user), data={"how": how}, org_id=INSTALLATION_ID)
    return user


@transaction.atomic
def update_profile(*, actor: UserPrincipal, name: str) -> User:
    """Changes the actor's own name."""
    user = User.objects.select_for_update().get(id=actor.user_id)
    if user.name == name:
        return user
    changes = {"name": [user.name, name]}
    user.name = name
    user.save(update_fields=["name", "updated_at"])
    record(
        events.USER_UPDATED,
        actor=actor,
        target=user_target(user),
        data={"changes": changes},
        org_id=INSTALLATION_ID,
    )
    return user


@transaction.atomic
def disable_user(*, actor: Principal, user: User, reason: str) -> User:
    """Ends every session and token of a person from their next request on."""
    user = User.objects.select_for_update().get(id=user.id)
    if user.is_active:
        user.is_active = False
        user.save(update_fields=["is_active", "updated_at"])
        end_all(user_id=user.id)
        record(
            events.USER_DISABLED,
            actor=actor,
            target=user_target(user),
            data={"reason": reason},
            org_id=INSTALLATION_ID,
        )
    return user


@transaction.atomic
def enable_user(*, actor: Principal, user: User) -> User:
    """Ends disable_user."""
    user = User.objects.select_for_update().get(id=user.id)
    if not user.is_active:
        user.is_active = True
        user.save(update_fields=["is_active", "updated_at"])
        record(events.USER_ENABLED, actor=actor, target=user_target(user), org_id=INSTALLATION_ID)
    return user


@transaction.atomic
def reset_password(*, actor: Principal, user: User) -> str:
    """Sets a temporary password, which is returned once and must be changed at the next sign-in; ends all sessions."""
    user = User.objects.select_for_update().get(id=user.id)
    password = secrets.token_urlsafe(18)
    user.set_password(password)
    user.must_change_password = True
    user.save(update_fields=["password", "must_change_password", "updated_at"])
    end_all(user_id=user.id)
    record(events.USER_PASSWORD_RESET, actor=actor, target=user_target(user), org_id=INSTALLATION_ID)
    return password


@transaction.atomic
def choose_password(*, user: User, password: str, how: str, session_id: UUID | None = None) -> User:
    """Sets the password that a person chose, which ends every session but the one of that id, programs' too.

    `how` is `changed`, `set` or `reset by mail`. Whether it is good enough was asked before.
    """
    locked = User.objects.select_for_update().get(id=user.id)
    locked.set_password(password)
    locked.must_change_password = False
    locked.save(update_fields=["password", "must_change_password", "updated_at"])
    end_all(user_id=user.id, but=session_id)
    actor = UserPrincipal.of(user_id=user.id, email=user.email)
    record(
        events.USER_PASSWORD_CHANGED, actor=actor, target=user_target(locked), data={"how": how}, org_id=INSTALLATION_ID
    )
    user.password, user.must_change_password = locked.password, False
    return locked
