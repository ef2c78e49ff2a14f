"""Leaked keys: reported by anybody or signed by GitHub, handled by policy, told to the owners alone."""

import hashlib
import json
import time
from collections.abc import Callable
from typing import Any

import pytest
from django.utils import timezone

from audit.models import AuditEvent
from config.kernel.errors import AuthFailure
from config.kernel.permissions import ROLE_PERMISSIONS, Role
from config.kernel.sign_in import Method
from config.kernel.tenancy.scope import INSTALLATION_ID, tenant_scope
from keys import leaks, mail
from keys.models import Key, PersonalToken
from keys.services.agents import create_agent, enrol_agent
from keys.services.key_policies import set_key_policy
from keys.services.keys import release_key
from keys.services.sessions import open_session
from tests.api.rows import everything
from tests.at_once import at_once
from tests.cast import Cast
from tests.conftest import JSONClient
from tests.kernel.test_tasks import Inbox, inbox, worker  # noqa: F401 - fixtures
from tests.staff.conftest import enter  # noqa: F401 - a fixture

REPORT = "/api/v1/keys/report-leak"
GITHUB = "/leaks/github"


def rows(*plaintexts: str, source: str = "", url: str = "") -> str:
    return json.dumps([[hashlib.sha256(text.encode()).hexdigest(), source, url] for text in plaintexts])


def policy(cast: Cast, on_leak: str) -> None:
    with tenant_scope(cast.acme.id):
        set_key_policy(actor=cast.principal(cast.owner), organization=cast.acme, on_leak=on_leak)


def release(cast: Cast) -> None:
    with tenant_scope(cast.acme.id):
        release_key(
            actor=cast.principal(cast.owner),
            holder=ROLE_PERMISSIONS[Role.OWNER],
            project_id=cast.project.id,
            key=cast.key.public_id,
        )


def key_now(cast: Cast) -> Key:
    with tenant_scope(cast.acme.id):
        return Key.objects.get(id=cast.key.id)


def leak_events(cast: Cast) -> list[dict[str, Any]]:
    with tenant_scope(cast.acme.id):
        return [row.data for row in AuditEvent.objects.filter(event="key.leaked").order_by("id")]


# -- what the policy makes of it -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("on_leak", "state"), [("revoke", "revoked"), ("quarantine", "quarantined"), ("report", "active")]
)
def test_a_leaked_key_is_handled_by_policy_once(cast: Cast, api: Any, on_leak: str, state: str):
    policy(cast, on_leak)
    assert leaks.handle(rows(cast.secret_key, source="somebody", url="https://paste.example/1")) == on_leak
    assert (key_now(cast).state, key_now(cast).leaked_at is not None) == (state, True)
    works = api(cast.secret_key).get("/api/v1/whoami").status_code == 200
    assert works == (on_leak == "report")
    assert leak_events(cast) == [
        {
            "project": cast.project.public_id,
            "action": on_leak,
            "source": "somebody",
            "url": "https://paste.example/1",
        }
    ]
    before = everything()
    assert leaks.handle(rows(cast.secret_key)) == "nothing"
    assert everything() == before


@pytest.mark.parametrize(
    ("first", "then", "outcome", "state"),
    [
        ("report", "revoke", "revoke", "revoked"),
        ("report", "quarantine", "quarantine", "quarantined"),
        ("quarantine", "revoke", "revoke", "revoked"),
        ("quarantine", "report", "nothing", "quarantined"),
        ("revoke", "quarantine", "nothing", "revoked"),
    ],
)
def test_a_repeated_report_does_what_the_policy_now_demands_beyond(
    cast: Cast, first: str, then: str, outcome: str, state: str
):
    policy(cast, first)
    assert leaks.handle(rows(cast.secret_key)) == first
    leaked_at = key_now(cast).leaked_at
    policy(cast, then)
    before = everything()
    assert leaks.handle(rows(cast.secret_key, source="again")) == outcome
    assert (everything() == before) == (outcome == "nothing")
    assert (key_now(cast).state, key_now(cast).leaked_at) == (state, leaked_at)
    assert [row["action"] for row in leak_events(cast)] == [first] + [then] * (outcome != "nothing")
    before = everything()
    assert leaks.handle(rows(cast.secret_key)) == "nothing"
    assert everything() == before


