"""SESSION_ENGINE: sessions in PostgreSQL whose rows say whose they are and since when."""

from datetime import timedelta
from typing import Any
from uuid import UUID

from django.contrib.auth import SESSION_KEY
from django.contrib.sessions.backends.db import SessionStore as DatabaseStore
from django.contrib.sessions.exceptions import SessionInterrupted
from django.utils import timezone

from config.kernel.context import current_request
from config.kernel.sign_in import SignIn
from config.kernel.tenancy.models import new_id
from orgs.models import BrowserSession

# How old the noted use of a session may be, before a request notes its own.
USE_NOTED_EVERY = timedelta(minutes=5)

# What we keep in a session's data.
ID, SIGN_IN, PROVIDER_SESSION = "id", "sign_in", "provider_session"


class SessionStore(DatabaseStore):
    """Django's, with the columns of BrowserSession written along."""

    row: BrowserSession | None = None

    @classmethod
    def get_model_class(cls) -> type[BrowserSession]:
        return BrowserSession

    def _get_session_from_db(self) -> Any:
        self.row = super()._get_session_from_db()  # type: ignore[misc] # the stubs leave it out
        return self.row

    def create_model_instance(self, data: dict[str, Any]) -> BrowserSession:
        """The row of these data. The session's id lives in them, so that it outlives each change of its key."""
        row: Any = super().create_model_instance(data)
        user_id, sign_in, request = data.get(SESSION_KEY), SignIn.of_data(data.get(SIGN_IN)), current_request()
        row.id = UUID(data[ID]) if ID in data else new_id()
        row.user_id = UUID(user_id) if user_id else None
        if sign_in is not None:
            row.method, row.signed_in_at = sign_in.method.value, sign_in.at
            row.organization_id, row.connection_id = sign_in.organization_id, sign_in.connection_id
        row.provider_session = data.get(PROVIDER_SESSION, "")
        row.ip, row.user_agent = request.ip, request.user_agent
        return row

    def cycle_key(self) -> None:
        """A new key for the same row. Raises SessionInterrupted when the row was deleted meanwhile.

        Django's own writes a second row without its person first, and a session that is being ended would live on
        in it.
        """
        signed_in, key = SESSION_KEY in self, self.session_key
        fresh = self._get_new_session_key()  # type: ignore[attr-defined] # the stubs leave it out
        if key and BrowserSession.objects.filter(session_key=key).update(session_key=fresh):
            self._session_key = fresh
            self.modified = True
        elif signed_in and key:
            raise SessionInterrupted("The session was ended while this request was at work.")
        else:
            super().cycle_key()

    def note_use(self) -> None:
        """Writes when and from where the session was used, once in USE_NOTED_EVERY. Brings no deleted row back."""
        now, request = timezone.now(), current_request()
        if self.row is not None and self.row.last_used_at <= now - USE_NOTED_EVERY:
            rows = BrowserSession.objects.filter(session_key=self.session_key)
            rows.update(last_used_at=now, ip=request.ip, user_agent=request.user_agent)
            self.row.last_used_at = now
