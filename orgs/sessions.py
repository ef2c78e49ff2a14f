"""SESSION_ENGINE: sessions in PostgreSQL whose rows say whose they are and since when."""

from typing import Any
from uuid import UUID

from django.contrib.auth import SESSION_KEY
from django.contrib.sessions.backends.db import SessionStore as DatabaseStore

from config.kernel.context import current_request
from config.kernel.sign_in import SignIn
from config.kernel.tenancy.models import new_id
from orgs.models import BrowserSession

# What we keep in a session's data.
ID, SIGN_IN, PROVIDER_SESSION = "id", "sign_in", "provider_session"


class SessionStore(DatabaseStore):
    """Django's, with the columns of BrowserSession written along."""

    row: BrowserSession | None = None

    @classmethod
    def get_model_class(cls) -> type[BrowserSession]:
        return BrowserSession

    def _get_session_from_db(self) -> Any:
        self.row = super()._get_session_from_db()
        return self.row

    def create_model_instance(self, data: dict[str, Any]) -> BrowserSession:
        """The row of these data. The session's id lives in them, so that it outlives each change of its key."""
        row = super().create_model_instance(data)
        user_id, sign_in, request = data.get(SESSION_KEY), SignIn.of_data(data.get(SIGN_IN)), current_request()
        row.id = UUID(data[ID]) if ID in data else new_id()
        row.user_id = UUID(user_id) if user_id else None
        if sign_in is not None:
            row.method, row.signed_in_at = sign_in.method.value, sign_in.at
            row.organization_id, row.connection_id = sign_in.organization_id, sign_in.connection_id
        row.provider_session = data.get(PROVIDER_SESSION, "")
        row.ip, row.user_agent = request.ip, request.user_agent
        return row
