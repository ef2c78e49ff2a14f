"""What lets no owner or admin in for an hour ends by itself; people are told before and after."""

from datetime import timedelta
from typing import Any

import pytest
from django.test import Client
from django.utils import timezone

from audit.models import AuditEvent
from config.kernel.tenancy.scope import tenant_scope
from orgs.enforcing import tend_enforcement
from orgs.models import Membership, PilotMember, SignInPolicy
from orgs.services.sign_in_policies import change_sign_in_policy, note_sso_sign_in, roll_back
from tests.at_once import at_once
from tests.browsers import saved, signed_in
from tests.cast import Cast
from tests.sso.enforcing import by_sso, came, connect, enforce

PAGE = "/orgs/acme/sign-in/policy/"


def policy_of(cast: Cast) -> SignInPolicy:
    with tenant_scope(cast.acme.id):
        return SignInPolicy.objects.get()


def rollbacks(cast: Cast) -> int:
    with tenant_scope(cast.acme.id):
        return AuditEvent.objects.filter(event="sso.enforcement_rolled_back").count()


def get_in(cast: Cast, who: Any, configuration: Any) -> bool:
    return note_sso_sign_in(user=who, organization_id=cast.acme.id, connection_id=configuration.connection_id)


def test_an_hour_without_an_owner_or_admin_ends_it(cast: Cast, time_machine: Any, delivering: Any, mailoutbox: list):
    configuration = connect(cast.acme)
    enforce(cast.acme, confirmed=False, since=timedelta(0))
    start = timezone.now()
    assert not get_in(cast, cast.developer, configuration), "a developer could not switch it off"
    time_machine.move_to(start + timedelta(minutes=59), tick=False)
    assert tend_enforcement() == (0, 0)
    assert signed_in(Client(), cast.viewer).get("/orgs/acme/").status_code == 403
    time_machine.move_to(start + timedelta(minutes=61), tick=False)
    with delivering():
        assert tend_enforcement() == (1, 0)
    policy = policy_of(cast)
    assert (policy.enforcement, policy.rolled_back_at) == ("off", timezone.now())
    assert {mail.to[0] for mail in mailoutbox} == {cast.owner.email, cast.admin.email}
    assert "switched off by itself" in mailoutbox[0].subject
    browser = signed_in(Client(), cast.owner)
    assert "switched off by itself" in browser.get(PAGE).content.decode()
    assert "switched off by itself" in browser.get("/orgs/acme/").content.decode()
    assert tend_enforcement() == (0, 0)
    assert rollbacks(cast) == 1


def test_it_has_ended_even_if_no_job_comes(cast: Cast, time_machine: Any):
    configuration = connect(cast.acme)
    enforce(cast.acme, confirmed=False, since=timedelta(0))
    start = timezone.now()
    time_machine.move_to(start + timedelta(minutes=61), tick=False)
    assert policy_of(cast).enforcement == "required"
    browser = signed_in(Client(), cast.owner)
    assert browser.get("/orgs/acme/").status_code == 200
    assert "switched off by itself" in browser.get(PAGE).content.decode()
    assert not get_in(cast, cast.owner, configuration), "what has ended cannot be confirmed"
    time_machine.move_to(start + timedelta(days=2), tick=False)
    assert signed_in(Client(), cast.viewer).get("/orgs/acme/").status_code == 200
    assert tend_enforcement() == (1, 0), "a job that comes late notes it"
    assert rollbacks(cast) == 1


@pytest.mark.parametrize("role", ["owner", "admin"])
def test_the_first_owner_or_admin_who_gets_in_keeps_it_on(cast: Cast, time_machine: Any, role: str):
    configuration = connect(cast.acme)
    enforce(cast.acme, confirmed=False, since=timedelta(0))
    start = timezone.now()
    time_machine.move_to(start + timedelta(minutes=30), tick=False)
    assert get_in(cast, cast.member(role), configuration)
    assert not get_in(cast, cast.member(role), configuration), "once is enough"
    time_machine.move_to(start + timedelta(hours=5), tick=False)
    assert tend_enforcement() == (0, 0)
    assert policy_of(cast).holds_at(timezone.now())
    with tenant_scope(cast.acme.id):
        assert AuditEvent.objects.filter(event="sso.enforcement_confirmed").count() == 1


def test_who_gets_in_before_it_takes_effect_or_through_somebody_elses_connection_confirms_nothing(cast: Cast):
    configuration, other = connect(cast.acme), connect(cast.globex, domain="globex.example")
    enforce(cast.acme, confirmed=False, since=-timedelta(hours=2))
    assert not get_in(cast, cast.owner, configuration)
    enforce(cast.acme, confirmed=False, since=timedelta(0))
    assert not get_in(cast, cast.owner, other)
    assert not get_in(cast, cast.outsider, configuration)
    assert policy_of(cast).confirmed_at is None


