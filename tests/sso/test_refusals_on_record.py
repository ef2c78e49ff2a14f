"""Whoever is refused at the door is on the record of the organization; nobody can fill that record by knocking."""

from collections.abc import Callable
from typing import Any

import pytest
from django.test import Client

from audit.models import AuditEvent
from config.kernel.tenancy.scope import INSTALLATION_ID, tenant_scope
from orgs import refusals
from sso.addresses import redirect_uri
from sso.models import ConnectionLogEntry
from tests.browsers import signed_in
from tests.cast import PASSWORD, Cast
from tests.sso.enforcing import connect, enforce

HERE, THERE, ELSEWHERE = "198.51.100.1", "198.51.100.2", "198.51.100.3"


def recorded(organization_id: Any, event: str) -> list[str]:
    """From which addresses, the oldest first."""
    with tenant_scope(organization_id):
        return list(AuditEvent.objects.filter(event=event).order_by("id").values_list("ip", flat=True))


def sign_up(address: str) -> Any:
    form = {"name": "N", "email": "somebody@acme.example", "password1": PASSWORD}
    return Client().post("/signup/", form, REMOTE_ADDR=address)


def password(address: str) -> Any:
    return Client().post("/login/", {"login": "somebody@acme.example", "password": "guess"}, REMOTE_ADDR=address)


@pytest.mark.parametrize("way", [sign_up, password])
def test_of_strangers_who_try_only_so_much_is_written(
    cast: Cast, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, way: Callable[[str], Any]
):
    monkeypatch.setattr(refusals, "OF_ONE", "2/hour")
    monkeypatch.setattr(refusals, "OF_ALL", "3/hour")
    connect(cast.acme)
    enforce(cast.acme)
    answers = [way(address) for address in (HERE, HERE, HERE, THERE, THERE, THERE, ELSEWHERE)]
    assert len({answer.status_code for answer in answers}) == 1
    assert recorded(cast.acme.id, "user.sign_in_refused") == [HERE, HERE, THERE]
    assert recorded(INSTALLATION_ID, "user.sign_in_refused") == [HERE, HERE, THERE, THERE, ELSEWHERE]
    assert len([line for line in caplog.records if "sign-in refused" in line.getMessage()]) == len(answers)
    # Strangers do not crowd out somebody who is known, whose session ends.
    browser = signed_in(Client(), cast.developer)
    assert browser.get("/profile/", REMOTE_ADDR=ELSEWHERE).status_code == 403
    assert recorded(cast.acme.id, "user.sign_in_refused") == [HERE, HERE, THERE, ELSEWHERE]


def test_of_answers_that_nobody_asked_for_only_so_much_is_written(cast: Cast, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(refusals, "OF_ONE", "2/hour")
    monkeypatch.setattr(refusals, "OF_ALL", "3/hour")
    connection = connect(cast.acme).connection
    with tenant_scope(cast.acme.id):
        address = redirect_uri(connection)
    for caller in (HERE, HERE, HERE, THERE, THERE):
        assert Client().get(address, {"state": "invented", "code": "x"}, REMOTE_ADDR=caller).status_code == 403
    assert recorded(cast.acme.id, "user.sign_in_failed") == [HERE, HERE, THERE]
    with tenant_scope(cast.acme.id):
        assert ConnectionLogEntry.objects.count() == 5
