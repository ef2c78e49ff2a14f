"""Dashboard pages of the sessions that programs have as the viewer."""

from typing import Any

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect

from config.kernel.access import SIGNED_IN
from config.kernel.errors import Absent
from config.kernel.pages import FormPage, Page
from keys.models import TokenSession
from keys.services.sessions import end_all_sessions, end_session
from keys.views.tokens import viewer_of


class SessionList(Page):
    """The programs that are signed in as the viewer."""

    access = {"GET": SIGNED_IN}
    template_name = "keys/sessions.html"
    navigation = "sessions"

    def get(self, request: HttpRequest, **kwargs: Any) -> HttpResponse:
        sessions = TokenSession.objects.of_user(viewer_of(request).id).living().select_related("organization")
        return self.show(self.listed(sessions))


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
    """Says what stops, then ends all sessions."""

    access = SIGNED_IN
    template_name = "keys/sessions_end.html"
    navigation = "sessions"

    def form_context(self) -> dict[str, Any]:
        return {"any_session": TokenSession.objects.of_user(viewer_of(self.request).id).living().exists()}

    def save(self, form: Any) -> HttpResponse:
        ended = end_all_sessions(actor=self.admission.principal, user_id=viewer_of(self.request).id)
        words = "1 session is ended." if ended == 1 else f"{ended} sessions are ended."
        messages.success(self.request, f"{words} Programs have to sign in again.")
        return redirect("keys:sessions")
