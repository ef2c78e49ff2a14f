"""The backstop: with the gate taken out of every view, another tenant's rows still can be neither read nor written."""

from collections.abc import Iterator
from contextlib import contextmanager
from types import SimpleNamespace
from typing import Any

import pytest
from django.apps import apps
from django.db import connection

from config.kernel.access import Access, Admission
from config.kernel.permissions import Permission
from config.kernel.routes import Route
from config.kernel.tenancy.models import TenantModel
from config.kernel.tenancy.scope import system_scope, tenant_scope
from tests.cast import Cast
from tests.test_access_matrix import GATED, Samples, ask, ask_fully, named, samples, standing_samples

__all__ = ["samples", "standing_samples"]


def markers(cast: Cast) -> list[str]:
    """What only Acme's people may read."""
    return [
        cast.developer.email,
        cast.viewer.email,
        cast.key.start,
        "i@acme.example",
        "Rocket",
        "Auditor",
        "customers/2026",
    ]


def everything_of(cast: Cast) -> dict[str, list[tuple]]:
    found = {}
    with system_scope("test"), connection.cursor() as cursor:
        for model in apps.get_models():
            if issubclass(model, TenantModel):
                table = model._meta.db_table
                cursor.execute(f"SELECT * FROM {table} WHERE org_id = %s ORDER BY id", [cast.acme.id])
                found[table] = cursor.fetchall()
        cursor.execute("SELECT * FROM orgs_organization WHERE id = %s", [cast.acme.id])
        found["orgs_organization"] = cursor.fetchall()
    return found


def forged(cast: Cast) -> Admission:
    """What a view would find if nobody had asked: every permission, and Acme."""
    return Admission(
        cast.principal(cast.outsider),
        permissions=frozenset(Permission),
        organization=SimpleNamespace(
            id=cast.acme.id, pk=cast.acme.id, public_id=cast.acme.public_id, slug="acme", name="Acme", plan="free",
            status="active", is_active=True, erase_after=None,
        ),
        membership=SimpleNamespace(id=None, role="owner", permissions=frozenset(Permission), role_name="Owner"),
        project=SimpleNamespace(
            id=cast.project.id, pk=cast.project.id, public_id=cast.project.public_id, slug="x", name="X",
            status="active", is_active=True, unregistered_domains="downgrade", is_system=False,
        ),
    )  # fmt: skip


def without_gate(monkeypatch: pytest.MonkeyPatch, cast: Cast, *, scoped: bool) -> None:
    @contextmanager
    def admitted(access: Access, **_kwargs: Any) -> Iterator[Admission]:
        if scoped:
            with tenant_scope(cast.acme.id):
                yield forged(cast)
        else:
            yield forged(cast)

    monkeypatch.setattr("config.kernel.api.access.admitted", admitted)
    monkeypatch.setattr("config.kernel.pages.admitted", admitted)


def text_of(answer: Any) -> str:
    """What an answer says, also one that is streamed."""
    return (b"".join(answer.streaming_content) if answer.streaming else answer.content).decode()


@pytest.fixture
def _faults_become_answers(monkeypatch: pytest.MonkeyPatch) -> None:
    """A ScopeError is a fault of the code: it must become an answer here, as it would in life."""
    monkeypatch.setattr("django.test.client.Client.store_exc_info", lambda self, **kwargs: None)


@named(GATED)
@pytest.mark.usefixtures("_faults_become_answers")
def test_without_its_gate_a_view_shows_and_changes_nothing(  # noqa: PLR0917 - fixtures
    cast: Cast, samples: Samples, monkeypatch: pytest.MonkeyPatch, route: Route, method: str, access: Access
):
    before = everything_of(cast)
    without_gate(monkeypatch, cast, scoped=False)
    answer = ask_fully(cast, cast.outsider, route, method, samples.own)
    text = text_of(answer)
    for marker in markers(cast):
        assert marker not in text, marker
    assert everything_of(cast) == before


@pytest.mark.usefixtures("_faults_become_answers")
def test_the_test_above_would_notice(cast: Cast, samples: Samples, monkeypatch: pytest.MonkeyPatch):
    """With the scope put back by hand the same forged views do show Acme's rows."""
    without_gate(monkeypatch, cast, scoped=True)
    shown = set()
    for route, method, _ in GATED:
        if method == "GET" and route.path.startswith("/api/"):
            text = text_of(ask(cast, cast.outsider, route, method, samples.own))
            shown |= {marker for marker in markers(cast) if marker in text}
    assert shown == set(markers(cast))
