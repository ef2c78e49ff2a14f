"""`auth/login`, `auth/refresh`, `auth/logout`: programs that sign in as a person."""

import time
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import jwt
import pytest
import time_machine
from allauth.account.models import EmailAddress
from django.conf import settings
from django.test import Client

from audit.models import AuditEvent
from config.kernel.principals import SYSTEM
from config.kernel.sign_in import Method
from config.kernel.tenancy.scope import INSTALLATION_ID, tenant_scope
from keys import signing
from keys.credentials import digest_of, generate, prefix_of
from keys.models import RefreshToken, TokenSession
from keys.services import sessions
from keys.services.signing_keys import rotate_signing_key
from keys.signing import Purpose
from keys.tasks import tidy
from orgs.models import Membership, User
from orgs.services.organizations import disable_organization, enable_organization
from orgs.services.second_factor import confirm_device, device_to_confirm
from orgs.services.users import disable_user, enable_user, reset_password
from tests.at_once import at_once
from tests.authenticators import code_of
from tests.browsers import signed_in
from tests.cast import PASSWORD, Cast
from tests.conftest import JSONClient

AUTH = "/api/v1/auth"
WHOAMI = "/api/v1/whoami"
AUTH_FAILURE = {"type": "about:blank", "title": "auth failure", "status": 401}


def login(email: str, password: str = PASSWORD, **more: Any) -> Any:
    return JSONClient().post(f"{AUTH}/login", {"email": email, "password": password, **more})


def tokens_of(user: User, **more: Any) -> dict[str, Any]:
    answer = login(user.email, **more)
    assert answer.status_code == 200, answer.content
    return answer.json()


def refresh(token: str, **headers: Any) -> Any:
    return JSONClient().post(f"{AUTH}/refresh", {"refresh_token": token}, **headers)


def is_in(access_token: str) -> bool:
    answer = JSONClient(access_token).get(WHOAMI)
    assert answer.status_code == 200 or (answer.status_code, answer.json()) == (401, AUTH_FAILURE)
    return answer.status_code == 200


def refused(answer: Any) -> bool:
    assert (answer.status_code, answer.json()) == (401, AUTH_FAILURE)
    return True


def ledger(name: str) -> list[AuditEvent]:
    with tenant_scope(INSTALLATION_ID):
        return list(AuditEvent.objects.filter(event=name).order_by("id"))


# -- signing in ------------------------------------------------------------------------------------------------------
def test_a_program_signs_in_as_a_person_and_acts_as_they_may(cast: Cast):
    answer = login(" Dora@ACME.example")
    issued = answer.json()
    assert issued.keys() == {"access_token", "refresh_token", "expires_in", "token_type"}
    assert (issued["expires_in"], issued["token_type"]) == (900, "Bearer")
    assert answer["Cache-Control"] == "no-store"
    client = JSONClient(issued["access_token"])
    caller = client.get(WHOAMI).json()
    assert (caller["kind"], caller["id"]) == ("user", cast.developer.public_id)
    assert caller["user"]["email"] == cast.developer.email
    assert caller["session"]["method"] == "password"
    assert (caller["token"], caller["key"], caller["permissions"]) == (None, None, None)
    assert [row["slug"] for row in caller["organizations"]] == ["acme"]
    assert client.get("/api/v1/orgs/acme/projects").status_code == 200
    missing = client.patch("/api/v1/orgs/acme", {"name": "Mine"})
    assert (missing.status_code, missing.json()["code"]) == (403, "permission_missing")
    event = ledger("user.signed_in")[-1]
    assert (event.actor_id, event.data) == (
        cast.developer.public_id,
        {"method": "password", "session": caller["session"]["id"]},
    )


def test_the_access_token_says_who_it_is_and_nothing_else(cast: Cast):
    issued = tokens_of(cast.developer, organization="acme")
    keys = jwt.PyJWKSet.from_dict(Client().get("/.well-known/jwks.json").json())
    header = jwt.get_unverified_header(issued["access_token"])
    assert header["typ"] == "at+jwt"
    claims = jwt.decode(
        issued["access_token"], keys[header["kid"]], algorithms=["EdDSA"], audience=settings.TENANTRY_URL
    )
    assert claims.keys() == {"sub", "sid", "org", "iss", "aud", "iat", "exp", "jti", "purpose"}
    assert (claims["sub"], claims["org"]) == (cast.developer.public_id, cast.acme.public_id)
    assert claims["exp"] - claims["iat"] == 900