def test_a_trial_of_all_owners_and_admins_ends_by_itself_and_one_of_others_does_not(cast: Cast, time_machine: Any):
    configuration = connect(cast.acme)
    came(cast.admin, configuration)
    start = timezone.now()
    with tenant_scope(cast.acme.id):
        change_sign_in_policy(actor=cast.principal(cast.admin), enforcement="pilot", pilots=[cast.developer.id])
    time_machine.move_to(start + timedelta(hours=2), tick=False)
    assert tend_enforcement() == (0, 0)
    assert policy_of(cast).holds_at(timezone.now())
    came(cast.admin, configuration)
    with tenant_scope(cast.acme.id):
        change_sign_in_policy(
            actor=cast.principal(cast.admin), enforcement="pilot", pilots=[cast.owner.id, cast.admin.id]
        )
    time_machine.move_to(start + timedelta(hours=4), tick=False)
    assert signed_in(Client(), cast.owner).get("/orgs/acme/").status_code == 200
    assert tend_enforcement() == (1, 0)
    with tenant_scope(cast.acme.id):
        assert not PilotMember.objects.exists()


def test_two_workers_roll_it_back_once(committed_cast: Cast):
    cast = committed_cast
    connect(cast.acme)
    enforce(cast.acme, confirmed=False, since=timedelta(hours=2))

    def work() -> bool:
        with tenant_scope(cast.acme.id):
            return roll_back()

    assert sorted(at_once([work, work])) == [False, True]
    assert rollbacks(cast) == 1


def test_switched_on_while_a_password_sign_in_is_in_flight(committed_cast: Cast):
    """Whichever comes first: afterwards no session by password opens anything."""
    cast = committed_cast
    configuration = connect(cast.acme)
    came(cast.admin, configuration)
    browser = Client()

    def sign_in() -> None:
        browser.post("/login/", {"login": cast.developer.email, "password": cast.password})

    def switch_on() -> None:
        with tenant_scope(cast.acme.id):
            change_sign_in_policy(actor=cast.principal(cast.admin), enforcement="required")

    at_once([sign_in, switch_on])
    assert policy_of(cast).enforcement == "required"
    assert browser.get("/orgs/acme/").status_code in (302, 403)
    assert browser.get("/profile/").status_code == 302


def test_everybody_is_told_when_a_date_is_set_and_once_more_a_day_before(
    cast: Cast, time_machine: Any, delivering: Any, mailoutbox: list
):
    configuration = connect(cast.acme)
    with tenant_scope(cast.acme.id):
        Membership.objects.create(user=cast.outsider, role="viewer")
    begin = (timezone.now() + timedelta(days=5)).replace(second=0, microsecond=0)
    form = {
        "enforcement": "required", "begin": "later", "required_from": begin.strftime("%Y-%m-%dT%H:%M"),
        "guests": "refused", "session_hours": "24",
    }  # fmt: skip
    with delivering():
        assert saved(by_sso(cast.admin, configuration), PAGE, form).status_code == 302
    bodies = {mail.to[0]: mail.body for mail in mailoutbox}
    assert set(bodies) == {user.email for user in (cast.owner, cast.admin, cast.developer, cast.viewer, cast.outsider)}
    assert "by nothing else" in bodies[cast.viewer.email]
    assert "guests are not let in" in bodies[cast.outsider.email]
    assert "/start" in bodies[cast.viewer.email]
    mailoutbox.clear()
    time_machine.move_to(begin - timedelta(hours=25), tick=False)
    assert tend_enforcement() == (0, 0)
    time_machine.move_to(begin - timedelta(hours=23), tick=False)
    with delivering():
        assert tend_enforcement() == (0, 1)
    assert len(mailoutbox) == 5
    assert mailoutbox[0].subject == "Soon: single sign-on for Acme"
    assert tend_enforcement() == (0, 0)


def test_people_are_mailed_in_batches(cast: Cast, delivering: Any, mailoutbox: list, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("orgs.sign_in_mail.BATCH", 2)
    came(cast.admin, connect(cast.acme))
    with delivering(), tenant_scope(cast.acme.id):
        change_sign_in_policy(actor=cast.principal(cast.admin), enforcement="required")
    assert sorted(mail.to[0] for mail in mailoutbox) == sorted(
        user.email for user in (cast.owner, cast.admin, cast.developer, cast.viewer)
    )
