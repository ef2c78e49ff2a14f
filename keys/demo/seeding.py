"""Makes what is missing of the demo and keeps its file of credentials right.

An organization is made whole or not at all, so what is there is left as it is. Only the file is looked after on every
run: what in it still works is kept, what is missing or no longer works is made anew.
"""

import base64
import json
import secrets
from dataclasses import dataclass
from datetime import timedelta
from functools import cached_property
from pathlib import Path
from typing import Any

from django.conf import settings
from django.contrib.auth.hashers import make_password
from django.db import connection, transaction
from django.utils.module_loading import import_string

from audit.services import record
from config.embedded.processes import write_private
from config.kernel.errors import Conflict
from config.kernel.permissions import PERSONAL_PERMISSIONS, Role
from config.kernel.principals import SYSTEM
from config.kernel.tenancy.scope import INSTALLATION_ID, tenant_scope
from keys.credentials import digest_of
from keys.demo.audit import ensure_audit_export
from keys.demo.building import Builder, principal
from keys.demo.domains import ensure_domains
from keys.demo.programs import ensure_agents, ensure_session
from keys.demo.services import ensure_products
from keys.demo.usage import ensure_usage
from keys.demo.world import GUEST, STAFF, WORLDS, Person, World
from keys.models import Key, PersonalToken
from keys.services.keys import create_key, rotate_key
from keys.services.tokens import create_token, revoke_token
from orgs import events
from orgs.models import Membership, Organization, User
from orgs.services.addresses import vouch_for_address
from orgs.services.second_factor import NAME as DEVICE_NAME
from orgs.services.second_factor import confirmed_device, new_device, seed_of
from orgs.services.targets import user_target
from orgs.services.users import create_user
from projects.models import Project

FILE = "demo.json"
TOKEN_NAME = "Demo"  # noqa: S105 - the name of a token
FILE_KEY_NAME = "Server"
LOCK = 0x7E4A0D  # any number that no other advisory lock of ours uses
PASSWORD_BYTES = 12


@dataclass(frozen=True)
class Outcome:
    """`changed` is whether anything was made; `path` is the file of credentials."""

    changed: bool
    path: Path


def seed() -> Outcome:
    """Makes what is missing of the demo and writes TENANTRY_HOME/demo.json. Raises Conflict for a slug of others'."""
    path = Path(settings.TENANTRY_HOME) / FILE
    with transaction.atomic():
        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_advisory_xact_lock(%s)", [LOCK])
        file = CredentialFile.read(path)
        passwords = {world.slug: NewPassword() for world in WORLDS}
        guest = ensure_user(GUEST, file, passwords[WORLDS[0].slug])
        content = {
            "url": settings.TENANTRY_URL,
            "organizations": [ensure_world(world, file, passwords[world.slug], guest.user) for world in WORLDS],
            "guest": guest.credentials(file),
            "staff": ensure_staff(file),
            "service_account": ensure_products(WORLDS, file.service_account),
        }
    if content == file.content:
        return Outcome(changed=False, path=path)
    write_private(path, json.dumps(content, indent=2) + "\n")
    return Outcome(changed=True, path=path)


class CredentialFile:
    """What an earlier run wrote, if it was about the organizations that are there now."""

    def __init__(self, content: dict[str, Any]) -> None:
        self.content = content
        self.service_account: dict[str, str] = dict(content.get("service_account", {}))
        people = [content.get("guest", {}), content.get("staff", {})]
        self.secret_keys: dict[str, str] = {}
        for organization in content.get("organizations", []):
            people += organization["users"].values()
            self.secret_keys |= {project["id"]: project["secret_key"] for project in organization["projects"]}
        self.people: dict[str, dict[str, str]] = {person["email"]: person for person in people if person}

    @classmethod
    def read(cls, path: Path) -> "CredentialFile":
        """The file; an empty one when it is missing, damaged or of another database."""
        try:
            found = cls(json.loads(path.read_text()))
            ids = [organization["id"] for organization in found.content["organizations"]]
        except (OSError, ValueError, TypeError, KeyError, AttributeError):
            return cls({})
        if not ids or not all(Organization.objects.by_reference(reference) for reference in ids):
            return cls({})
        return found


class NewPassword:
    """A random password, hashed when first needed: Argon2 is slow, so the people of one organization share one."""

    def __init__(self) -> None:
        self.plaintext = secrets.token_urlsafe(PASSWORD_BYTES)

    @cached_property
    def encoded(self) -> str:
        """What the database keeps."""
        return make_password(self.plaintext)


@dataclass(frozen=True)
class SeededUser:
    """A person of the demo with the password that works for them."""

    user: User
    password: str

    def credentials(self, file: CredentialFile) -> dict[str, str]:
        """Their entry of the file, with a personal token that works."""
        return {
            "email": self.user.email,
            "password": self.password,
            "personal_token": ensure_token(self.user, file),
        }


