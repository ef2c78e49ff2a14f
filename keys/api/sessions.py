"""The sessions that programs have as the caller, and those that the caller has in browsers."""

from rest_framework.request import Request
from rest_framework.response import Response

from config.kernel.access import SIGNED_IN, Admission
from config.kernel.api.operations import listing, operation
from config.kernel.api.views import ApiView
from config.kernel.errors import Absent, Forbidden
from config.kernel.principals import UserPrincipal
from keys.models import TokenSession, TokenSessionQuerySet
from keys.serializers.sessions import BrowserSessionRecord, SessionRecord
from keys.services.sessions import end_session
from orgs.api.people import person, whole_person
from orgs.models import SignedInBrowser
from orgs.services import browser_sessions


class Sessions(ApiView):
    """The caller's sessions."""

    access = {"GET": SIGNED_IN}

    @listing("list_sessions", SessionRecord)
    def get(self, request: Request) -> Response:
        """The programs signed in as the caller, newest first. One that works in one organization sees itself."""
        return self.page(sessions_in_reach(self.admission), SessionRecord)


class OneSession(ApiView):
    """One of the caller's sessions."""

    access = {"DELETE": SIGNED_IN}

    @operation("end_session", refusals=[Absent, Forbidden])
    def delete(self, request: Request, session: str) -> Response:
        """Ends one of the caller's sessions at once."""
        row = sessions_in_reach(self.admission).by_reference(session)
        if row is None:
            raise Absent
        end_session(actor=self.admission.principal, user_id=row.user_id, session=row.public_id)
        return Response(status=204)


class BrowserSessions(ApiView):
    """The caller's sessions in browsers."""

    access = {"GET": SIGNED_IN}

    @listing("list_browser_sessions", BrowserSessionRecord)
    def get(self, request: Request) -> Response:
        """The browsers that the caller is signed in with, the latest sign-in first."""
        user_id = whole_person(self.admission).user_id
        return self.page(SignedInBrowser.objects.of_user(user_id).living(), BrowserSessionRecord)


class OneBrowserSession(ApiView):
    """One of the caller's sessions in browsers."""

    access = {"DELETE": SIGNED_IN}

    @operation("end_browser_session", refusals=[Absent, Forbidden])
    def delete(self, request: Request, browser_session: str) -> Response:
        """Ends one of the caller's sessions in browsers at once."""
        actor = whole_person(self.admission)
        browser_sessions.end(actor=actor, user_id=actor.user_id, session=browser_session)
        return Response(status=204)


def sessions_in_reach(admission: Admission) -> TokenSessionQuerySet:
    """The living sessions of the caller's. Raises Forbidden for programs and for narrowed personal tokens."""
    actor: UserPrincipal = person(admission)
    if actor.session_id is not None and actor.is_narrowed:
        return TokenSession.objects.of_user(actor.user_id).living().filter(id=actor.session_id)
    return TokenSession.objects.of_user(whole_person(admission).user_id).living()