@pytest.mark.parametrize(
    ("on_leak", "outcome", "state"),
    [("quarantine", "quarantine", "quarantined"), ("revoke", "revoke", "revoked"), ("report", "nothing", "active")],
)
def test_a_released_key_that_is_reported_again_is_handled_again(cast: Cast, on_leak: str, outcome: str, state: str):
    leaks.handle(rows(cast.secret_key))
    release(cast)
    policy(cast, on_leak)
    assert leaks.handle(rows(cast.secret_key)) == outcome
    assert key_now(cast).state == state
    assert len(leak_events(cast)) == (1 if outcome == "nothing" else 2)


def test_unknown_public_and_ended_keys_cause_nothing(cast: Cast):
    before = everything()
    assert leaks.handle(rows("sk_live_unknown", cast.publishable_key, "")) == "nothing nothing nothing"
    assert everything() == before
    for ended in ({"revoked_at": timezone.now()}, {"revoked_at": None, "expires_at": timezone.now()}):
        with tenant_scope(cast.acme.id):
            Key.objects.filter(id=cast.key.id).update(**ended)
        before = everything()
        assert leaks.handle(rows(cast.secret_key)) == "nothing"
        assert everything() == before


def test_a_leaked_personal_token_is_revoked_and_its_owner_told(cast: Cast, api: Any, mailoutbox: list):
    token = cast.token(cast.developer)
    assert leaks.handle(rows(token)) == "revoked"
    assert api(token).get("/api/v1/whoami").status_code == 401
    row = PersonalToken.objects.get(user=cast.developer)
    assert mail.mail_leaked_token(row.id) == "sent"
    assert mailoutbox[-1].to == [cast.developer.email]
    assert token not in mailoutbox[-1].body
    assert leaks.handle(rows(token)) == "nothing"


def test_a_leaked_refresh_token_ends_its_session_and_no_other(cast: Cast, api: Any):
    leaked, other = (open_session(user=cast.developer, method=Method.PASSWORD) for _ in range(2))
    assert leaks.is_known(hashlib.sha256(leaked.refresh_token.encode()).digest())
    assert leaks.handle(rows(leaked.refresh_token)) == "revoked"
    assert api(leaked.access_token).get("/api/v1/whoami").status_code == 401
    assert api(other.access_token).get("/api/v1/whoami").status_code == 200
    with tenant_scope(INSTALLATION_ID):
        (event,) = AuditEvent.objects.filter(event="token_session.ended")
        assert (event.target_label, event.data) == (cast.developer.email, {"reason": "revoked"})
    before = everything()
    assert leaks.handle(rows(leaked.refresh_token)) == "nothing"
    assert everything() == before


def test_a_leaked_enrolment_token_enrols_nobody(cast: Cast):
    with tenant_scope(cast.acme.id):
        agent, token = create_agent(
            actor=cast.principal(cast.owner),
            holder=ROLE_PERMISSIONS[Role.OWNER],
            project_id=cast.project.id,
            name="Crawler",
        )
    assert leaks.is_known(hashlib.sha256(token.encode()).digest())
    assert leaks.handle(rows(token)) == "revoked"
    with pytest.raises(AuthFailure):
        enrol_agent(token=token)
    with tenant_scope(cast.acme.id):
        (event,) = AuditEvent.objects.filter(event="agent.updated")
        assert (event.target_id, list(event.data["changes"])) == (agent.public_id, ["enrolment_expires_at"])
    before = everything()
    assert leaks.handle(rows(token)) == "nothing"
    assert everything() == before


def test_the_owners_are_told_and_only_they(cast: Cast, mailoutbox: list):
    leaks.handle(rows(cast.secret_key))
    with tenant_scope(cast.acme.id):
        assert mail.mail_leak(cast.key.id, cast.owner.id) == "sent"
        for other in (cast.admin, cast.developer, cast.outsider):
            assert mail.mail_leak(cast.key.id, other.id) == "gone"
    (sent,) = mailoutbox
    assert sent.to == [cast.owner.email]
    assert "in quarantine" in sent.body
    assert cast.key.start in sent.body
    assert cast.secret_key not in sent.body + sent.alternatives[0][0]


