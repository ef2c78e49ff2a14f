"""Switching single sign-on on and off: what must be there, who may, what is recorded and mailed."""

from datetime import timedelta
from typing import Any

import pytest
from django.test import Client
from django.utils import timezone

from audit.models import AuditEvent
from config.kernel.permissions import Role
from config.kernel.tenancy.scope import tenant_scope
from orgs.models import EmailDomain, Membership, PilotMember, SignInPolicy
from sso.models import Configuration, Connection
from tests.browsers import saved, signed_in
from tests.cast import Cast
from tests.sso.enforcing import by_sso, came, connect, enforce

PAGE = "/orgs/acme/sign-in/policy/"
REST = "/api/v1/orgs/acme"
FORM = {"guests": "second_factor", "session_hours": "24", "begin": "now"}


def policy_of(cast: Cast) -> SignInPolicy:
    with tenant_scope(cast.acme.id):
        return SignInPolicy.objects.first() or SignInPolicy()


def events_of(cast: Cast, name: str) -> list[AuditEvent]:
    with tenant_scope(cast.acme.id):
        return list(AuditEvent.objects.filter(event=name).order_by("id"))


def test_an_admin_who_came_in_through_the_live_configuration_switches_it_on(cast: Cast):
    configuration = connect(cast.acme)
    answer = saved(by_sso(cast.admin, configuration), PAGE, FORM | {"enforcement": "required"})
    assert answer.status_code == 302, answer.content.decode()
    policy = policy_of(cast)
    assert (policy.enforcement, policy.confirmed_at, policy.switched_on_by) == ("required", None, cast.admin)
    (event,) = events_of(cast, "sso.enforced")
    assert (event.actor_id, event.data["enforcement"]) == (cast.admin.public_id, "required")


def without_domain(cast: Cast, configuration: Configuration) -> Client:
    with tenant_scope(cast.acme.id):
        EmailDomain.objects.update(status="pending")
    return by_sso(cast.admin, configuration)


def with_a_lost_domain(cast: Cast, configuration: Configuration) -> Client:
    with tenant_scope(cast.acme.id):
        EmailDomain.objects.update(status="lost")
    return by_sso(cast.admin, configuration)


def without_connection(cast: Cast, configuration: Configuration) -> Client:
    with tenant_scope(cast.acme.id):
        Connection.objects.update(is_enabled=False)
    return by_sso(cast.admin, configuration)


def with_a_draft_alone(cast: Cast, configuration: Configuration) -> Client:
    with tenant_scope(cast.acme.id):
        Configuration.objects.update(state="draft")
    return by_sso(cast.admin, configuration)


def by_password(cast: Cast, configuration: Configuration) -> Client:
    return signed_in(Client(), cast.admin)


def through_a_retired_configuration(cast: Cast, configuration: Configuration) -> Client:
    with tenant_scope(cast.acme.id):
        Configuration.objects.update(state="retired")
        Configuration.objects.create(connection=configuration.connection, number=2, state="live")
    return by_sso(cast.admin, configuration)


def through_somebody_elses(cast: Cast, configuration: Configuration) -> Client:
    return by_sso(cast.admin, connect(cast.globex, domain="globex.example"))


@pytest.mark.parametrize("state", ["pilot", "required"])
@pytest.mark.parametrize(
    ("given", "code"),
    [
        (without_domain, "domain_needed"),
        (with_a_lost_domain, "domain_needed"),
        (without_connection, "connection_needed"),
        (with_a_draft_alone, "connection_needed"),
        (by_password, "sso_proof_needed"),
        (through_a_retired_configuration, "sso_proof_needed"),
        (through_somebody_elses, "sso_proof_needed"),
    ],
)
def test_what_is_missing_is_said_and_recorded_and_nothing_changes(cast: Cast, state: str, given: Any, code: str):
    browser = given(cast, connect(cast.acme))
    answer = saved(browser, PAGE, FORM | {"enforcement": state, "pilots": [str(cast.developer.id)]})
    assert answer.status_code == 409
    assert policy_of(cast).enforcement == "off"
    assert [event.data["cause"] for event in events_of(cast, "sso.enforcement_refused")] == [code]
    assert not events_of(cast, "sso.enforced")


