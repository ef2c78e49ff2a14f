"""Who is asking. Built once per request by the door it came through, then handed to gates and services."""

from dataclasses import dataclass, field
from uuid import UUID

from config.kernel.identifiers import public_id
from config.kernel.permissions import Permission
from config.kernel.sign_in import SignIn


@dataclass(frozen=True)
class Principal:
    """Base of all callers: `kind` and `id` go into the audit log, `label` is for people."""

    kind: str = "anonymous"
    id: str = ""
    label: str = "Somebody not signed in"

    @property
    def is_authenticated(self) -> bool:
        """Django REST framework and its throttles ask this."""
        return self.kind != "anonymous"


ANONYMOUS = Principal()

# What the program does by itself: jobs, migrations of data, first start.
SYSTEM = Principal(kind="system", id="system", label="Tenantry")


@dataclass(frozen=True)
class UserPrincipal(Principal):
    """A person. `organization_id` and `allowed` narrow a token; None means not narrowed.

    `token_id` is set behind a personal token, `session_id` behind an access token; `sign_in` in a browser.
    """

    kind: str = "user"
    user_id: UUID = field(default=UUID(int=0))
    organization_id: UUID | None = None
    allowed: frozenset[Permission] | None = None
    token_id: UUID | None = None
    session_id: UUID | None = None
    sign_in: SignIn | None = None

    @property
    def is_narrowed(self) -> bool:
        """Whether a personal token holds less than its person: one organization only, or chosen permissions."""
        return self.organization_id is not None or self.allowed is not None

    @classmethod
    def of(
        cls,
        *,
        user_id: UUID,
        email: str,
        organization_id: UUID | None = None,
        allowed: frozenset[Permission] | None = None,
        token_id: UUID | None = None,
        session_id: UUID | None = None,
        sign_in: SignIn | None = None,
    ) -> "UserPrincipal":
        """The principal of a user's session, or of their token."""
        return cls(
            id=public_id("usr", user_id),
            label=email,
            user_id=user_id,
            organization_id=organization_id,
            allowed=allowed,
            token_id=token_id,
            session_id=session_id,
            sign_in=sign_in,
        )


@dataclass(frozen=True)
class StaffPrincipal(Principal):
    """A member of the operator's staff working in Django admin or on the command line."""

    kind: str = "staff"
    user_id: UUID = field(default=UUID(int=0))

    @classmethod
    def of(cls, *, user_id: UUID, email: str) -> "StaffPrincipal":
        """The principal of a staff user."""
        return cls(id=public_id("usr", user_id), label=email, user_id=user_id)


@dataclass(frozen=True)
class ProgramPrincipal(Principal):
    """Base of the programs that belong to one project and carry their permissions with them."""

    organization_id: UUID = field(default=UUID(int=0))
    project_id: UUID = field(default=UUID(int=0))
    permissions: frozenset[Permission] = frozenset()


@dataclass(frozen=True)
class KeyPrincipal(ProgramPrincipal):
    """A program with a project's secret key."""

    kind: str = "key"
    key_id: UUID = field(default=UUID(int=0))
    mode: str = "test"

    @classmethod
    def of(
        cls,
        *,
        key_id: UUID,
        label: str,
        organization_id: UUID,
        project_id: UUID,
        permissions: frozenset[Permission],
        mode: str,
    ) -> "KeyPrincipal":
        """The principal of a secret key."""
        return cls(
            id=public_id("key", key_id),
            label=label,
            key_id=key_id,
            organization_id=organization_id,
            project_id=project_id,
            permissions=permissions,
            mode=mode,
        )


@dataclass(frozen=True)
class PublishablePrincipal(ProgramPrincipal):
    """A page in a browser with a project's publishable key. It is public, so it holds no permission whatever."""

    kind: str = "publishable_key"
    key_id: UUID = field(default=UUID(int=0))
    mode: str = "test"

    @classmethod
    def of(
        cls, *, key_id: UUID, label: str, organization_id: UUID, project_id: UUID, mode: str
    ) -> "PublishablePrincipal":
        """The principal of a publishable key."""
        return cls(
            id=public_id("key", key_id),
            label=label,
            key_id=key_id,
            organization_id=organization_id,
            project_id=project_id,
            mode=mode,
        )


@dataclass(frozen=True)
class AgentPrincipal(ProgramPrincipal):
    """A named agent of one project, with a token of its own."""

    kind: str = "agent"
    agent_id: UUID = field(default=UUID(int=0))

    @classmethod
    def of(
        cls,
        *,
        agent_id: UUID,
        label: str,
        organization_id: UUID,
        project_id: UUID,
        permissions: frozenset[Permission],
    ) -> "AgentPrincipal":
        """The principal of an agent."""
        return cls(
            id=public_id("agt", agent_id),
            label=label,
            agent_id=agent_id,
            organization_id=organization_id,
            project_id=project_id,
            permissions=permissions,
        )


@dataclass(frozen=True)
class ServicePrincipal(Principal):
    """A product behind Tenantry that signs its requests. It may do what organizations granted it, and nothing else."""

    kind: str = "service"
    service_account_id: UUID = field(default=UUID(int=0))

    @classmethod
    def of(cls, *, service_account_id: UUID, name: str) -> "ServicePrincipal":
        """The principal of a service account."""
        return cls(id=public_id("svc", service_account_id), label=name, service_account_id=service_account_id)