def test_the_refresh_token_has_our_format_and_is_kept_as_a_hash(cast: Cast):
    issued = tokens_of(cast.developer)
    assert prefix_of(issued["refresh_token"]) == "rft_"
    assert bytes(RefreshToken.objects.get().digest) == digest_of(issued["refresh_token"])


def test_a_session_in_one_organization_reaches_no_other(cast: Cast):
    with tenant_scope(cast.globex.id):
        Membership.objects.create(user=cast.developer, role="viewer")
    narrow, wide = tokens_of(cast.developer, organization=cast.acme.public_id), tokens_of(cast.developer)
    for slug, expected in (("acme", 200), ("globex", 404)):
        assert JSONClient(narrow["access_token"]).get(f"/api/v1/orgs/{slug}").status_code == expected
        assert JSONClient(wide["access_token"]).get(f"/api/v1/orgs/{slug}").status_code == 200
    assert JSONClient(narrow["access_token"]).get(WHOAMI).json()["session"]["organization_id"] == cast.acme.public_id
    again = refresh(narrow["refresh_token"]).json()
    assert JSONClient(again["access_token"]).get("/api/v1/orgs/globex").status_code == 404


def with_second_factor(user: User) -> Any:
    device = device_to_confirm(user=user)
    with time_machine.travel(datetime.now(UTC), tick=False):  # a moment later that code may be too old
        assert confirm_device(user=user, code=code_of(device, steps=-1))
    device.refresh_from_db()
    return device


def test_every_failure_to_sign_in_gets_the_one_answer_and_opens_nothing(cast: Cast):
    with_second_factor(cast.owner)
    disable_user(actor=SYSTEM, user=cast.viewer, reason="left")
    EmailAddress.objects.filter(user=cast.admin).update(verified=False)
    temporary = reset_password(actor=SYSTEM, user=cast.staff)
    failures = {
        "unknown address": login("nobody@acme.example"),
        "wrong password": login(cast.developer.email, "wrong"),
        "empty second factor": login(cast.owner.email, otp=""),
        "no second factor": login(cast.owner.email),
        "wrong second factor": login(cast.owner.email, otp="000000"),
        "no code at all": login(cast.owner.email, otp="٣٤٥٦٧٨"),
        "disabled": login(cast.viewer.email),
        "unverified": login(cast.admin.email),
        "must change the password": login(cast.staff.email, temporary),
        "another organization": login(cast.developer.email, organization="globex"),
        "no organization": login(cast.developer.email, organization="never-existed"),
        "no address": login("not an address"),
    }
    bodies = {name: (answer.status_code, answer.content) for name, answer in failures.items()}
    assert len(set(bodies.values())) == 1, bodies
    assert refused(failures["unknown address"])
    assert not TokenSession.objects.exists()
    assert [event.result for event in ledger("user.sign_in_failed")] == ["refused"] * len(failures)
    assert not [event for event in ledger("user.sign_in_failed") if "wrong" in str(event.data)]


def test_the_second_factor_is_asked_for_and_each_code_works_once(cast: Cast):
    device = with_second_factor(cast.owner)
    code = code_of(device)
    assert refused(login(cast.owner.email, "wrong", otp=code)), "a wrong password uses no code up"
    assert login(cast.owner.email, otp=code).status_code == 200
    assert refused(login(cast.owner.email, otp=code))


def test_whether_somebody_is_there_cannot_be_told_by_the_time(cast: Cast, settings: Any):
    settings.PASSWORD_HASHERS = ["django.contrib.auth.hashers.Argon2PasswordHasher"]
    cast.developer.set_password(PASSWORD)
    cast.developer.save()

    def seconds(email: str) -> float:
        started = time.perf_counter()
        assert refused(login(email, "wrong"))
        return time.perf_counter() - started

    there = min(seconds(cast.developer.email) for _ in range(4))
    nobody = min(seconds(f"nobody{number}@acme.example") for number in range(4))
    assert 0.6 < there / nobody < 1.6, (there, nobody)


