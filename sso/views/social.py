"""Signing in with Google or GitHub in a browser."""

import hmac
import time
from dataclasses import asdict
from typing import Any

import structlog
from django.http import HttpRequest, HttpResponse, HttpResponseBase
from django.shortcuts import redirect
from django.utils.decorators import method_decorator
from django.views.decorators.cache import never_cache

from audit.services import Target, record_refused
from config.kernel.access import PUBLIC
from config.kernel.errors import Absent, Forbidden
from config.kernel.pages import Page
from config.kernel.principals import ANONYMOUS
from config.kernel.tenancy.scope import INSTALLATION_ID
from orgs import events
from orgs.services.refused_sign_ins import note_method_refused
from orgs.sign_in import MethodRefused
from sso import social
from sso.adapter import REFUSED
from sso.services.social_sign_ins import person_of
from sso.views.entering import enter, next_of

logger = structlog.get_logger()

# The attempt of this browser, in its session, and for how many seconds it may come back.
ATTEMPT = "social_attempt"
SECONDS = 600
FAILED = "{} did not let you in, or answered with nothing that we can use. Try again, or choose another way."


@method_decorator(never_cache, name="dispatch")
class SocialStart(Page):
    """Sends the browser there."""

    access = {"GET": PUBLIC}
    template_name = "account/social_refused.html"

    def get(self, request: HttpRequest, **kwargs: Any) -> HttpResponseBase:
        provider = _offered(kwargs["provider"])
        try:
            attempt, address = social.begin(provider, next_path=next_of(request))
        except social.ProviderFailed as failure:
            logger.warning("sign-in provider failed", provider=provider, cause=failure.cause)
            return self.show({"sentence": FAILED.format(social.NAMES[provider])}, status=502)
        request.session[ATTEMPT] = asdict(attempt)
        return redirect(address)


@method_decorator(never_cache, name="dispatch")
class SocialCallback(Page):
    """Where the browser comes back to."""

    access = {"GET": PUBLIC}
    template_name = "account/social_refused.html"

    def get(self, request: HttpRequest, **kwargs: Any) -> HttpResponseBase:
        provider = _offered(kwargs["provider"])
        name, kept = social.NAMES[provider], request.session.pop(ATTEMPT, None)
        attempt = social.Attempt(**kept) if kept else None
        state = request.GET.get("state", "")
        if (
            attempt is None
            or attempt.provider != provider
            or not hmac.compare_digest(attempt.state.encode(), state.encode())
            or time.time() - attempt.started > SECONDS
        ):
            return self._refused(f"This is not the sign-in with {name} that began in this browser. Begin again.")
        if "error" in request.GET or not request.GET.get("code"):
            return self._refused(FAILED.format(name))
        try:
            identity = social.finish(attempt, code=request.GET["code"])
        except social.ProviderFailed as failure:
            logger.warning("sign-in provider failed", provider=provider, cause=failure.cause)
            return self._refused(FAILED.format(name))
        try:
            user = person_of(identity)
        except MethodRefused as refusal:
            note_method_refused(refusal, method=social.METHODS[provider], email=identity.email or "")
            return self._refused(REFUSED)
        except Forbidden as refusal:
            _note(provider, identity.email or "")
            return self._refused(refusal.detail, title=refusal.title)
        return enter(request, user, method=social.METHODS[provider], next_path=attempt.next_path)

    def _refused(self, sentence: str, *, title: str = "You are not signed in") -> HttpResponse:
        return self.show({"sentence": sentence, "title": title}, status=403)


def _offered(provider: str) -> str:
    if provider not in dict(social.offered()):
        raise Absent
    return provider


def _note(provider: str, email: str) -> None:
    record_refused(
        events.USER_SIGN_IN_FAILED,
        actor=ANONYMOUS,
        target=Target("address", "", email),
        data={"method": provider},
        org_id=INSTALLATION_ID,
    )
