"""Signing in with Google and GitHub, in browsers and from command lines, against real servers of their shape."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
import requests
from allauth.account.models import EmailAddress
from allauth.socialaccount.models import SocialAccount, SocialToken
from django.test import Client

from audit.models import AuditEvent
from config.kernel.tenancy.scope import INSTALLATION_ID, tenant_scope
from config.social import SocialSettings, problems_of_social
from keys.models import TokenSession
from orgs.models import BrowserSession, EmailDomain, SignInPolicy, User
from orgs.services.users import disable_user
from tests.cast import Cast
from tests.conftest import JSONClient
from tests.social_providers import BROWSER, BROWSER_SECRET, CLI, CLI_SECRET, Person, Provider, running

LOGIN = "/api/v1/auth/social"
BOTH = pytest.mark.parametrize("name", ["google", "github"])


@pytest.fixture
def provider(settings: Any) -> Iterator[Provider]:
    """Set up for both, at the same server."""
    with running() as found:
        clients = SocialSettings(
            url=found.url, client_id=BROWSER, client_secret=BROWSER_SECRET, cli_client_id=CLI,
            cli_client_secret=CLI_SECRET,
        )  # fmt: skip
        settings.TENANTRY_SOCIAL = {"google": clients, "github": clients}
        yield found


def consented(browser: Client, name: str, next_path: str = "") -> str:
    """Begins in our browser and consents at the provider; the path that it sends the browser back to."""
    start = browser.get(f"/login/{name}/start", {"next": next_path})
    assert start.status_code == 302, start.content
    back = requests.get(start["Location"], allow_redirects=False, timeout=5)
    split = urlsplit(back.headers["Location"])
    assert f"{split.scheme}://{split.netloc}" == "http://127.0.0.1:8000"
    return f"{split.path}?{split.query}"


def is_in(browser: Client) -> bool:
    return browser.get("/profile/").status_code == 200


def token_of(provider: Provider, name: str, client: str = CLI) -> str:
    return provider.id_token(client) if name == "google" else provider.access_token(client)


def test_nothing_is_offered_and_nothing_answers_until_it_is_set_up(cast: Cast):
    browser = Client()
    browser.post("/login/", {"login": cast.owner.email})
    page = browser.get("/login/ways/").content.decode()
    for name in ("google", "github", "nothing"):
        assert f"/login/{name}/start" not in page
        assert browser.get(f"/login/{name}/start").status_code == 404
        assert browser.get(f"/login/{name}/callback?code=x&state=y").status_code == 404


@BOTH
def test_a_known_person_with_the_same_verified_address_is_linked_and_in(cast: Cast, provider: Provider, name: str):
    browser = Client()
    browser.post("/login/", {"login": cast.owner.email})
    assert f"/login/{name}/start" in browser.get("/login/ways/").content.decode()
    answer = browser.get(consented(browser, name, "/profile/"))
    assert (answer.status_code, answer["Location"]) == (302, "/profile/")
    assert is_in(browser)
    assert BrowserSession.objects.get(user=cast.owner).method == name
    link = SocialAccount.objects.get()
    assert (link.user_id, link.provider, link.uid, link.extra_data) == (cast.owner.id, name, "1001", {})
    assert not SocialToken.objects.exists()
    with tenant_scope(INSTALLATION_ID):
        assert AuditEvent.objects.get(event="user.signed_in").data["method"] == name
        assert AuditEvent.objects.filter(event="user.account_linked").count() == 1
    provider.person = Person(email="new.address@elsewhere.example")
    again = Client()
    again.get(consented(again, name))
    assert is_in(again), "the link counts, not the address"
    assert SocialAccount.objects.count() == 1


@BOTH
def test_the_request_carries_state_challenge_and_the_browsers_client(cast: Cast, provider: Provider, name: str):
    query = parse_qs(urlsplit(Client().get(f"/login/{name}/start")["Location"]).query)
    assert query["client_id"] == [BROWSER]
    assert query["code_challenge_method"] == ["S256"]
    assert query["redirect_uri"] == [f"http://127.0.0.1:8000/login/{name}/callback"]
    assert len(query["state"][0]) >= 43
    assert BROWSER_SECRET not in str(query)


@BOTH
def test_a_stranger_gets_an_account_without_a_password(cast: Cast, provider: Provider, name: str):
    provider.person = Person(uid="7", name="Nora", email="Nora@New.example")
    browser = Client()
    browser.get(consented(browser, name))
    assert is_in(browser)
    user = User.objects.get(email="nora@new.example")
    assert (user.name, user.has_usable_password()) == ("Nora", False)
    assert EmailAddress.objects.get(user=user).verified
    with tenant_scope(INSTALLATION_ID):
        assert AuditEvent.objects.get(event="user.created", target_id=user.public_id).data["how"] == name


@BOTH
def test_where_nobody_signs_up_a_stranger_is_told_so(cast: Cast, provider: Provider, settings: Any, name: str):
    settings.TENANTRY_SIGN_UP = False
    provider.person = Person(uid="7", email="nora@new.example")
    browser = Client()
    answer = browser.get(consented(browser, name))
    assert answer.status_code == 403
    assert "nobody may sign up here" in answer.content.decode()
    assert not User.objects.filter(email="nora@new.example").exists()
    assert not SocialAccount.objects.exists()


@BOTH
@pytest.mark.parametrize("person", [Person(verified=False), Person(email=None)])
def test_an_address_that_is_not_verified_there_signs_nobody_in(
    cast: Cast, provider: Provider, name: str, person: Person
):
    provider.person = person
    browser = Client()
    answer = browser.get(consented(browser, name))
    assert answer.status_code == 403
    assert "no verified primary address" in answer.content.decode()
    assert not is_in(browser)
    assert not SocialAccount.objects.exists()


@BOTH
def test_an_account_whose_address_was_never_confirmed_is_not_taken_over(cast: Cast, provider: Provider, name: str):
    EmailAddress.objects.filter(user=cast.owner).update(verified=False)
    browser = Client()
    answer = browser.get(consented(browser, name))
    assert answer.status_code == 403
    assert "nobody has confirmed the address yet" in answer.content.decode()
    assert not is_in(browser)
    assert not SocialAccount.objects.exists()
    assert not EmailAddress.objects.get(user=cast.owner).verified


@BOTH
def test_a_disabled_person_stays_out_and_is_not_linked(cast: Cast, provider: Provider, name: str):
    disable_user(actor=cast.staff_principal(), user=cast.owner, reason="left")
    browser = Client()
    assert browser.get(consented(browser, name))["Location"] == "/login/"
    assert not is_in(browser)
    assert not SocialAccount.objects.exists()


@BOTH
def test_where_single_sign_on_is_required_it_opens_nothing_and_makes_nothing(cast: Cast, provider: Provider, name: str):
    with tenant_scope(cast.acme.id):
        EmailDomain.objects.create(domain="acme.example", status="proven", token="t")
        policy = {"required_from": "2026-01-01T00:00:00Z", "confirmed_at": "2026-01-01T00:00:00Z"}
        SignInPolicy.objects.update_or_create(defaults={"enforcement": "required", **policy})
    for person in (Person(), Person(uid="8", email="newcomer@acme.example")):
        provider.person = person
        browser = Client()
        assert browser.get(consented(browser, name)).status_code == 403
        assert not is_in(browser)
        assert JSONClient().post(LOGIN, {"provider": name, "token": token_of(provider, name)}).status_code == 401
    assert not SocialAccount.objects.exists()
    assert not User.objects.filter(email="newcomer@acme.example").exists()


@BOTH
def test_what_comes_back_counts_once_and_in_its_own_browser(cast: Cast, provider: Provider, name: str):
    browser, thief = Client(), Client()
    back = consented(browser, name)
    assert thief.get(back).status_code == 403
    assert not is_in(thief)
    assert browser.get(back).status_code == 302
    assert is_in(browser)
    fresh = Client()
    fresh.get(f"/login/{name}/start")
    assert fresh.get(back).status_code == 403
    assert not is_in(fresh)


@BOTH
def test_another_state_another_provider_or_too_late_is_refused(cast: Cast, provider: Provider, name: str):
    other = "github" if name == "google" else "google"
    browser = Client()
    back = consented(browser, name)
    assert browser.get(back.replace("state=", "state=x")).status_code == 403
    back = consented(browser, name)
    assert browser.get(back.replace(f"/{name}/", f"/{other}/")).status_code == 403
    back = consented(browser, name)
    session = browser.session
    session["social_attempt"] = {**session["social_attempt"], "started": session["social_attempt"]["started"] - 601}
    session.save()
    assert browser.get(back).status_code == 403
    assert not is_in(browser)


@BOTH
def test_a_code_of_another_flow_fails_at_its_challenge(cast: Cast, provider: Provider, name: str):
    victim, thief = Client(), Client()
    code = parse_qs(urlsplit(consented(victim, name)).query)["code"][0]
    state = parse_qs(urlsplit(consented(thief, name)).query)["state"][0]
    assert thief.get(f"/login/{name}/callback", {"code": code, "state": state}).status_code == 403
    assert not is_in(thief)


@BOTH
def test_a_no_there_and_a_broken_provider_are_said_in_a_sentence(cast: Cast, provider: Provider, name: str):
    provider.says_no = True
    browser = Client()
    answer = browser.get(consented(browser, name))
    assert answer.status_code == 403
    assert "did not let you in" in answer.content.decode()
    provider.says_no = False
    back = consented(browser, name)
    provider.down = True
    assert browser.get(back).status_code == 403
    assert not is_in(browser)


@pytest.mark.parametrize(
    "lies",
    [
        {"nonce": "another"}, {"nonce": None}, {"iss": "https://evil.example"}, {"aud": "another"}, {"aud": [BROWSER]},
        {"exp": 1}, {"iat": 4_000_000_000}, {"sub": None}, {"email_verified": "true"},
    ],
    ids=str,
)  # fmt: skip
def test_an_id_token_with_a_wrong_claim_signs_nobody_in(cast: Cast, provider: Provider, lies: dict[str, Any]):
    provider.lies = lies
    browser = Client()
    assert browser.get(consented(browser, "google")).status_code == 403
    assert not is_in(browser)


def test_an_id_token_signed_by_another_key_signs_nobody_in(cast: Cast, provider: Provider):
    provider.wrong_key = True
    browser = Client()
    assert browser.get(consented(browser, "google")).status_code == 403
    assert not is_in(browser)


def test_an_unsigned_id_token_signs_nobody_in(cast: Cast, provider: Provider):
    header, payload, _ = provider.id_token(CLI).split(".")
    for token in (f"{header}.{payload}.", f"eyJhbGciOiJub25lIiwia2lkIjoib25lIn0.{payload}."):
        assert JSONClient().post(LOGIN, {"provider": "google", "token": token}).status_code == 401


@BOTH
def test_next_never_leads_elsewhere(cast: Cast, provider: Provider, name: str):
    browser = Client()
    assert browser.get(consented(browser, name, "https://evil.example/"))["Location"] == "/"


@BOTH
def test_a_command_line_signs_in_by_a_token_of_its_own_client_once(cast: Cast, provider: Provider, name: str):
    token = token_of(provider, name)
    answer = JSONClient().post(LOGIN, {"provider": name, "token": token, "organization": "acme"})
    assert answer.status_code == 200, answer.content
    whoami = JSONClient(answer.json()["access_token"]).get("/api/v1/whoami").json()
    assert whoami["user"]["email"] == cast.owner.email
    session = TokenSession.objects.get()
    assert (session.method, session.organization_id) == (name, cast.acme.id)
    assert JSONClient().post(LOGIN, {"provider": name, "token": token}).status_code == 401
    assert TokenSession.objects.count() == 1


@BOTH
def test_a_token_of_the_browsers_client_is_refused_from_a_command_line(cast: Cast, provider: Provider, name: str):
    for client in (BROWSER, "somebody-elses-client"):
        token = token_of(provider, name, client)
        assert JSONClient().post(LOGIN, {"provider": name, "token": token}).status_code == 401
    assert not TokenSession.objects.exists()
    assert not SocialAccount.objects.exists()


def test_a_token_of_the_command_lines_client_is_refused_in_a_browser(cast: Cast, provider: Provider):
    provider.lies = {"aud": CLI}
    browser = Client()
    assert browser.get(consented(browser, "google")).status_code == 403
    assert not is_in(browser)


def test_an_old_token_is_refused(cast: Cast, provider: Provider):
    old = datetime.now(UTC) - timedelta(minutes=11)
    google = provider.id_token(CLI, iat=int(old.timestamp()))
    github = provider.access_token(CLI, made=old)
    for name, token in (("google", google), ("github", github)):
        assert JSONClient().post(LOGIN, {"provider": name, "token": token}).status_code == 401
    assert not TokenSession.objects.exists()


@BOTH
def test_nobody_signs_up_from_a_command_line(cast: Cast, provider: Provider, name: str):
    provider.person = Person(uid="7", email="nora@new.example")
    assert JSONClient().post(LOGIN, {"provider": name, "token": token_of(provider, name)}).status_code == 401
    assert not User.objects.filter(email="nora@new.example").exists()


def test_settings_that_miss_something_are_said_at_start():
    half = SocialSettings(url="https://x.example", client_id="a", cli_client_id="b")
    assert len(problems_of_social({"google": half, "github": half}, debug=False)) == 3
    same = SocialSettings(
        url="http://x.example", client_id="a", client_secret="s", cli_client_id="a", cli_client_secret="t"
    )
    found = problems_of_social({"google": same, "github": same}, debug=False)
    assert len(found) == 4
    off = SocialSettings(url="https://x.example")
    assert problems_of_social({"google": off, "github": off}, debug=False) == []
