"""Agents of a project, and what agents themselves ask for."""

from rest_framework.request import Request
from rest_framework.response import Response

from config.kernel.access import PUBLIC, SIGNED_IN, project
from config.kernel.api.idempotency import idempotent
from config.kernel.api.operations import listing, operation
from config.kernel.api.views import ApiView
from config.kernel.errors import Absent, AuthFailure, Conflict, Forbidden, RateLimited
from config.kernel.permissions import Permission
from config.kernel.principals import AgentPrincipal
from keys.models import Agent
from keys.serializers.agents import (
    AgentChanges,
    AgentQuery,
    AgentRecord,
    AgentTokenRecord,
    Enrolment,
    IssuedEnrolment,
    NewAgent,
)
from keys.services import agents as services


class Agents(ApiView):
    """The agents of a project."""

    access = {"GET": project(Permission.VIEW_ORG), "POST": project(Permission.MANAGE_KEYS)}

    @listing("list_agents", AgentRecord, query=AgentQuery)
    def get(self, request: Request, organization: str, project: str) -> Response:
        """The agents, newest first, also those that are revoked."""
        rows = Agent.objects.of_project(self.admission.project.id)
        if "state" in self.query:
            rows = rows.in_state(self.query["state"])
        return self.page(rows, AgentRecord)

    @idempotent
    @operation("create_agent", IssuedEnrolment, body=NewAgent, status=201, refusals=[Conflict])
    def post(self, request: Request, organization: str, project: str) -> Response:
        """Makes an agent and answers with its enrolment token, `enrolment_token`, which works once within 24 hours.

        Nobody gives an agent a permission of people that they lack themselves.
        """
        agent, plaintext = services.create_agent(
            actor=self.admission.principal,
            holder=self.admission.permissions,
            project_id=self.admission.project.id,
            **self.read(),
        )
        return self.answer(agent, AgentRecord, status=201, enrolment_token=plaintext)


class OneAgent(ApiView):
    """One agent."""

    access = {"GET": project(Permission.VIEW_ORG), "PATCH": project(Permission.MANAGE_KEYS)}

    @operation("get_agent", AgentRecord)
    def get(self, request: Request, organization: str, project: str, agent: str) -> Response:
        """One agent."""
        found = Agent.objects.of_project(self.admission.project.id).by_reference(agent)
        if found is None:
            raise Absent
        return self.answer(found, AgentRecord)

    @operation("update_agent", AgentRecord, body=AgentChanges, refusals=[Conflict], matches=True)
    def patch(self, request: Request, organization: str, project: str, agent: str) -> Response:
        """Changes name, permissions or the lifetime of tokens; permissions hold from its next request on."""
        project_id = self.admission.project.id
        with self.matching(lambda: services.locked_agent(project_id=project_id, reference=agent), AgentRecord):
            updated = services.update_agent(
                actor=self.admission.principal,
                holder=self.admission.permissions,
                project_id=project_id,
                agent=agent,
                **self.read(),
            )
        return self.answer(updated, AgentRecord)


class AgentEnrolmentToken(ApiView):
    """A new enrolment token."""

    access = {"POST": project(Permission.MANAGE_KEYS)}

    @idempotent
    @operation("issue_enrolment_token", IssuedEnrolment, status=201, refusals=[Conflict])
    def post(self, request: Request, organization: str, project: str, agent: str) -> Response:
        """Makes an enrolment token in place of the one before. What the agent has works until this is exchanged."""
        row, plaintext = services.issue_enrolment_token(
            actor=self.admission.principal,
            holder=self.admission.permissions,
            project_id=self.admission.project.id,
            agent=agent,
        )
        return self.answer(row, AgentRecord, status=201, enrolment_token=plaintext)


class AgentRevocation(ApiView):
    """Ending an agent."""

    access = {"POST": project(Permission.MANAGE_KEYS)}

    @operation("revoke_agent", AgentRecord)
    def post(self, request: Request, organization: str, project: str, agent: str) -> Response:
        """Ends an agent at once. Doing so twice is no error."""
        revoked = services.revoke_agent(
            actor=self.admission.principal, project_id=self.admission.project.id, agent=agent
        )
        return self.answer(revoked, AgentRecord)


class AgentEnrolment(ApiView):
    """An agent's first token."""

    access = {"POST": PUBLIC}

    @operation("enroll_agent", AgentTokenRecord, body=Enrolment, refusals=[AuthFailure, RateLimited])
    def post(self, request: Request) -> Response:
        """Exchanges an enrolment token for the agent's first token. It works once; a second use is recorded."""
        issued = services.enrol_agent(token=self.read()["enrolment_token"])
        return Response(AgentTokenRecord(issued).data)


class AgentRenewal(ApiView):
    """An agent's next token."""

    access = {"POST": SIGNED_IN}

    @operation("renew_agent_token", AgentTokenRecord, refusals=[Forbidden])
    def post(self, request: Request) -> Response:
        """The next token, for an agent that comes with one that still holds."""
        principal = self.admission.principal
        if not isinstance(principal, AgentPrincipal):
            raise Forbidden("Only agents renew their tokens here: send the agent's own token.", code="agents_only")
        return Response(AgentTokenRecord(services.renew_agent_token(principal=principal)).data)