def test_guessing_is_slowed_down_whether_the_account_exists_or_not(cast: Cast):
    with time_machine.travel(datetime.now(UTC), tick=False) as clock:
        for email in (cast.developer.email, "nobody@acme.example"):
            for _ in range(6):
                assert refused(login(email, "wrong"))
            for password in ("wrong", PASSWORD):
                limited = login(email.upper(), password)
                assert (limited.status_code, limited.json()["code"]) == (429, "rate_limited")
                assert limited["Retry-After"] == "1"
        assert not TokenSession.objects.exists()
        assert login(cast.owner.email).status_code == 200, "others still get in"
        clock.shift(1)
        assert login(cast.developer.email).status_code == 200, "the right password counts after the wait"


def test_whoever_gets_in_is_not_counted(cast: Cast):
    for _ in range(12):
        assert login(cast.developer.email).status_code == 200


def test_tries_are_counted_by_address_but_not_where_somebody_is_at_home(cast: Cast):
    assert login(cast.admin.email).status_code == 200
    with time_machine.travel(datetime.now(UTC), tick=False):
        for number in range(51):
            assert refused(login(f"nobody{number}@acme.example", "wrong"))
        assert login(cast.owner.email).status_code == 429
        assert login(cast.admin.email).status_code == 200


# -- refreshing ------------------------------------------------------------------------------------------------------
def test_a_refresh_token_is_good_for_one_pair(cast: Cast):
    first = tokens_of(cast.developer)
    second = refresh(first["refresh_token"]).json()
    third = refresh(second["refresh_token"]).json()
    assert len({pair["refresh_token"] for pair in (first, second, third)}) == 3
    assert all(is_in(pair["access_token"]) for pair in (first, second, third))
    assert TokenSession.objects.count() == 1
    assert RefreshToken.objects.filter(used_at=None).count() == 1


@pytest.mark.parametrize("which", [0, 1])
def test_a_used_refresh_token_that_comes_again_ends_the_session(cast: Cast, which: int):
    pairs = [tokens_of(cast.developer)]
    for _ in range(2):
        pairs.append(refresh(pairs[-1]["refresh_token"]).json())
    assert refused(refresh(pairs[which]["refresh_token"]))
    assert not any(is_in(pair["access_token"]) for pair in pairs)
    assert refused(refresh(pairs[-1]["refresh_token"]))
    session = TokenSession.objects.get()
    assert session.end_reason == "refresh token reused"
    assert [event.target_id for event in ledger("refresh_token.reused")] == [session.public_id]


def test_it_ends_also_when_the_copy_comes_with_an_idempotency_key(cast: Cast):
    first = tokens_of(cast.developer)
    second = refresh(first["refresh_token"], HTTP_IDEMPOTENCY_KEY="one").json()
    assert refused(refresh(first["refresh_token"], HTTP_IDEMPOTENCY_KEY="two"))
    assert not is_in(second["access_token"])
    assert len(ledger("refresh_token.reused")) == 1


def test_another_session_of_the_person_goes_on(cast: Cast):
    first, other = tokens_of(cast.developer), tokens_of(cast.developer)
    refresh(first["refresh_token"])
    assert refused(refresh(first["refresh_token"]))
    assert is_in(other["access_token"])
    assert refresh(other["refresh_token"]).status_code == 200


def test_a_lost_answer_is_had_again_under_the_same_idempotency_key(cast: Cast):
    first = tokens_of(cast.developer)
    lost = refresh(first["refresh_token"], HTTP_IDEMPOTENCY_KEY="attempt").json()
    again = refresh(first["refresh_token"], HTTP_IDEMPOTENCY_KEY="attempt").json()
    assert again["refresh_token"] == lost["refresh_token"]
    assert is_in(again["access_token"])
    third = refresh(again["refresh_token"], HTTP_IDEMPOTENCY_KEY="attempt").json()
    assert third["refresh_token"] != again["refresh_token"]
    assert RefreshToken.objects.filter(used_at=None).count() == 1
    assert not RefreshToken.objects.filter(digest=digest_of(first["refresh_token"])).exclude(salt=None).exists()
    assert refused(refresh(first["refresh_token"], HTTP_IDEMPOTENCY_KEY="attempt")), "its answer was used"
    assert not is_in(third["access_token"])


