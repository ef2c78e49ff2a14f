"""The people and things that tests speak of. Made through the same services as in life."""

import pickle
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from allauth.account.models import EmailAddress

from config.kernel.permissions import ROLE_PERMISSIONS, Role
from config.kernel.principals import SYSTEM, StaffPrincipal, UserPrincipal
from config.kernel.tenancy.scope import tenant_scope
from keys.models import Key
from keys.services.keys import create_key
from keys.services.tokens import create_token
from orgs.models import Membership, Organization, User
from orgs.services.organizations import create_organization
from orgs.services.users import create_user
from projects.models import Project
from projects.services.projects import create_project
from tests import database

PASSWORD = "correct horse battery staple"


@dataclass
class Cast:
    """Acme with its people, and Globex, whose owner is the outsider."""

    owner: User
    admin: User
    developer: User
    viewer: User
    outsider: User
    staff: User
    acme: Organization
    globex: Organization
    project: Project
    foreign_project: Project
    key: Key
    foreign_key: Key
    secret_key: str
    foreign_secret_key: str
    publishable_key: str
    password: str = PASSWORD
    tokens: dict[str, str] = field(default_factory=dict)

    def token(self, user: User) -> str:
        """A personal token of theirs, for all their organizations."""
        if user.email not in self.tokens:
            _, self.tokens[user.email] = create_token(actor=self.principal(user), user=user, name="for tests")
        return self.tokens[user.email]

    def principal(self, user: User) -> UserPrincipal:
        """The principal of their session."""
        return UserPrincipal.of(user_id=user.id, email=user.email)

    def staff_principal(self) -> StaffPrincipal:
        """The staff member at work."""
        return StaffPrincipal.of(user_id=self.staff.id, email=self.staff.email)

    def member(self, role: str) -> User:
        """The member of Acme who has that role."""
        return {"owner": self.owner, "admin": self.admin, "developer": self.developer, "viewer": self.viewer}[role]


def person(email: str, *, is_staff: bool = False) -> User:
    """A user with a verified address."""
    name = email.partition("@")[0].capitalize()
    user = create_user(actor=SYSTEM, email=email, password=PASSWORD, name=name, is_staff=is_staff)
    EmailAddress.objects.create(user=user, email=user.email, verified=True, primary=True)
    return user


def make_cast() -> Cast:
    """Everybody, in fresh rows."""
    owner, admin, developer, viewer = (person(f"{name}@acme.example") for name in ("olivia", "adam", "dora", "victor"))
    outsider, staff = person("oscar@globex.example"), person("stella@tenantry.example", is_staff=True)
    acme = create_organization(actor=SYSTEM, owner=owner, name="Acme", slug="acme")
    globex = create_organization(actor=SYSTEM, owner=outsider, name="Globex", slug="globex")
    everything = ROLE_PERMISSIONS[Role.OWNER]
    by_owner = UserPrincipal.of(user_id=owner.id, email=owner.email)
    with tenant_scope(acme.id):
        for user, role in ((admin, Role.ADMIN), (developer, Role.DEVELOPER), (viewer, Role.VIEWER)):
            Membership.objects.create(user=user, role=role)
        project = create_project(actor=by_owner, name="Rocket", slug="rocket")
        key, secret_key = create_key(
            actor=by_owner, holder=everything, project_id=project.id, kind="secret", mode="live", name="Backend",
            permissions="admin",
        )  # fmt: skip
        _, publishable_key = create_key(
            actor=by_owner, holder=everything, project_id=project.id, kind="publishable", mode="live", name="Shop"
        )
    by_outsider = UserPrincipal.of(user_id=outsider.id, email=outsider.email)
    with tenant_scope(globex.id):
        foreign_project = create_project(actor=by_outsider, name="Freight", slug="freight")
        foreign_key, foreign_secret_key = create_key(
            actor=by_outsider, holder=everything, project_id=foreign_project.id, kind="secret", mode="live",
            name="Backend", permissions="admin",
        )  # fmt: skip
    return Cast(
        owner=owner, admin=admin, developer=developer, viewer=viewer, outsider=outsider, staff=staff, acme=acme,
        globex=globex, project=project, foreign_project=foreign_project, key=key, foreign_key=foreign_key,
        secret_key=secret_key, foreign_secret_key=foreign_secret_key, publishable_key=publishable_key,
    )  # fmt: skip


class StandingCast:
    """The cast's rows stand committed between tests, since making them takes longer than most tests do.

    A test that rolls back leaves them as they were; after one that committed they are put back.
    """

    _database: str
    _cast: bytes
    _rows: dict[str, str] = {}

    def set_up(self, database_name: str) -> None:
        """Makes the rows, in an empty database, and keeps them."""
        self._database = database_name
        self._cast = pickle.dumps(make_cast())
        self._rows = database.kept_rows(database_name)

    def put_back(self) -> None:
        """These rows and no others."""
        database.put_back(self._database, self._rows)

    def changed(self) -> list[str]:
        """The tables that hold other rows than these: somebody wrote after the rows were put back."""
        rows = database.kept_rows(self._database) if self._rows else {}
        return sorted(table for table in {*rows, *self._rows} if rows.get(table) != self._rows.get(table))

    def copy(self) -> Cast:
        """A cast of the test's own: what it does to these objects no other test sees."""
        return pickle.loads(self._cast)

    @contextmanager
    def surrounded(self, furnish: Callable[[Cast], Any]) -> Iterator[Callable[[], Any]]:
        """Lets what `furnish` does stand beside the cast, for a module whose many tests all need it.

        Gives what returns a copy of the answer of `furnish`.
        """
        alone = self._cast, self._rows
        cast = self.copy()
        try:
            made = pickle.dumps(furnish(cast))
            self._cast, self._rows = pickle.dumps(cast), database.kept_rows(self._database)
            yield lambda: pickle.loads(made)
        finally:
            self._cast, self._rows = alone
            self.put_back()


standing = StandingCast()
