"""Worlds to decide about: every kind of subject and of place, in Acme, made straight in the database."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

from django.utils import timezone

from config.kernel.access import Admission, organization_gate, project_gate
from config.kernel.errors import TenantryError
from config.kernel.permissions import Permission, Role
from config.kernel.principals import AgentPrincipal, KeyPrincipal, Principal, ServicePrincipal, UserPrincipal
from config.kernel.tenancy.models import new_id
from config.kernel.tenancy.scope import tenant_scope
from keys.decisions.callers import caller_of
from keys.decisions.evaluating import evaluate_batch
from keys.decisions.loading import organization_facts
from keys.decisions.searching import search_actions, search_resources, search_subjects
from keys.decisions.wire import Batch, Search, batch_of
from keys.models import Agent, Key
from orgs.models import CustomRole, Membership, Organization, ServiceAccount, ServiceGrant, User
from projects.models import Project, ProjectMembership, Resource

Name = tuple[str, str]
Permissions = Sequence[str]


@dataclass
class World:
    """What is there: `subjects` and `places` by how questions name them, with their rows."""

    organization: Organization
    subjects: dict[Name, Any] = field(default_factory=dict)
    places: dict[Name, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.places["organization", self.organization.public_id] = self.organization

    # -- making rows -------------------------------------------------------------------------------------------------
    def project(self, *, archived: bool = False) -> Project:
        with tenant_scope(self.organization.id):
            name = f"p{new_id().hex}"[:40]
            project = Project.objects.create(name=name, slug=name, status="archived" if archived else "active")
        self.places["project", project.public_id] = project
        return project

    def resource(self, project: Project | None = None) -> Resource:
        with tenant_scope(self.organization.id):
            resource = Resource.objects.create(
                service="warehouse", kind="dataset", name=new_id().hex, project=project, scopes=["read"]
            )
        self.places["resource", resource.trn] = resource
        return resource

    def user(
        self,
        role: str,
        *,
        permissions: Permissions = (),
        own: dict[Project, str] | None = None,
        disabled: bool = False,
    ) -> User:
        user = User.objects.create(email=f"{new_id().hex}@acme.example", is_active=not disabled)
        with tenant_scope(self.organization.id):
            custom = None
            if role == Role.CUSTOM:
                custom = CustomRole.objects.create(name=new_id().hex, permissions=list(permissions))
            membership = Membership.objects.create(user=user, role=role, custom_role=custom)
            for project, own_role in (own or {}).items():
                ProjectMembership.objects.create(project=project, membership=membership, role=own_role)
        self.subjects["user", user.public_id] = user
        return user

    def key(self, project: Project, permissions: Permissions, *, kind: str = "secret", state: str = "active") -> Key:
        now = timezone.now()
        with tenant_scope(self.organization.id):
            key = Key.objects.create(
                project=project, kind=kind, mode="live", name="k", digest=new_id().bytes * 2, start="sk_live_abcd",
                permissions=list(permissions), created_by="usr_x",
                revoked_at=now if state == "revoked" else None,
                quarantined_at=now if state == "quarantined" else None,
                expires_at=now - timedelta(hours=1) if state == "expired" else None,
            )  # fmt: skip
        self.subjects["key", key.public_id] = key
        return key

    def agent(self, project: Project, permissions: Permissions, *, revoked: bool = False) -> Agent:
        with tenant_scope(self.organization.id):
            agent = Agent.objects.create(
                project=project, name=new_id().hex, permissions=list(permissions), enrolment_digest=new_id().bytes * 2,
                enrolment_expires_at=timezone.now(), created_by="usr_x",
                revoked_at=timezone.now() if revoked else None,
            )  # fmt: skip
        self.subjects["agent", agent.public_id] = agent
        return agent

    def service(
        self, grants: Sequence[tuple[Project | None, Permissions]], *, disabled: bool = False, withdrawn: bool = False
    ) -> ServiceAccount:
        account = ServiceAccount.objects.create(name=new_id().hex, disabled_at=timezone.now() if disabled else None)
        with tenant_scope(self.organization.id):
            for project, permissions in grants:
                ServiceGrant.objects.create(
                    account=account, project_id=project.id if project else None, permissions=list(permissions),
                    granted_by="usr_x", withdrawn_at=timezone.now() if withdrawn else None,
                )  # fmt: skip
        self.subjects["service_account", account.public_id] = account
        return account

    # -- asking ------------------------------------------------------------------------------------------------------
    def admission(self, row: Any) -> Admission:
        """What the gate says of a caller. Raises what the gate raises."""
        principal = principal_of(row)
        if isinstance(principal, KeyPrincipal | AgentPrincipal):
            return organization_gate().admit_credential(principal)
        return organization_gate().admit(principal, self.organization.public_id, while_inactive=False)

    def _around(self, row: Any) -> dict[str, Any]:
        admission = row if isinstance(row, Admission) else self.admission(row)
        return {"caller": caller_of(admission), "organization": organization_facts(admission.organization)}

    def asked(self, caller: Any, body: dict[str, Any]) -> dict[str, Any]:
        """The answer to a batch."""
        return self.evaluated(caller, batch_of(body))

    def evaluated(self, caller: Any, batch: Batch) -> dict[str, Any]:
        with tenant_scope(self.organization.id):
            return evaluate_batch(batch, **self._around(caller))

    def decision(self, caller: Any, subject: Name, action: str, place: Name) -> dict[str, Any]:
        """The answer to one question."""
        return self.asked(
            caller,
            {
                "subject": {"type": subject[0], "id": subject[1]},
                "action": {"name": action},
                "resource": {"type": place[0], "id": place[1]},
            },
        )

    def searched(self, kind: str, caller: Any, search: Search) -> dict[str, Any]:
        run = {"subject": search_subjects, "resource": search_resources, "action": search_actions}[kind]
        with tenant_scope(self.organization.id):
            return run(search, **self._around(caller))

    # -- what the gates say ------------------------------------------------------------------------------------------
    def permissions_by_the_gates(self, subject: Name, place: Name) -> frozenset[Permission]:
        """What REST lets the subject do there; nothing where it is refused."""
        where = self.places[place]
        project = where if isinstance(where, Project) else getattr(where, "project", None)
        try:
            admission = self.admission(self.subjects[subject])
            with tenant_scope(self.organization.id):
                if project is not None:
                    admission = project_gate().admit(admission, project.public_id)
        except TenantryError:
            return frozenset()
        return admission.permissions


def principal_of(row: Any) -> Principal:
    """The principal that the row's credential would have."""
    if isinstance(row, User):
        return UserPrincipal.of(user_id=row.id, email=row.email)
    if isinstance(row, Key):
        return KeyPrincipal.of(
            key_id=row.id, label=row.name, organization_id=row.org_id, project_id=row.project_id,
            permissions=row.permission_set, mode=row.mode,
        )  # fmt: skip
    if isinstance(row, Agent):
        return AgentPrincipal.of(
            agent_id=row.id, label=row.name, organization_id=row.org_id, project_id=row.project_id,
            permissions=row.permission_set,
        )  # fmt: skip
    return ServicePrincipal.of(service_account_id=row.id, name=row.name)


def refused_outright(subject: Any) -> bool:
    """Whether authentication lets the subject in at all: what a key's or person's state says, the gates never see."""
    if isinstance(subject, User):
        return not subject.is_active
    if isinstance(subject, Key):
        usable = subject.state == Key.State.ACTIVE and subject.quarantined_at is None
        return not usable or subject.kind != Key.Kind.SECRET or not subject.project.is_active
    if isinstance(subject, Agent):
        return subject.revoked_at is not None or not subject.project.is_active
    return subject.disabled_at is not None