def test_a_single_sign_on_of_twenty_minutes_ago_is_no_proof(cast: Cast, time_machine: Any):
    browser = by_sso(cast.admin, connect(cast.acme))
    time_machine.move_to(timezone.now() + timedelta(minutes=14), tick=False)
    page = browser.get(PAGE)
    assert "You came in through it just now" in page.content.decode()
    time_machine.move_to(timezone.now() + timedelta(minutes=6), tick=False)
    saved(browser, PAGE, FORM | {"enforcement": "required"})
    assert policy_of(cast).enforcement == "off"
    assert "Sign in through it yourself" in browser.get(PAGE).content.decode()


def test_over_rest_the_last_single_sign_on_of_the_tokens_owner_counts(cast: Cast, api: Any):
    configuration = connect(cast.acme)
    refused = api(cast.admin).patch(REST, {"enforce_sso": "required"})
    assert (refused.status_code, refused.json()["code"]) == (409, "sso_proof_needed")
    came(cast.admin, configuration, ago=timedelta(minutes=16))
    assert api(cast.admin).patch(REST, {"enforce_sso": "required"}).json()["code"] == "sso_proof_needed"
    assert policy_of(cast).enforcement == "off"
    assert len(events_of(cast, "sso.enforcement_refused")) == 2
    came(cast.admin, configuration)
    answer = api(cast.admin).patch(REST, {"enforce_sso": "required", "sso_session_hours": 8})
    record = answer.json()
    assert (answer.status_code, record["enforce_sso"], record["sso_session_hours"]) == (200, "required", 8)
    assert api(cast.admin).get(REST).json()["enforce_sso"] == "required"
    assert api(cast.admin).patch(REST, {"enforce_sso": "off"}).json()["enforce_sso"] == "off"
    assert [event.data["reason"] for event in events_of(cast, "sso.enforcement_ended")] == ["switched off"]


def test_a_configuration_that_went_live_after_the_sign_in_is_not_proven_by_it(cast: Cast, api: Any):
    configuration = connect(cast.acme)
    came(cast.admin, configuration, ago=timedelta(minutes=2))
    assert api(cast.admin).patch(REST, {"enforce_sso": "required"}).json()["code"] == "sso_proof_needed"
    assert policy_of(cast).enforcement == "off"


@pytest.mark.parametrize("role", [Role.DEVELOPER, Role.VIEWER])
def test_lower_roles_neither_read_nor_change_it(cast: Cast, api: Any, role: Role):
    configuration = connect(cast.acme)
    who = cast.member(role.value)
    browser = by_sso(who, configuration)
    assert browser.get(PAGE).status_code == 403
    assert browser.post(PAGE, FORM | {"enforcement": "required"}).status_code == 403
    came(who, configuration)
    assert api(who).patch(REST, {"enforce_sso": "required"}).status_code == 403
    assert policy_of(cast).enforcement == "off"


def test_strangers_find_no_policy(cast: Cast, api: Any):
    configuration = connect(cast.globex, domain="globex.example")
    assert by_sso(cast.outsider, configuration).get(PAGE).status_code == 404
    assert api(cast.outsider).patch(REST, {"enforce_sso": "off"}).status_code == 404


def test_a_role_that_may_change_the_name_alone_does_not_reach_the_policy(cast: Cast, api: Any):
    from orgs.models import CustomRole

    with tenant_scope(cast.acme.id):
        role = CustomRole.objects.create(name="Office", permissions=["manage_billing", "view_org"])
        Membership.objects.filter(user=cast.viewer).update(role="custom", custom_role=role)
    came(cast.viewer, connect(cast.acme))
    answer = api(cast.viewer).patch(REST, {"enforce_sso": "required", "name": "New name"})
    assert (answer.status_code, answer.json()["permission"]) == (403, "manage_sso")
    cast.acme.refresh_from_db()
    assert (policy_of(cast).enforcement, cast.acme.name) == ("off", "Acme")


