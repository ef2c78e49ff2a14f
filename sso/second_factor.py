"""The second factor in browsers: the stage of signing in that asks for it, and the one check of what is given."""

import hmac
import json
from typing import Any

from allauth.account.internal.flows.login import get_authentication_records, record_authentication
from allauth.account.stages import LoginStage, LoginStageController
from allauth.core.internal.httpkit import headed_redirect_response
from django.http import HttpRequest, HttpResponse

from audit.services import record_refused
from config.kernel.errors import Invalid
from config.kernel.principals import UserPrincipal
from config.kernel.sign_in import Method, SecondFactor
from config.kernel.tenancy.scope import INSTALLATION_ID
from config.kernel.throttling import Secret, forgive, require_patience
from orgs import events
from orgs.models import User
from orgs.services.passkeys import PasskeyRefused, use_passkey
from orgs.services.second_factor import DIGITS, given_factor, has_second_factor
from orgs.services.targets import user_target
from sso.adapter import METHODS, proof_of
from sso.challenges import Purpose, take

FINGERPRINT = "fingerprint"
# A passkey verified its person. The identity provider of an organization is in charge of its own people. Development
# sign-in asks for nothing at all. Break-glass asked for it together with its code.
WITHOUT_STAGE = (Method.PASSKEY, Method.SSO, Method.BREAK_GLASS, Method.DEVELOPMENT)


class CodeRefused(Invalid):
    """A code that is wrong, used before, or tried too soon."""

    code = "code_refused"
    status = 422
    title = "Code refused"

    def __init__(self) -> None:
        sentence = "This code is not right, or it was tried too soon: wait for the next one and try again."
        super().__init__(sentence, errors={"code": [sentence]})


class SecondFactorStage(LoginStage):
    """Between the first proof and the session. Whoever has a second factor gives it, however they began."""

    key = "second_factor"
    urlname = "sso:second-factor"

    def handle(self) -> tuple[HttpResponse | None, bool]:
        user: Any = self.login.user
        if user is None or proof_of(self.request, user).method in WITHOUT_STAGE or not has_second_factor(user):
            return None, True
        self.state[FINGERPRINT] = user.get_session_auth_hash()
        return headed_redirect_response(self.urlname), True

    def holds(self) -> bool:
        """Whether the first proof still counts: its person is enabled and has the password of then."""
        user: Any = self.login.user
        if user is None or not user.is_active:
            return False
        return hmac.compare_digest(str(self.state.get(FINGERPRINT, "")), user.get_session_auth_hash())

    def finish(self, factor: SecondFactor) -> HttpResponse:
        """Goes on signing in, with the factor that was given."""
        user = self.login.user
        records = [each for each in get_authentication_records(self.request, user) if each["method"] in METHODS]
        proof = {"method": Method.PASSWORD.value, **(records[-1] if records else {})}
        proof.pop("at", None)  # noted anew
        record_authentication(self.request, user, **{**proof, "second_factor": factor.value})
        return self.exit()


def pending_stage(request: HttpRequest) -> SecondFactorStage | None:
    """The stage that this browser's sign-in waits at, if it does and still may."""
    stage = LoginStageController.enter(request, SecondFactorStage.key)
    if not isinstance(stage, SecondFactorStage):
        return None
    if not stage.holds():
        stage.abort()
        return None
    return stage


def proven_factor(request: HttpRequest, *, user: User, code: str = "", credential: str = "") -> SecondFactor:
    """Which second factor of this person was given: a code, or the answer of a browser with a passkey, as JSON.

    Its challenge comes from the route `sso:second-factor-challenge`. Raises CodeRefused or PasskeyRefused, recorded
    both, and RateLimited.
    """
    require_patience(Secret.SECOND_FACTOR, account=str(user.id))
    try:
        factor = _checked(request, user, code, credential)
    except (CodeRefused, PasskeyRefused) as error:
        cause = {"cause": error.cause} if isinstance(error, PasskeyRefused) else {}
        record_refused(
            events.USER_SIGN_IN_FAILED,
            actor=UserPrincipal.of(user_id=user.id, email=user.email),
            target=user_target(user),
            data={"method": _tried(code, credential).value, **cause},
            org_id=INSTALLATION_ID,
        )
        raise
    forgive(Secret.SECOND_FACTOR, account=str(user.id))
    return factor


def _checked(request: HttpRequest, user: User, code: str, credential: str) -> SecondFactor:
    if credential:
        challenge = take(request.session, Purpose.SECOND_FACTOR)
        use_passkey(challenge=challenge, answer=answer_of(credential), user=user)
        return SecondFactor.PASSKEY
    factor = given_factor(user=user, code=code)
    if factor is None:
        raise CodeRefused
    return factor


def answer_of(credential: str) -> dict[str, Any]:
    """What a browser said, from the form's field. Raises PasskeyRefused."""
    try:
        answer = json.loads(credential)
    except (ValueError, RecursionError):
        raise PasskeyRefused("invalid") from None
    if not isinstance(answer, dict):
        raise PasskeyRefused("invalid")
    return answer


def _tried(code: str, credential: str) -> SecondFactor:
    if credential:
        return SecondFactor.PASSKEY
    return SecondFactor.TOTP if len("".join(code.split())) <= DIGITS else SecondFactor.RECOVERY_CODE
