"""Our decisions inside allauth's flows."""

from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

from allauth.account.adapter import DefaultAccountAdapter
from allauth.account.authentication import get_authentication_records
from allauth.core.exceptions import ImmediateHttpResponse
from django.conf import settings
from django.contrib import messages
from django.core.exceptions import ValidationError
from django.db import transaction
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.utils import timezone

from audit.services import Target, record, record_refused
from config.kernel.errors import RateLimited
from config.kernel.middleware import client_address
from config.kernel.principals import ANONYMOUS, UserPrincipal
from config.kernel.sign_in import Method
from config.kernel.tasks import enqueue
from config.kernel.tenancy.scope import INSTALLATION_ID
from config.kernel.throttling import Secret, forgive, require_patience
from orgs import events
from orgs.models.user import normalize_email
from orgs.services import browser_sessions, devices
from orgs.services.refused_sign_ins import note_if_refused, note_method_refused
from orgs.services.targets import user_target
from orgs.services.users import choose_password
from orgs.sign_in import MethodRefused, validate_auth_method

# What the proofs that allauth keeps in a session are called, as far as one is a method of ours by itself.
METHODS = {
    "password": Method.PASSWORD,
    "code": Method.MAGIC_LINK,
    **{
        method.value: method
        for method in (Method.GOOGLE, Method.GITHUB, Method.PASSKEY, Method.SSO, Method.BREAK_GLASS, Method.DEVELOPMENT)
    },
}
# What such a proof may say beside its method; browser_sessions.begin takes it.
IDS = ("organization_id", "connection_id", "configuration_id")
TEXTS = ("provider_session", "second_factor")
REFUSED = "This sign-in did not work. Try another way, or ask whoever runs this installation."


@dataclass(frozen=True)
class Proof:
    """How somebody proved themselves. `facts` are what browser_sessions.begin takes beside the method."""

    method: Method
    facts: dict[str, Any] = field(default_factory=dict)


def proof_of(request: HttpRequest, user: Any) -> Proof:
    """How the person who is about to be signed in proved themselves in this session.

    Every way in calls allauth's `record_authentication(request, user, method=…, **facts)` with a name of METHODS and
    facts of IDS and TEXTS, all as text, and `perform_login` after it.
    """
    known = [record for record in get_authentication_records(request, user) if record["method"] in METHODS]
    if not known:
        # Whoever confirms the address of a new account in the browser that made it chose its password there.
        return Proof(Method.PASSWORD)
    last = known[-1]
    facts: dict[str, Any] = {name: UUID(last[name]) for name in IDS if last.get(name)}
    return Proof(METHODS[last["method"]], facts | {name: last[name] for name in TEXTS if last.get(name)})


def device_of(request: HttpRequest, email: str) -> str:
    """The name of this browser, if the person of that address is known to use it (config.kernel.throttling)."""
    return devices.name_of(request.COOKIES.get(settings.DEVICE_COOKIE_NAME, ""), email=email)


def refused(request: HttpRequest) -> HttpResponse:
    """Back to the start, with a sentence that says nothing of whom it is about."""
    messages.error(request, REFUSED)
    return redirect("account_login")


class AccountAdapter(DefaultAccountAdapter):
    """Every way in goes through `login`. Mails are sent by the worker, so that no answer waits for one."""

    def is_open_for_signup(self, request: HttpRequest) -> bool:
        return settings.TENANTRY_SIGN_UP

    def save_user(self, request: HttpRequest, user: Any, form: Any, commit: bool = True) -> Any:  # noqa: FBT001
        with transaction.atomic():
            user = super().save_user(request, user, form, commit=commit)
            if commit:
                record(
                    events.USER_CREATED,
                    actor=UserPrincipal.of(user_id=user.id, email=user.email),
                    target=user_target(user),
                    data={"how": "sign-up"},
                    org_id=INSTALLATION_ID,
                )
        return user

    def get_login_stages(self) -> list[str]:
        """allauth's own, and the one that asks for the second factor."""
        return [*super().get_login_stages(), "sso.second_factor.SecondFactorStage"]

    def set_password(self, user: Any, password: str) -> None:
        """A password that the person chose, which ends all sessions but the one that they chose it in."""
        by_themselves = self.request.user == user
        how = "reset by mail" if not by_themselves else "changed" if user.has_usable_password() else "set"
        session_id = browser_sessions.id_of(self.request.session) if by_themselves else None
        choose_password(user=user, password=password, how=how, session_id=session_id)

    def is_reauthentication_required(self, *, app: str, **kwargs: Any) -> bool:
        """Never by allauth: our gate asks for a fresh proof, where `access` says so."""
        return False

    def pre_authenticate(self, request: HttpRequest, **credentials: Any) -> None:
        """Before a password is looked at. Whether somebody has the address makes no difference."""
        email = normalize_email(str(credentials.get("email", "")))
        try:
            require_patience(Secret.PASSWORD, account=email, device=device_of(request, email))
        except RateLimited as error:
            sentence = f"Too many tries: wait {error.retry_after} seconds and try again."
            raise ValidationError(sentence, code=error.code) from None

    def authenticate(self, request: HttpRequest, **credentials: Any) -> Any:
        user = super().authenticate(request, **credentials)
        if user is not None:
            email = normalize_email(str(credentials.get("email", "")))
            forgive(Secret.PASSWORD, account=email, device=device_of(request, email))
        return user

    def get_client_ip(self, request: HttpRequest) -> str:
        """allauth counts its rate limits by this."""
        return client_address(request) or "unknown"

    def respond_user_inactive(self, request: HttpRequest, user: Any) -> HttpResponse:
        return refused(request)

    def login(self, request: HttpRequest, user: Any) -> None:
        """The last gate of every way in. Resumed sign-ins come here, too."""
        proof = proof_of(request, user)
        try:
            validate_auth_method(method=proof.method, user=user, organization_id=proof.facts.get("organization_id"))
        except MethodRefused as refusal:
            note_method_refused(refusal, method=proof.method, user=user)
            raise ImmediateHttpResponse(refused(request)) from None
        if not user.is_active:
            raise ImmediateHttpResponse(refused(request))
        super().login(request, user)
        browser_sessions.begin(request.session, method=proof.method, **proof.facts)

    def post_login(self, request: HttpRequest, user: Any, **kwargs: Any) -> Any:
        response = super().post_login(request, user, **kwargs)
        proof = proof_of(request, user)
        factor = {"second_factor": proof.facts["second_factor"]} if "second_factor" in proof.facts else {}
        with transaction.atomic():
            record(
                events.USER_SIGNED_IN,
                actor=UserPrincipal.of(user_id=user.id, email=user.email),
                target=user_target(user),
                data={"method": proof.method.value, **factor},
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
        note_if_refused(method=Method.PASSWORD, email=address)

    def send_confirmation_mail(self, request: HttpRequest, emailconfirmation: Any, signup: bool) -> None:  # noqa: FBT001
        enqueue("sso.mail_confirmation", str(emailconfirmation.email_address.pk))

    def send_account_already_exists_mail(self, email: str) -> None:
        enqueue("sso.mail_account_exists", email)

    def send_notification_mail(
        self, template_prefix: str, user: Any, context: dict[str, Any] | None = None, email: str | None = None
    ) -> None:
        """Tells somebody that their account changed. What is in `context` is not sent along."""
        request = self.request
        facts = (timezone.now().isoformat(), self.get_client_ip(request), self.get_http_user_agent(request)[:256])
        enqueue("sso.mail_notification", template_prefix, email or user.email, *facts)