def test_switching_off_needs_a_recent_proof_and_no_single_sign_on(cast: Cast, time_machine: Any):
    configuration = connect(cast.acme)
    enforce(cast.acme, session_hours=48)
    browser = by_sso(cast.owner, configuration)
    time_machine.move_to(timezone.now() + timedelta(minutes=20), tick=False)
    answer = browser.post(PAGE, FORM | {"enforcement": "off"})
    assert answer.status_code == 302
    assert "/confirm/" in answer["Location"]
    assert policy_of(cast).enforcement == "required"
    assert saved(by_sso(cast.owner, configuration), PAGE, FORM | {"enforcement": "off"}).status_code == 302
    assert policy_of(cast).enforcement == "off"


def test_pilots_are_members_and_nobody_else_notices(cast: Cast, api: Any):
    configuration = connect(cast.acme)
    came(cast.admin, configuration)
    foreign = api(cast.admin).patch(REST, {"enforce_sso": "pilot", "sso_pilots": [cast.outsider.public_id]})
    assert (foreign.status_code, list(foreign.json()["errors"])) == (400, ["pilots"])
    nobody = api(cast.admin).patch(REST, {"enforce_sso": "pilot"})
    assert nobody.status_code == 400
    assert policy_of(cast).enforcement == "off"
    answer = api(cast.admin).patch(REST, {"enforce_sso": "pilot", "sso_pilots": [cast.developer.public_id]})
    assert (answer.status_code, answer.json()["sso_pilots"]) == (200, [cast.developer.public_id])
    assert signed_in(Client(), cast.viewer).get("/orgs/acme/").status_code == 200
    assert signed_in(Client(), cast.developer).get("/orgs/acme/").status_code == 403
    assert by_sso(cast.developer, configuration).get("/orgs/acme/").status_code == 200
    api(cast.admin).patch(REST, {"enforce_sso": "off"})
    with tenant_scope(cast.acme.id):
        assert not PilotMember.objects.exists()
    assert signed_in(Client(), cast.developer).get("/orgs/acme/").status_code == 200


@pytest.mark.parametrize("body", [
    {"enforce_sso": "required", "sso_required_from": "2020-01-01T00:00:00Z"},
    {"enforce_sso": "required", "sso_required_from": "2099-01-01T00:00:00Z"},
    {"enforce_sso": "off", "sso_required_from": "2027-01-01T00:00:00Z"},
    {"enforce_sso": "required", "sso_pilots": ["USER"]},
    {"sso_session_hours": 0},
    {"sso_session_hours": 721},
])  # fmt: skip
def test_terms_that_make_no_sense_are_refused(cast: Cast, api: Any, body: dict):
    came(cast.admin, connect(cast.acme))
    body = {name: [cast.viewer.public_id] if value == ["USER"] else value for name, value in body.items()}
    assert api(cast.admin).patch(REST, body).status_code == 400
    assert (policy_of(cast).enforcement, policy_of(cast).session_hours) == ("off", 24)


def test_asking_twice_changes_nothing_and_needs_no_new_proof(cast: Cast, api: Any):
    configuration = connect(cast.acme)
    came(cast.admin, configuration)
    api(cast.admin).patch(REST, {"enforce_sso": "required"})
    before = policy_of(cast)
    came(cast.admin, configuration, ago=timedelta(hours=1))
    assert api(cast.admin).patch(REST, {"enforce_sso": "required"}).status_code == 200
    assert policy_of(cast).required_from == before.required_from
    assert len(events_of(cast, "sso.enforced")) == 1


def test_a_date_in_the_future_holds_from_then_on_alone(cast: Cast, api: Any, time_machine: Any):
    configuration = connect(cast.acme)
    came(cast.admin, configuration)
    begin = (timezone.now() + timedelta(days=3)).replace(microsecond=0)
    answer = api(cast.admin).patch(REST, {"enforce_sso": "required", "sso_required_from": begin.isoformat()})
    assert answer.status_code == 200, answer.json()
    assert signed_in(Client(), cast.viewer).get("/orgs/acme/").status_code == 200
    time_machine.move_to(begin + timedelta(minutes=1), tick=False)
    assert signed_in(Client(), cast.viewer).get("/orgs/acme/").status_code == 403
