"""Dashboard pages of agents: list, make, look at, change, enrol again, revoke."""

from typing import Any

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect

from config.kernel.access import Admission, project
from config.kernel.errors import Absent, Forbidden
from config.kernel.pages import FORM_INVALID, FormPage, Page
from config.kernel.permissions import DESCRIPTIONS, KEY_PRESETS, PERSONAL_PERMISSIONS, Permission
from keys.forms.agents import AgentFields, AgentFilter, AgentForm, lifetime_words
from keys.forms.credentials import CHOSEN, OnceForm
from keys.models import Agent
from keys.services import agents as services
from keys.views.keys import maker_of
from keys.views.shown_once import SecretPage

SECTION = "agents"


def agent_of(admission: Admission, reference: str) -> Agent:
    """The agent of the project in hand. Raises Absent, also for an agent of another project."""
    agent = Agent.objects.of_project(admission.project.id).by_reference(reference)
    if agent is None:
        raise Absent
    return agent


def beyond(admission: Admission, agent: Agent) -> frozenset[Permission]:
    """What people can hold of the agent's permissions and the viewer does not."""
    return (agent.permission_set & PERSONAL_PERMISSIONS) - admission.permissions


def to_agent(admission: Admission, agent: Agent) -> HttpResponse:
    """A redirect to the agent's page."""
    return redirect("keys:agent", admission.organization.slug, admission.project.public_id, agent.public_id)


class AgentList(Page):
    """The agents of one project."""

    access = {"GET": project(Permission.VIEW_ORG)}
    template_name = "keys/agents.html"
    navigation = "projects"

    def get(self, request: HttpRequest, **kwargs: Any) -> HttpResponse:
        form = AgentFilter(request.GET)
        if not form.is_valid():
            return self.show({"section": SECTION, "form": form}, status=FORM_INVALID)
        rows, state = Agent.objects.of_project(self.admission.project.id), form.cleaned_data["state"]
        if state:
            rows = rows.in_state(state)
        return self.show({"section": SECTION, "form": form, "state": state, **self.listed(rows)})


class AgentCreate(SecretPage):
    """A new agent, whose enrolment token is in the answer."""

    access = project(Permission.MANAGE_KEYS)
    template_name = "keys/agent_create.html"
    made_template = "keys/agent_made.html"
    sent_before_template = "keys/agent_sent_before.html"
    navigation = "projects"
    form_class = AgentForm

    def form_arguments(self) -> dict[str, Any]:
        return {"holder": self.admission.permissions}

    def form_context(self) -> dict[str, Any]:
        return {"section": SECTION}

    def make(self, form: AgentForm) -> tuple[Agent, str]:
        return services.create_agent(
            actor=self.admission.principal,
            holder=self.admission.permissions,
            project_id=self.admission.project.id,
            **form.wanted(),
        )


class AgentDetail(Page):
    """Everything about an agent."""

    access = {"GET": project(Permission.VIEW_ORG)}
    template_name = "keys/agent.html"
    navigation = "projects"

    def get(self, request: HttpRequest, agent: str, **kwargs: Any) -> HttpResponse:
        row = agent_of(self.admission, agent)
        return self.show(
            {
                "section": SECTION,
                "agent": row,
                "maker": maker_of(row.created_by),
                "lifetime": lifetime_words(row.token_lifetime_seconds),
                "permissions_of_agent": [(p.value, DESCRIPTIONS[p]) for p in sorted(row.permission_set)],
                "may_change": Permission.MANAGE_KEYS in self.admission.permissions and not beyond(self.admission, row),
            }
        )


class AgentPage(FormPage):
    """What the forms about one agent share."""

    access = project(Permission.MANAGE_KEYS)
    navigation = "projects"

    def form_arguments(self) -> dict[str, Any]:
        self.agent = agent_of(self.admission, self.kwargs["agent"])
        return {}

    def form_context(self) -> dict[str, Any]:
        return {"section": SECTION, "agent": self.agent}


class AgentEdit(AgentPage):
    """Name, permissions and lifetime of tokens."""

    template_name = "keys/agent_edit.html"
    form_class = AgentFields

    def form_arguments(self) -> dict[str, Any]:
        super().form_arguments()
        held = self.agent.permission_set
        if beyond(self.admission, self.agent):
            raise Forbidden("This agent may do more than you: ask somebody who may do all of it.")
        preset = next((name for name, permissions in KEY_PRESETS.items() if permissions == held), CHOSEN)
        return {
            "holder": self.admission.permissions,
            "lifetime": self.agent.token_lifetime_seconds,
            "initial": {
                "name": self.agent.name,
                "preset": preset,
                "permissions": sorted(held),
                "token_lifetime_seconds": self.agent.token_lifetime_seconds,
            },
        }

    def save(self, form: AgentFields) -> HttpResponse:
        changed = services.update_agent(
            actor=self.admission.principal,
            holder=self.admission.permissions,
            project_id=self.admission.project.id,
            agent=self.agent.public_id,
            **form.wanted(),
        )
        messages.success(self.request, f"{changed.name} was saved. What it may holds from its next request on.")
        return to_agent(self.admission, changed)


class AgentEnrol(SecretPage, AgentPage):
    """A new enrolment token in place of the one before."""

    template_name = "keys/agent_enrol.html"
    made_template = "keys/agent_made.html"
    sent_before_template = "keys/agent_sent_before.html"
    form_class = OnceForm

    def make(self, form: OnceForm) -> tuple[Agent, str]:
        return services.issue_enrolment_token(
            actor=self.admission.principal,
            holder=self.admission.permissions,
            project_id=self.admission.project.id,
            agent=self.agent.public_id,
        )


class AgentRevoke(AgentPage):
    """Says what stops, then ends the agent."""

    template_name = "keys/agent_revoke.html"

    def save(self, form: Any) -> HttpResponse:
        revoked = services.revoke_agent(
            actor=self.admission.principal, project_id=self.admission.project.id, agent=self.agent.public_id
        )
        messages.success(self.request, f"{revoked.name} is revoked: it is refused from now on.")
        return to_agent(self.admission, revoked)
