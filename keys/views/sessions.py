"""Dashboard pages of the viewer's sessions: in browsers, and those that programs have as them."""

from typing import Any

from django.contrib import messages
from django.contrib.auth import logout
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect

from config.kernel.access import SIGNED_IN
from config.kernel.errors import Absent
from config.kernel.pages import FormPage, Page
from keys.models import TokenSession
from keys.services.sessions import end_everything, end_session
from keys.views.tokens import viewer_of
from orgs.models import SignedInBrowser
from orgs.services import browser_sessions

# Nobody has more at hand; whoever does ends them together.
BROWSERS_SHOWN = 50


class SessionList(Page):
    """The browsers that the viewer is signed in with, and the programs that are signed in as them."""

    access = {"GET": SIGNED_IN}
    template_name = "keys/sessions.html"
    navigation = "sessions"

    def get(self, request: HttpRequest, **kwargs: Any) -> HttpResponse:
        viewer = viewer_of(request)
        programs = TokenSession.objects.of_user(viewer.id).living().select_related("organization")
        browsers = SignedInBrowser.objects.of_user(viewer.id).living().order_by("-last_used_at", "-id")
        shown = list(browsers[: BROWSERS_SHOWN + 1])
        current = browser_sessions.id_of(request.session)
        return self.show(
            {
                **self.listed(programs),
                "browsers": sorted(shown[:BROWSERS_SHOWN], key=lambda row: row.id != current),
                "more_browsers": len(shown) > BROWSERS_SHOWN,
                "current": current,
            }
        )


class BrowserSessionEnd(FormPage):
    """Says what stops, then ends a session in another browser."""

    access = SIGNED_IN
    template_name = "keys/browser_session_end.html"
    navigation = "sessions"

    def form_arguments(self) -> dict[str, Any]:
        rows = SignedInBrowser.objects.of_user(viewer_of(self.request).id).living()
        session = rows.by_reference(self.kwargs["browser_session"])
        if session is None:
            raise Absent
        self.session = session
        return {}

    def form_context(self) -> dict[str, Any]:
        return {"session": self.session, "is_this_one": self.session.id == browser_sessions.id_of(self.request.session)}

    def save(self, form: Any) -> HttpResponse:
        browser_sessions.end(
            actor=self.admission.principal, user_id=viewer_of(self.request).id, session=self.session.public_id
        )
        if self.session.id == browser_sessions.id_of(self.request.session):
            logout(self.request)
            return redirect("account_login")
        messages.success(self.request, "The session is ended: that browser is signed out.")
        return redirect("keys:sessions")


class SessionEnd(FormPage):
    """Says what stops, then ends the session."""

    access = SIGNED_IN
    template_name = "keys/session_end.html"
    navigation = "sessions"

    def form_arguments(self) -> dict[str, Any]:
        session = TokenSession.objects.of_user(viewer_of(self.request).id).by_reference(self.kwargs["session"])
        if session is None:
            raise Absent
        self.session = session
        return {}

    def form_context(self) -> dict[str, Any]:
        return {"session": self.session}

    def save(self, form: Any) -> HttpResponse:
        end_session(actor=self.admission.principal, user_id=viewer_of(self.request).id, session=self.session.public_id)
        messages.success(self.request, "The session is ended: its program is refused from now on.")
        return redirect("keys:sessions")


class SessionsEnd(FormPage):
    """Says what stops, then ends all sessions but this browser's."""

    access = SIGNED_IN
    template_name = "keys/sessions_end.html"
    navigation = "sessions"

    def form_context(self) -> dict[str, Any]:
        viewer = viewer_of(self.request)
        browsers = SignedInBrowser.objects.of_user(viewer.id).living().values_list("id", flat=True)[:2]
        return {
            "any_program": TokenSession.objects.of_user(viewer.id).living().exists(),
            "any_browser": bool({*browsers} - {browser_sessions.id_of(self.request.session)}),
        }

    def save(self, form: Any) -> HttpResponse:
        ended = end_everything(
            actor=self.admission.principal,
            user_id=viewer_of(self.request).id,
            but=browser_sessions.id_of(self.request.session),
        )
        words = "1 session is ended." if ended == 1 else f"{ended} sessions are ended."
        messages.success(self.request, f"{words} Only this browser is still signed in.")
        return redirect("keys:sessions")
