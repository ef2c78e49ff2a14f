"""Whom the gates let in and a rule behind them refused is on the record of the organization."""

from datetime import timedelta
from typing import Any

import time_machine
from django.utils import timezone

from config.kernel.tenancy.scope import tenant_scope
from keys.services.tokens import create_token
from orgs.models import Membership
from tests.cast import Cast
from tests.gateway import state
from tests.projects.test_denials import ACME, PAGES, all_denied, denied

ABOVE = "That role may do more than yours: ask somebody with a higher role."


def test_who_reaches_above_themselves_is_on_record_over_rest(api: Any, cast: Cast):
    """A service refuses that, not a gate: the permission is there."""
    client, before = api(cast.admin), state()
    body = {"email": "eve@x.example", "role": "owner"}
    answer = client.post(f"{ACME}/invitations", body, headers={"Idempotency-Key": "once"})
    assert (answer.status_code, answer.json()["code"]) == (403, "forbidden")
    [row] = denied(cast.acme)
    assert (row.actor_id, row.result, row.target_id) == (cast.admin.public_id, "refused", cast.acme.public_id)
    assert row.data == {
        "cause": "rule",
        "method": "POST",
        "route": "/api/v1/orgs/{organization}/invitations",
        "permission": "manage_members",
        "reason": answer.json()["detail"],
        "project": None,
    }
    assert state() == before


def test_who_reaches_above_themselves_in_a_project_is_on_record_with_it(api: Any, cast: Cast):
    owner = cast.principal(cast.owner)
    _, narrow = create_token(actor=owner, user=cast.owner, name="narrow", permissions=["manage_keys", "view_org"])
    body = {"name": "Builder", "permissions": ["manage_env"]}
    assert api(narrow).post(f"{ACME}/projects/rocket/agents", body).status_code == 403
    [row] = denied(cast.acme)
    assert (row.data["cause"], row.target_kind, row.data["project"]) == ("rule", "project", cast.project.public_id)


def test_who_reaches_above_themselves_on_a_page_is_on_record(browse: Any, cast: Cast):
    browser = browse(cast.admin)
    before = state()
    answer = browser.post(f"{PAGES}/invitations/new/", {"email": "eve@x.example", "role": "owner"})
    assert (answer.status_code, ABOVE.encode() in answer.content) == (403, True)
    [row] = denied(cast.acme)
    assert (row.data["cause"], row.data["reason"]) == ("rule", ABOVE)
    assert row.data["route"] == "/orgs/{organization}/invitations/new/"
    assert state() == before


def test_a_form_and_the_page_around_it_are_refused_once(browse: Any, cast: Cast):
    """Neither may an admin change an owner's role, nor see the page about it."""
    with tenant_scope(cast.acme.id):
        membership = Membership.objects.of_user(cast.owner.id).get()
    answer = browse(cast.admin).post(f"{PAGES}/members/{membership.public_id}/role/", {"role": "viewer"})
    assert answer.status_code == 403
    assert [row.data["cause"] for row in denied(cast.acme)] == ["rule"]


def test_a_page_that_a_rule_keeps_from_somebody_is_on_record(browse: Any, cast: Cast):
    """Where the view itself refuses, whatever the method."""
    with tenant_scope(cast.acme.id):
        membership = Membership.objects.of_user(cast.owner.id).get()
    answer = browse(cast.admin).get(f"{PAGES}/members/{membership.public_id}/role/")
    assert answer.status_code == 403
    assert [row.data["cause"] for row in denied(cast.acme)] == ["rule"]


def test_being_asked_for_another_proof_is_no_refused_attempt(browse: Any, cast: Cast):
    browser = browse(cast.owner)
    with time_machine.travel(timezone.now() + timedelta(minutes=20)):
        answer = browser.post(f"{PAGES}/settings/delete/", {"name": "Acme"})
    assert answer.headers["Location"].startswith("/confirm/")
    assert all_denied() == 0