def ensure_user(person: Person, file: CredentialFile, new: NewPassword, *, is_staff: bool = False) -> SeededUser:
    """The person's user with a verified address. A password that the file does not know is replaced."""
    user = User.objects.by_email(person.email)
    known = file.people.get(person.email, {}).get("password")
    if user is not None and known:
        return SeededUser(user, known)
    if user is None:
        user = create_user(actor=SYSTEM, email=person.email, password=None, name=person.name, is_staff=is_staff)
        vouch_for_address(user=user)
    else:
        record(events.USER_PASSWORD_RESET, actor=SYSTEM, target=user_target(user), org_id=INSTALLATION_ID)
    user.password = new.encoded
    user.save(update_fields=["password", "updated_at"])
    return SeededUser(user, new.plaintext)


def ensure_token(user: User, file: CredentialFile) -> str:
    """The personal token of the file while it works, else a new one."""
    known = file.people.get(user.email, {}).get("personal_token", "")
    tokens = PersonalToken.objects.filter(user=user, name=TOKEN_NAME, revoked_at=None)
    found = {bytes(token.digest): token for token in tokens}
    current = found.get(digest_of(known))
    if current is not None and current.is_usable:
        return known
    for token in found.values():
        revoke_token(actor=principal(user), user=user, token=token.public_id)
    return create_token(actor=principal(user), user=user, name=TOKEN_NAME)[1]


def ensure_staff(file: CredentialFile) -> dict[str, str]:
    """The staff's entry: a user for Django admin, with a confirmed second factor."""
    staff = ensure_user(STAFF, file, NewPassword(), is_staff=True)
    device = confirmed_device(staff.user)
    if device is None:
        device = new_device(user=staff.user, name=DEVICE_NAME, confirmed=True)
    return {
        "email": staff.user.email,
        "password": staff.password,
        "totp_secret": base64.b32encode(seed_of(device)).decode(),
    }


def ensure_world(world: World, file: CredentialFile, new: NewPassword, guest: User) -> dict[str, Any]:
    """The organization's entry of the file. Raises Conflict when the slug belongs to somebody else."""
    people = {role: ensure_user(person, file, new) for role, person in world.people.items()}
    organization = Organization.objects.by_reference(world.slug)
    if organization is None:
        users = {role: seeded.user for role, seeded in people.items()}
        specialist = ensure_user(world.specialist, file, new).user
        organization = Builder(world, users).build(specialist, guest)
    with tenant_scope(organization.id):
        if not Membership.objects.of_user(people[Role.OWNER].user.id).exists():
            raise Conflict(f"The organization {world.slug} is not the demo's: rename it and try again.")
        projects = Project.objects.active().filter(slug__in=[slug for slug, _ in world.projects]).order_by("id")
        developer = people[Role.DEVELOPER].user, world.people[Role.DEVELOPER]
        entries = [
            {
                **ensure_keys(project, people[Role.OWNER].user, file),
                "domains": ensure_domains(project, *developer),
            }
            for project in projects
        ]
        ensure_usage(organization)
        import_string(settings.TENANTRY_DEMO_SIGN_IN)(organization)
        ensure_agents(projects[0], *developer)
        import_string(settings.TENANTRY_DEMO_WEBHOOKS)(organization)
        ensure_audit_export(people[Role.OWNER].user)
    ensure_session(people[Role.OWNER].user, world.people[Role.OWNER])
    return {
        "id": organization.public_id,
        "slug": organization.slug,
        "users": {str(role): person.credentials(file) for role, person in people.items()},
        "projects": entries,
    }


def ensure_keys(project: Project, owner: User, file: CredentialFile) -> dict[str, Any]:
    """The project's entry of the file, with keys that work."""
    usable = Key.objects.of_project(project.id).usable().filter(mode=Key.Mode.LIVE).order_by("id")
    publishable = usable.filter(kind=Key.Kind.PUBLISHABLE).first()
    known = file.secret_keys.get(project.public_id, "")
    if not usable.filter(kind=Key.Kind.SECRET, digest=digest_of(known)).exists():
        known = renewed_secret_key(project, owner, usable.filter(kind=Key.Kind.SECRET, name=FILE_KEY_NAME).first())
    return {
        "id": project.public_id,
        "slug": project.slug,
        "publishable_key": publishable.plaintext if publishable else new_publishable_key(project, owner),
        "secret_key": known,
    }


def renewed_secret_key(project: Project, owner: User, lost: Key | None) -> str:
    """A secret key that may do all that keys may, in place of `lost`, whose plaintext nobody has."""
    actor = principal(owner)
    if lost is not None:
        _, plaintext = rotate_key(
            actor=actor,
            holder=PERSONAL_PERMISSIONS,
            project_id=project.id,
            key=lost.public_id,
            overlap=timedelta(0),
        )
        return plaintext
    _, plaintext = create_key(
        actor=actor,
        holder=PERSONAL_PERMISSIONS,
        project_id=project.id,
        kind=Key.Kind.SECRET,
        mode=Key.Mode.LIVE,
        name=FILE_KEY_NAME,
        permissions="admin",
    )
    return plaintext


def new_publishable_key(project: Project, owner: User) -> str:
    """A live publishable key."""
    _, plaintext = create_key(
        actor=principal(owner),
        holder=PERSONAL_PERMISSIONS,
        project_id=project.id,
        kind=Key.Kind.PUBLISHABLE,
        mode=Key.Mode.LIVE,
        name="Website",
    )
    return plaintext
