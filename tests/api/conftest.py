"""Fixtures of the REST tests."""

import pytest

from config.kernel.permissions import ROLE_PERMISSIONS, Role
from config.kernel.tenancy.scope import tenant_scope
from keys.services.keys import create_key
from keys.services.tokens import create_token
from tests.cast import Cast


class Makers:
    """Makes credentials of every shape through the services."""

    def __init__(self, cast: Cast) -> None:
        self.cast = cast

    def secret_key(self, *permissions: str, **options: object) -> tuple[str, str]:
        """A secret key of Acme's project: its id and plaintext."""
        with tenant_scope(self.cast.acme.id):
            key, plaintext = create_key(
                actor=self.cast.principal(self.cast.owner),
                holder=ROLE_PERMISSIONS[Role.OWNER],
                project_id=self.cast.project.id,
                kind="secret",
                mode=options.pop("mode", "live"),
                name="Made for a test",
                permissions=list(permissions),
                **options,
            )
        return key.public_id, plaintext

    def token(self, user: object, **options: object) -> str:
        """A personal token, narrowed by `organization` or `permissions`."""
        _, plaintext = create_token(actor=self.cast.principal(user), user=user, name="Made for a test", **options)
        return plaintext


@pytest.fixture
def make(cast: Cast) -> Makers:
    """Makes credentials."""
    return Makers(cast)


@pytest.fixture(autouse=True)
def _tokens(request: pytest.FixtureRequest) -> None:
    """Everybody has their token before a test begins to look for changes."""
    if "cast" in request.fixturenames:
        cast = request.getfixturevalue("cast")
        for user in (cast.owner, cast.admin, cast.developer, cast.viewer, cast.outsider, cast.staff):
            cast.token(user)
