"""Programs of the demo: agents of the first project, and one that is signed in as each owner."""

from config.kernel.context import RequestContext, request_context
from config.kernel.permissions import ROLE_PERMISSIONS, Role
from config.kernel.sign_in import Method
from keys.demo.building import acting, principal
from keys.demo.world import Person
from keys.models import Agent, TokenSession
from keys.services.agents import create_agent, enrol_agent, revoke_agent
from keys.services.sessions import open_session
from orgs.models import User
from projects.models import Project

PROGRAM = "tenantry-deploy/2.4 (build-7)"
ENROLLED, WAITING, REVOKED = "Nightly import on build-7", "Report writer", "Old crawler"


def ensure_agents(project: Project, developer: User, person: Person) -> None:
    """One that is enrolled, one that waits for it, one that is revoked; in the organization in scope."""
    if Agent.objects.of_project(project.id).exists():
        return
    actor, holder = principal(developer), ROLE_PERMISSIONS[Role.DEVELOPER]
    with acting(person):
        made = {
            name: create_agent(actor=actor, holder=holder, project_id=project.id, name=name)
            for name in (REVOKED, ENROLLED, WAITING)
        }
        revoke_agent(actor=actor, project_id=project.id, agent=made[REVOKED][0].public_id)
        enrol_agent(token=made[ENROLLED][1])


def ensure_session(user: User, person: Person) -> None:
    """A program that is signed in as this person. Outside of any organization's scope."""
    if not TokenSession.objects.of_user(user.id).living().exists():
        with request_context(RequestContext(ip=person.ip, user_agent=PROGRAM)):
            open_session(user=User.objects.get(id=user.id), method=Method.PASSWORD)