def test_it_is_had_again_for_a_while_only(cast: Cast):
    first = tokens_of(cast.developer)
    refresh(first["refresh_token"], HTTP_IDEMPOTENCY_KEY="attempt")
    with time_machine.travel(datetime.now(UTC) + timedelta(minutes=11)):
        assert refused(refresh(first["refresh_token"], HTTP_IDEMPOTENCY_KEY="attempt"))
        assert TokenSession.objects.get().ended_at


def test_a_refresh_token_that_is_none_of_ours_is_refused(cast: Cast):
    issued = tokens_of(cast.developer)
    for text in (generate("rft_").plaintext, issued["access_token"][:80], "", "rft_", cast.secret_key, "x" * 80):
        answer = refresh(text)
        assert answer.status_code == 400 if not text else refused(answer)
    assert JSONClient(issued["refresh_token"]).get(WHOAMI).status_code == 401, "it opens nothing by itself"
    assert refresh(issued["refresh_token"]).status_code == 200


def test_a_session_that_is_not_refreshed_ends_and_none_lasts_for_ever(cast: Cast):
    issued = tokens_of(cast.developer)
    start = datetime.now(UTC)
    with time_machine.travel(start + timedelta(days=30, seconds=1)):
        signing.forget()
        assert refused(refresh(issued["refresh_token"]))
    for days in (29, 58, 87):
        with time_machine.travel(start + timedelta(days=days)):
            signing.forget()
            issued = refresh(issued["refresh_token"]).json()
    with time_machine.travel(start + timedelta(days=90, seconds=1)):
        signing.forget()
        assert not is_in(issued["access_token"])
        assert refused(refresh(issued["refresh_token"]))
        tidy()
        assert TokenSession.objects.exists()
    with time_machine.travel(start + timedelta(days=121)):
        tidy()
    assert not TokenSession.objects.exists()
    assert not RefreshToken.objects.exists()


def test_old_refresh_tokens_are_forgotten_and_the_session_lives(cast: Cast):
    issued, start = tokens_of(cast.developer), datetime.now(UTC)
    with time_machine.travel(start + timedelta(days=20)):
        signing.forget()
        issued = refresh(issued["refresh_token"]).json()
    with time_machine.travel(start + timedelta(days=31)):
        signing.forget()
        tidy()
        assert RefreshToken.objects.count() == 1
        assert refresh(issued["refresh_token"]).status_code == 200


def test_an_access_token_ends_after_fifteen_minutes(cast: Cast):
    issued = tokens_of(cast.developer)
    start = datetime.now(UTC)
    for minutes, expected in ((14, True), (16, False)):
        with time_machine.travel(start + timedelta(minutes=minutes)):
            signing.forget()
            assert is_in(issued["access_token"]) is expected


def test_of_two_refreshes_at_once_no_two_families_live(committed_cast: Cast):
    for _ in range(5):
        issued = tokens_of(committed_cast.developer)
        answers = at_once([lambda: refresh(issued["refresh_token"]) for _ in range(4)])  # noqa: B023 - called at once
        assert sorted(answer.status_code for answer in answers) == [200, 401, 401, 401]
        won = next(answer.json() for answer in answers if answer.status_code == 200)
        assert refused(refresh(won["refresh_token"])), "somebody has a copy, so nobody goes on"
        assert not is_in(won["access_token"])


def test_of_two_repeated_refreshes_at_once_both_get_the_same(committed_cast: Cast):
    issued = tokens_of(committed_cast.developer)
    answers = at_once([lambda: refresh(issued["refresh_token"], HTTP_IDEMPOTENCY_KEY="x") for _ in range(4)])
    assert [answer.status_code for answer in answers] == [200] * 4
    assert len({answer.json()["refresh_token"] for answer in answers}) == 1
    assert RefreshToken.objects.filter(used_at=None).count() == 1