def test_a_key_is_not_repeated_in_what_is_kept_of_the_report(cast: Cast):
    url = f"https://paste.example/?q={cast.secret_key}\n"
    assert leaks.told(url) == "https://paste.example/?q=[credential] "
    assert leaks.told("x old-key y", credential="old-key") == "x [credential] y"
    assert len(leaks.told("x" * 5000)) == 500


# -- anybody's report ------------------------------------------------------------------------------------------------


def test_the_reporter_learns_nothing(cast: Cast, api: Any):
    reporter = api(None)
    with tenant_scope(cast.acme.id):
        Key.objects.filter(kind="publishable").update(revoked_at=timezone.now())
    known = [cast.secret_key, cast.publishable_key, cast.token(cast.owner), "sk_live_" + "0" * 32, "nonsense", "Ω"]
    known.append(open_session(user=cast.developer, method=Method.PASSWORD).refresh_token)
    answers = [reporter.post(REPORT, {"key": key}) for key in known]
    assert {(answer.status_code, answer.content) for answer in answers} == {(202, b'{"received":true}')}
    assert len({tuple(sorted(name for name, _ in answer.items() if name != "X-Request-Id")) for answer in answers}) == 1


@pytest.mark.parametrize(
    "body", [{}, {"key": ""}, {"key": 5}, {"key": "x" * 1001}, {"key": "x", "url": "a\nb"}, {"keys": ["x"]}]
)
def test_what_is_no_report_is_refused(cast: Cast, api: Any, body: dict[str, Any]):
    assert api(None).post(REPORT, body).status_code == 400


def test_reports_of_one_address_are_counted(cast: Cast, api: Any):
    answers = [api(None).post(REPORT, {"key": "x"}).status_code for _ in range(31)]
    assert answers == [202] * 30 + [429]


def wait_for(condition: Callable[[], Any]) -> None:
    end = time.monotonic() + 20
    while not condition():
        assert time.monotonic() < end, "nothing came"
        time.sleep(0.05)


def test_from_the_report_to_the_owners_inbox(committed_cast: Cast, worker: None, inbox: Inbox):  # noqa: F811 - fixtures
    cast = committed_cast
    answer = JSONClient().post(REPORT, {"key": cast.secret_key, "url": f"https://paste.example/{cast.secret_key}"})
    assert answer.status_code == 202
    wait_for(lambda: inbox.messages)
    assert inbox.messages[0]["To"] == cast.owner.email
    assert key_now(cast).state == Key.State.QUARANTINED
    assert leak_events(cast)[0]["url"] == "https://paste.example/[credential]"
    assert JSONClient(cast.secret_key).get("/api/v1/whoami").status_code == 401


def test_of_reports_at_once_one_acts_and_is_told(committed_cast: Cast, worker: None, inbox: Inbox):  # noqa: F811 - fixtures
    cast = committed_cast
    for number, (on_leak, state) in enumerate((("quarantine", "quarantined"), ("revoke", "revoked")), start=1):
        policy(cast, on_leak)
        outcomes = at_once([lambda: leaks.handle(rows(cast.secret_key))] * 4)
        assert sorted(outcomes) == ["nothing"] * 3 + [on_leak]
        assert (key_now(cast).state, len(leak_events(cast))) == (state, number)
        wait_for(lambda number=number: len(inbox.messages) >= number)
    assert JSONClient().post(REPORT, {"key": cast.secret_key}).status_code == 202
    answer = JSONClient().post(REPORT, {"key": cast.token(cast.developer)})  # handled after it, and told
    assert answer.status_code == 202
    wait_for(lambda: len(inbox.messages) >= 3)
    assert [message["To"] for message in inbox.messages] == [cast.owner.email] * 2 + [cast.developer.email]


# -- GitHub ----------------------------------------------------------------------------------------------------------


def test_staff_release_a_key_from_quarantine(cast: Cast, api: Any, enter: Any):  # noqa: F811 - a fixture
    leaks.handle(rows(cast.secret_key))
    browser = enter(cast.staff)
    address = f"/admin/keys/key/{cast.key.id}/"
    assert "Release from quarantine" in browser.get(f"{address}change/").content.decode()
    assert browser.post(f"{address}do/release/").status_code == 302
    assert api(cast.secret_key).get("/api/v1/whoami").status_code == 200
    assert "Release from quarantine" not in browser.get(f"{address}change/").content.decode()
