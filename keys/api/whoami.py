"""Who the caller is."""

from typing import Any

from rest_framework.request import Request
from rest_framework.response import Response

from config.kernel.access import SIGNED_IN
from config.kernel.api.operations import operation
from config.kernel.api.views import ApiView
from config.kernel.paging import MAXIMUM_LIMIT
from config.kernel.principals import AgentPrincipal, KeyPrincipal, Principal, ServicePrincipal, UserPrincipal
from keys.models import Agent, Key, PersonalToken, TokenSession
from keys.serializers.callers import CallerRecord
from orgs.access import admissions_of, admissions_of_service
from orgs.api.people import person
from orgs.models import ServiceAccount, User


class WhoAmI(ApiView):
    """The caller, whatever credential."""

    access = {"GET": SIGNED_IN}

    @operation("whoami", CallerRecord)
    def get(self, request: Request) -> Response:
        """The caller: who is behind the credential, the credential, its organizations, project and permissions."""
        principal = self.admission.principal
        organizations: list[Any] = []
        if self.admission.organization:
            organizations = [self.admission]
        elif isinstance(principal, UserPrincipal):
            organizations = admissions_of(principal, limit=MAXIMUM_LIMIT).rows
        elif isinstance(principal, ServicePrincipal):
            organizations = admissions_of_service(principal, limit=MAXIMUM_LIMIT).rows
        nothing = dict.fromkeys(
            ("user", "token", "session", "key", "agent", "service_account", "project", "permissions")
        )
        caller = {"kind": principal.kind, "id": principal.id, "organizations": organizations}
        return Response(CallerRecord({**nothing, **caller, **self.behind(principal)}).data)

    def behind(self, principal: Principal) -> dict[str, Any]:
        """The rows behind the caller. Raises Forbidden for a kind that has none."""
        if isinstance(principal, KeyPrincipal):
            key = Key.objects.select_related("project").get(id=principal.key_id)
            return {"key": key, "project": key.project, "permissions": principal.permissions}
        if isinstance(principal, AgentPrincipal):
            agent = Agent.objects.select_related("project").get(id=principal.agent_id)
            return {"agent": agent, "project": agent.project, "permissions": principal.permissions}
        if isinstance(principal, ServicePrincipal):
            return {"service_account": ServiceAccount.objects.get(id=principal.service_account_id)}
        someone = person(self.admission)
        if someone.session_id is not None:
            session = TokenSession.objects.select_related("user").get(id=someone.session_id)
            return {"session": session, "user": session.user}
        if someone.token_id is not None:
            token = PersonalToken.objects.select_related("user").get(id=someone.token_id)
            return {"token": token, "user": token.user, "permissions": someone.allowed}
        return {"user": User.objects.get(id=someone.user_id)}