# -- ending ----------------------------------------------------------------------------------------------------------
def test_logging_out_ends_this_session_at_once(cast: Cast):
    mine, other = tokens_of(cast.developer), tokens_of(cast.developer)
    assert JSONClient(mine["access_token"]).post(f"{AUTH}/logout").status_code == 204
    assert not is_in(mine["access_token"])
    assert refused(refresh(mine["refresh_token"]))
    assert is_in(other["access_token"])
    ended = ledger("token_session.ended")
    assert [(event.actor_id, event.data) for event in ended] == [(cast.developer.public_id, {"reason": "signed out"})]


def test_logging_out_everywhere_ends_every_session_of_the_person(cast: Cast, api: Any):
    mine = [tokens_of(cast.developer), tokens_of(cast.developer, organization="acme")]
    others = tokens_of(cast.owner)
    answer = JSONClient(mine[1]["access_token"]).post(f"{AUTH}/logout-everywhere")
    assert answer.json() == {"ended": 2}
    assert not any(is_in(pair["access_token"]) for pair in mine)
    assert is_in(others["access_token"])
    assert api(cast.owner).post(f"{AUTH}/logout-everywhere").json() == {"ended": 1}
    assert not is_in(others["access_token"])


def test_personal_tokens_and_keys_have_no_session_to_end(cast: Cast, api: Any):
    session = tokens_of(cast.developer)
    assert api(cast.developer).post(f"{AUTH}/logout").json()["code"] == "session_only"
    assert api(cast.secret_key).post(f"{AUTH}/logout").json()["code"] == "people_only"
    assert api(cast.secret_key).post(f"{AUTH}/logout-everywhere").json()["code"] == "people_only"
    assert refused(api(None).post(f"{AUTH}/logout"))
    assert is_in(session["access_token"])


def disabled(cast: Cast) -> None:
    disable_user(actor=SYSTEM, user=cast.developer, reason="left")


def given_a_new_password(cast: Cast) -> None:
    reset_password(actor=SYSTEM, user=cast.developer)


def changed_password(cast: Cast) -> None:
    browser = Client()
    signed_in(browser, cast.developer)
    new = "a whole new horse battery"
    answer = browser.post("/password/change/", {"oldpassword": PASSWORD, "password1": new, "password2": new})
    assert answer.status_code == 302, answer.content


@pytest.mark.parametrize("what", [disabled, given_a_new_password, changed_password])
def test_a_session_ends_at_once_with_what_it_began_by(cast: Cast, what: Any):
    issued, other = tokens_of(cast.developer), tokens_of(cast.owner)
    assert is_in(issued["access_token"])
    what(cast)
    assert not is_in(issued["access_token"])
    assert refused(refresh(issued["refresh_token"]))
    if what is disabled:
        enable_user(actor=SYSTEM, user=cast.developer)
        assert not is_in(issued["access_token"]), "it does not come back with the person"
    assert TokenSession.objects.get(user=cast.developer).ended_at
    assert is_in(other["access_token"])


def test_a_session_in_an_organization_follows_it(cast: Cast):
    issued = tokens_of(cast.developer, organization="acme")
    with tenant_scope(cast.acme.id):
        disable_organization(actor=SYSTEM, reason="unpaid")
    assert not is_in(issued["access_token"])
    with tenant_scope(cast.acme.id):
        enable_organization(actor=SYSTEM)
    assert is_in(issued["access_token"])
    with tenant_scope(cast.acme.id):
        Membership.objects.of_user(cast.developer.id).delete()
    assert not is_in(issued["access_token"])


