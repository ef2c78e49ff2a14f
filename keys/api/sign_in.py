"""Signing a program in as a person, and out."""

from dataclasses import asdict

from rest_framework.request import Request
from rest_framework.response import Response

from config.kernel.access import PUBLIC, SIGNED_IN
from config.kernel.api.idempotency import HEADER, given_key
from config.kernel.api.operations import operation
from config.kernel.api.views import ApiView
from config.kernel.errors import AuthFailure, Forbidden, RateLimited, SecondFactorRequired
from config.kernel.identifiers import public_id
from config.kernel.principals import UserPrincipal
from keys.models import TokenSession
from keys.serializers.sessions import EndedSessions, IssuedTokensRecord, Refreshing, SignIn
from keys.services import sessions
from orgs.api.people import person, whole_person


class Login(ApiView):
    """Opening a session."""

    access = {"POST": PUBLIC}

    @operation("login", IssuedTokensRecord, body=SignIn, refusals=[AuthFailure, SecondFactorRequired, RateLimited])
    def post(self, request: Request) -> Response:
        """Signs a program in as a person: an access token for 15 minutes, and a refresh token for the next ones.

        Whatever is wrong, the answer is the same 401: the address, the password, a missing or wrong code, an account
        that is disabled, unverified or must change its password, an organization that the person is not in. `otp` is a
        code of the person's authenticator or one of their recovery codes; whoever has a passkey alone sends the latter.
        An organization that asks for a second factor of somebody who has none is answered with 403.
        """
        body = self.read()
        issued = sessions.sign_in(
            email=body["email"],
            password=body["password"],
            code=body.get("otp"),
            organization=body.get("organization"),
        )
        return Response(IssuedTokensRecord(asdict(issued)).data)


class Refresh(ApiView):
    """Keeping a session alive."""

    access = {"POST": PUBLIC}

    @operation("refresh", IssuedTokensRecord, body=Refreshing, refusals=[AuthFailure])
    def post(self, request: Request) -> Response:
        """New tokens for a refresh token, which is used up by it.

        A refresh token that comes a second time ends its session, since somebody may have copied it. Send an
        Idempotency-Key so that you may repeat a request whose answer was lost: for 10 minutes, while the tokens of
        that answer were not used.
        """
        retry_key = given_key(request.headers.get(HEADER))
        issued = sessions.refresh(token=self.read()["refresh_token"], retry_key=retry_key)
        return Response(IssuedTokensRecord(asdict(issued)).data)

    post.idempotent = True  # type: ignore[attr-defined] # as @idempotent marks it; here the service does the work


class Logout(ApiView):
    """Ending this session."""

    access = {"POST": SIGNED_IN}

    @operation("logout", refusals=[Forbidden])
    def post(self, request: Request) -> Response:
        """Ends the session that the access token belongs to, at once."""
        actor = person_in_session(person(self.admission))
        sessions.end_session(
            actor=actor,
            user_id=actor.user_id,
            session=public_id("ses", actor.session_id),  # type: ignore[arg-type] # person_in_session has seen it
            reason=TokenSession.End.SIGNED_OUT,
        )
        return Response(status=204)


class LogoutEverywhere(ApiView):
    """Ending all sessions."""

    access = {"POST": SIGNED_IN}

    @operation("logout_everywhere", EndedSessions, refusals=[Forbidden])
    def post(self, request: Request) -> Response:
        """Ends every session of this person, in programs and in browsers, this one included."""
        actor = person(self.admission)
        if actor.session_id is None:
            whole_person(self.admission)
        ended = sessions.end_everything(actor=actor, user_id=actor.user_id)
        return Response(EndedSessions({"ended": ended}).data)


def person_in_session(principal: UserPrincipal) -> UserPrincipal:
    """Whoever came with an access token. Raises Forbidden for personal tokens."""
    if principal.session_id is None:
        raise Forbidden("Only a session can be signed out: revoke a personal token instead.", code="session_only")
    return principal
