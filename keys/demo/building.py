"""Makes one organization of the demo through the services, each step by the person who would take it."""

import secrets
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from datetime import timedelta

from django.conf import settings
from django.utils import timezone

from audit.services import record
from config.kernel.context import RequestContext, request_context
from config.kernel.permissions import ROLE_PERMISSIONS, Role
from config.kernel.principals import SYSTEM, UserPrincipal
from config.kernel.tenancy.scope import tenant_scope
from keys import events as key_events
from keys.demo.world import GUEST, Person, World
from keys.models import Key, KeyUse
from keys.services.imports import Line, import_keys
from keys.services.keys import create_key, key_target, revoke_key, rotate_key
from keys.services.terms import RateLimit
from orgs import events
from orgs.models import CustomRole, Invitation, Organization, User
from orgs.services import invitations
from orgs.services.organizations import create_organization
from orgs.services.roles import create_role
from orgs.services.targets import invitation_target
from projects.models import Project
from projects.services.members import set_project_role
from projects.services.projects import archive_project, create_project
from projects.services.resources import register_resource

REQUEST_ID_BYTES = 16
EXPIRES_SOON = timedelta(days=5)
OVERLAP = timedelta(days=7)
RESOURCES = [
    ("warehouse", "dataset", "customers/2026", ["read", "export"]),
    ("pipelines", "pipeline", "nightly-import", ["read", "run"]),
    ("pipelines", "schedule", "every-night", []),
]
EXPIRED_FOR = timedelta(days=2)
UNUSED_FOR = timedelta(days=130)


def principal(user: User) -> UserPrincipal:
    """The person as an actor."""
    return UserPrincipal.of(user_id=user.id, email=user.email)


@contextmanager
def acting(person: Person) -> Iterator[None]:
    """Lets the events inside tell of the person's address and browser."""
    context = RequestContext(
        request_id=f"req_{secrets.token_hex(REQUEST_ID_BYTES)}", ip=person.ip, user_agent=person.browser
    )
    with request_context(context):
        yield