def test_a_token_for_something_else_is_no_access_token(cast: Cast):
    issued = tokens_of(cast.developer)
    session = TokenSession.objects.get()
    claims = {"sub": cast.developer.public_id, "sid": session.public_id}

    def signed(purpose: Purpose = Purpose.ACCESS, audience: str = "", **changed: str) -> str:
        return signing.sign(
            purpose, {**claims, **changed}, lifetime=timedelta(minutes=5), audience=audience or signing.ourselves()
        )

    assert is_in(signed())
    for text in (
        *(signed(purpose) for purpose in set(Purpose) - {Purpose.ACCESS}),
        signed(audience="https://other.example"),
        signed(sub=cast.owner.public_id),
        signed(sid="ses_00000000000000000000000000"),
        signed(sid="x"),
        signed(org=cast.acme.public_id),
        issued["access_token"][:-4] + "AAAA",
    ):
        assert not is_in(text)


def test_a_token_comes_in_one_header_and_never_in_an_address(cast: Cast):
    access = tokens_of(cast.developer)["access_token"]
    assert refused(JSONClient().get(WHOAMI, HTTP_X_API_KEY=access))
    assert refused(JSONClient(access).get(WHOAMI, HTTP_X_API_KEY=access))
    assert refused(JSONClient(access).get(f"{WHOAMI}?access_token={access}"))
    assert refused(JSONClient().get(f"{WHOAMI}?access_token={access}"))


def test_sessions_outlive_the_rotation_of_the_signing_key(cast: Cast):
    issued = tokens_of(cast.developer)
    rotate_signing_key(actor=SYSTEM)
    signing.forget()
    assert is_in(issued["access_token"])
    assert is_in(refresh(issued["refresh_token"]).json()["access_token"])


def test_every_program_sign_in_passes_the_one_function(cast: Cast, monkeypatch: pytest.MonkeyPatch):
    issued = tokens_of(cast.developer)

    def nobody(*, user: User, method: Method, sso_organization_id: UUID | None = None) -> None:
        asked.append((user.email, method))
        raise sessions.AuthFailure

    asked: list[tuple[str, str]] = []
    monkeypatch.setattr(sessions, "permit_program_sign_in", nobody)
    assert refused(login(cast.developer.email))
    assert refused(refresh(issued["refresh_token"]))
    with pytest.raises(sessions.AuthFailure):
        sessions.open_session(user=cast.developer, method=Method.PASSWORD)
    assert asked == [(cast.developer.email, "password")] * 3
    assert TokenSession.objects.count() == 1


# -- the list --------------------------------------------------------------------------------------------------------
def test_a_person_sees_and_ends_their_own_sessions(cast: Cast, api: Any):
    mine = [tokens_of(cast.developer), tokens_of(cast.developer, organization="acme")]
    theirs = tokens_of(cast.owner)
    listed = api(cast.developer).get("/api/v1/me/sessions").json()["data"]
    assert [row["organization_id"] for row in listed] == [cast.acme.public_id, None]
    assert listed[0]["ip"] == "127.0.0.1"
    assert all(issued["refresh_token"] not in str(listed) for issued in mine)
    foreign = JSONClient(theirs["access_token"]).get(WHOAMI).json()["session"]["id"]
    assert api(cast.developer).delete(f"/api/v1/me/sessions/{foreign}").status_code == 404
    assert is_in(theirs["access_token"])
    assert api(cast.developer).delete(f"/api/v1/me/sessions/{listed[0]['id']}").status_code == 204
    assert [is_in(pair["access_token"]) for pair in mine] == [True, False]
    assert api(cast.developer).delete(f"/api/v1/me/sessions/{listed[0]['id']}").status_code == 404
    assert len(api(cast.developer).get("/api/v1/me/sessions").json()["data"]) == 1


def test_a_narrowed_caller_sees_no_more_than_itself(cast: Cast, api: Any):
    wide, narrow = tokens_of(cast.developer), tokens_of(cast.developer, organization="acme")
    listed = JSONClient(narrow["access_token"]).get("/api/v1/me/sessions").json()["data"]
    assert [row["organization_id"] for row in listed] == [cast.acme.public_id]
    wide_id = JSONClient(wide["access_token"]).get(WHOAMI).json()["session"]["id"]
    assert JSONClient(narrow["access_token"]).delete(f"/api/v1/me/sessions/{wide_id}").status_code == 404
    assert is_in(wide["access_token"])
    assert api(cast.secret_key).get("/api/v1/me/sessions").json()["code"] == "people_only"
