"""Our decisions inside allauth's flows."""

from typing import Any

from allauth.account.adapter import DefaultAccountAdapter
from allauth.account.authentication import get_authentication_records
from allauth.core.exceptions import ImmediateHttpResponse
from django.conf import settings
from django.db import transaction
from django.http import HttpRequest
from django.shortcuts import redirect

from audit.services import Target, record, record_refused
from config.kernel.middleware import client_address
from config.kernel.principals import ANONYMOUS, UserPrincipal
from config.kernel.sign_in import Method
from config.kernel.tenancy.scope import INSTALLATION_ID
from orgs import events
from orgs.services import browser_sessions
from orgs.sign_in import MethodRefused, validate_auth_method

# What allauth calls the proofs that it records, as far as they are a method of ours by themselves.
METHODS = {"password": Method.PASSWORD, "code": Method.MAGIC_LINK}


def method_of(request: HttpRequest, user: Any) -> Method:
    """How the person who is about to be signed in proved themselves in this session."""
    names = [record["method"] for record in get_authentication_records(request, user)]
    known = [METHODS[name] for name in names if name in METHODS]
    # Whoever confirms the address of a new account in the browser that made it chose its password there.
    return known[-1] if known else Method.PASSWORD


class AccountAdapter(DefaultAccountAdapter):
    """Every way in goes through here; the other methods of spec part 3 join at the same hooks."""

    def is_open_for_signup(self, request: HttpRequest) -> bool:
        return settings.TENANTRY_SIGN_UP

    def save_user(self, request: HttpRequest, user: Any, form: Any, commit: bool = True) -> Any:  # noqa: FBT001
        with transaction.atomic():
            user = super().save_user(request, user, form, commit=commit)
            if commit:
                target = Target("user", user.public_id, user.email)
                record(
                    events.USER_CREATED,
                    actor=UserPrincipal.of(user_id=user.id, email=user.email),
                    target=target,
                    data={"how": "sign-up"},
                    org_id=INSTALLATION_ID,
                )
        return user

    def set_password(self, user: Any, password: str) -> None:
        """A password that the person chose ends the duty to change a temporary one."""
        user.must_change_password = False
        super().set_password(user, password)

    def get_client_ip(self, request: HttpRequest) -> str:
        """allauth counts its rate limits by this."""
        return client_address(request) or "unknown"

    def login(self, request: HttpRequest, user: Any) -> None:
        """The last gate of every way in. Resumed sign-ins come here, too."""
        method = method_of(request, user)
        try:
            validate_auth_method(method=method, user=user)
        except MethodRefused:
            raise ImmediateHttpResponse(redirect("account_login")) from None
        super().login(request, user)
        browser_sessions.begin(request.session, method=method)

    def post_login(self, request: HttpRequest, user: Any, **kwargs: Any) -> Any:
        response = super().post_login(request, user, **kwargs)
        with transaction.atomic():
            record(
                events.USER_SIGNED_IN,
                actor=UserPrincipal.of(user_id=user.id, email=user.email),
                target=Target("user", user.public_id, user.email),
                data={"method": method_of(request, user).value},
                org_id=INSTALLATION_ID,
            )
        return response

    def authentication_failed(self, request: HttpRequest, **credentials: Any) -> None:
        super().authentication_failed(request, **credentials)
        address = str(credentials.get("email", ""))
        record_refused(
            events.USER_SIGN_IN_FAILED,
            actor=ANONYMOUS,
            target=Target("address", "", address),
            data={"method": Method.PASSWORD.value},
            org_id=INSTALLATION_ID,
        )