class Builder:
    """Builds `world` for the users of its people."""

    def __init__(self, world: World, users: dict[Role, User]) -> None:
        self.world = world
        self.users = users

    def build(self, specialist: User, guest: User) -> Organization:
        """The whole organization."""
        owner = self.users[Role.OWNER]
        with self.as_(Role.OWNER):
            organization = create_organization(
                actor=principal(owner), name=self.world.name, slug=self.world.slug, plan=self.world.plan
            )
        with tenant_scope(organization.id):
            self.add_people(specialist, guest)
            projects = self.add_projects(guest)
            self.register_resources(projects)
            for project in projects:
                self.add_everyday_keys(project)
            self.add_eventful_keys(projects[0])
            with self.as_(Role.ADMIN):
                archive_project(actor=self.actor(Role.ADMIN), project_id=projects[-1].id)
            self.leave_invitations()
        return organization

    def as_(self, role: Role) -> AbstractContextManager[None]:
        """`acting` as the person of that role."""
        return acting(self.world.people[role])

    def actor(self, role: Role) -> UserPrincipal:
        """The person of that role."""
        return principal(self.users[role])

    def add_people(self, specialist: User, guest: User) -> None:
        """Admin, developer and viewer, the one with the custom role, and the guest."""
        for role in (Role.ADMIN, Role.DEVELOPER, Role.VIEWER):
            self.join(self.users[role], self.world.people[role], role=role)
        name, description, permissions = self.world.custom_role
        with self.as_(Role.OWNER):
            custom = create_role(
                actor=self.actor(Role.OWNER), name=name, description=description, permissions=list(permissions)
            )
        self.join(specialist, self.world.specialist, role=Role.CUSTOM, custom_role=custom)
        self.join(guest, GUEST, role=Role.VIEWER)

    def join(self, user: User, person: Person, *, role: Role, custom_role: CustomRole | None = None) -> None:
        """Invites and accepts, without a mail."""
        invitation = self.invite(user.email, role=role, custom_role=custom_role)
        issued = invitations.issue_token(invitation_id=invitation.id)
        if issued is None:
            raise RuntimeError("An invitation of this moment is not open.")
        with acting(person):
            invitations.accept(actor=principal(user), token=issued[1], verified_emails={user.email})

    def invite(self, email: str, *, role: Role, custom_role: CustomRole | None = None) -> Invitation:
        """An invitation by the owner. The service would send a mail, which nobody at these addresses reads."""
        with self.as_(Role.OWNER):
            invitation = Invitation.objects.create(
                email=email,
                role=role,
                custom_role=custom_role,
                token_hash=secrets.token_bytes(invitations.TOKEN_BYTES),
                sent_at=timezone.now(),
                expires_at=invitations.expiry(),
                invited_by=self.users[Role.OWNER],
            )
            record(
                events.INVITATION_CREATED,
                actor=self.actor(Role.OWNER),
                target=invitation_target(invitation),
                data={"email": email, "role": invitation.role_name},
            )
        return invitation

    def leave_invitations(self) -> None:
        """One pending, one expired, one revoked."""
        self.invite(self.world.invited["pending"], role=Role.DEVELOPER)
        expired = self.invite(self.world.invited["expired"], role=Role.VIEWER)
        expired.sent_at = timezone.now() - EXPIRED_FOR - timedelta(days=settings.TENANTRY_INVITATION_DAYS)
        expired.expires_at = timezone.now() - EXPIRED_FOR
        expired.save(update_fields=["sent_at", "expires_at", "updated_at"])
        revoked = self.invite(self.world.invited["revoked"], role=Role.ADMIN)
        with self.as_(Role.OWNER):
            invitations.revoke(actor=self.actor(Role.OWNER), invitation_id=revoked.id)

    def add_projects(self, guest: User) -> list[Project]:
        """The projects; in the first the guest is a developer."""
        with self.as_(Role.ADMIN):
            admin = self.actor(Role.ADMIN)
            projects = [create_project(actor=admin, name=name, slug=slug) for slug, name in self.world.projects]
            set_project_role(actor=admin, project_id=projects[0].id, user_id=guest.id, role=Role.DEVELOPER)
        return projects

    def register_resources(self, projects: list[Project]) -> None:
        """What the products own, of the whole organization and of the first project."""
        with self.as_(Role.DEVELOPER):
            for project, (service, kind, name, scopes) in zip((None, *projects[:1] * 2), RESOURCES, strict=True):
                register_resource(
                    actor=self.actor(Role.DEVELOPER),
                    service=service,
                    kind=kind,
                    name=name,
                    scopes=scopes,
                    project_id=project.id if project else None,
                )

    def add_key(self, project: Project, *, kind: Key.Kind, mode: Key.Mode, name: str, **options: object) -> Key:
        """A key made by the developer."""
        with self.as_(Role.DEVELOPER):
            key, _ = create_key(
                actor=self.actor(Role.DEVELOPER),
                holder=ROLE_PERMISSIONS[Role.DEVELOPER],
                project_id=project.id,
                kind=kind,
                mode=mode,
                name=name,
                **options,  # type: ignore[arg-type]
            )
        return key

    def add_everyday_keys(self, project: Project) -> None:
        """What every project has."""
        self.add_key(project, kind=Key.Kind.PUBLISHABLE, mode=Key.Mode.LIVE, name="Website")
        self.add_key(project, kind=Key.Kind.PUBLISHABLE, mode=Key.Mode.TEST, name="Website (staging)")
        self.add_key(project, kind=Key.Kind.SECRET, mode=Key.Mode.TEST, name="Continuous integration")

    def add_leaked_key(self, project: Project) -> None:
        """One in quarantine. The service would mail the owner, and nobody at that address reads it."""
        key = self.add_key(project, kind=Key.Kind.SECRET, mode=Key.Mode.LIVE, name="Field laptop")
        key.leaked_at = key.quarantined_at = timezone.now()
        key.save(update_fields=["leaked_at", "quarantined_at", "updated_at"])
        record(
            key_events.KEY_LEAKED,
            actor=SYSTEM,
            target=key_target(key),
            data={
                "project": project.public_id,
                "action": "quarantine",
                "source": "a scanner of public pastes",
                "url": "https://paste.example/8Q2f",
            },
        )

    def add_imported_key(self, project: Project) -> None:
        """One that another system made, in use for a while."""
        with self.as_(Role.DEVELOPER):
            (result,) = import_keys(
                actor=self.actor(Role.DEVELOPER),
                holder=ROLE_PERMISSIONS[Role.DEVELOPER],
                project_id=project.id,
                lines=[Line(sha256=secrets.token_hex(32), start="legacy_", name="Order desk (before the move)")],
            )
        if result.key is not None:
            KeyUse.objects.create(key=result.key, last_used_at=timezone.now(), last_ip="203.0.113.80", count=48_211)

    def add_eventful_keys(self, project: Project) -> None:
        """Those to which something happened: one that expires soon, one that leaked, one imported, one that nobody
        uses, one rotated and still overlapping, one revoked.
        """
        secret, live = Key.Kind.SECRET, Key.Mode.LIVE
        self.add_key(
            project,
            kind=secret,
            mode=live,
            name="Nightly export",
            note="Runs at 02:00 from the office network",
            expires_at=timezone.now() + EXPIRES_SOON,
            allowed_ips=["203.0.113.0/24"],
        )
        self.add_key(
            project,
            kind=secret,
            mode=live,
            name="Partner gateway",
            note="Its contract allows 600 requests a minute",
            metadata={"customer": "Globex", "contract": "2031-04", "seats": 25, "trial": False},
            rate_limit=RateLimit(600, 60),
            remaining=1_000_000,
        )
        self.add_leaked_key(project)
        self.add_imported_key(project)
        unused = self.add_key(project, kind=secret, mode=live, name="Trade fair demo")
        Key.objects.filter(id=unused.id).update(created_at=timezone.now() - UNUSED_FOR)
        rotated = self.add_key(project, kind=secret, mode=live, name="Telemetry ingest")
        revoked = self.add_key(project, kind=secret, mode=live, name="Contractor laptop")
        developer = self.actor(Role.DEVELOPER)
        with self.as_(Role.DEVELOPER):
            rotate_key(
                actor=developer,
                holder=ROLE_PERMISSIONS[Role.DEVELOPER],
                project_id=project.id,
                key=rotated.public_id,
                overlap=OVERLAP,
            )
        with self.as_(Role.ADMIN):
            revoke_key(actor=self.actor(Role.ADMIN), project_id=project.id, key=revoked.public_id)
