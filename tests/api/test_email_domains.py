"""E-mail domains over REST."""

from datetime import UTC, datetime

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from dnslib import RCODE

from config.kernel.tenancy.scope import tenant_scope
from orgs.models import EmailDomain, SignInPolicy
from tests.api.rows import everything

DOMAINS = "/api/v1/orgs/acme/email-domains"


def test_a_domain_is_registered_proven_and_removed(cast, api, zone):
    admin = api(cast.admin)
    made = admin.post(DOMAINS, {"domain": "Acme.Example"})
    assert made.status_code == 201
    body = made.json()
    assert body["id"].startswith("edm_")
    assert (body["domain"], body["status"], body["txt_name"]) == ("acme.example", "pending", "_tenantry.acme.example")
    assert body["txt_value"].startswith("tenantry-domain-verification=")
    one = f"{DOMAINS}/{body['id']}"
    assert admin.get(one).json() == body
    waiting = admin.post(f"{one}/verify")
    assert (waiting.status_code, waiting.json()["status"]) == (200, "pending")
    assert waiting.json()["failure"] == "There is no TXT record at _tenantry.acme.example."
    zone.texts[body["txt_name"]] = [body["txt_value"]]
    proven = admin.post(f"{one}/verify")
    assert (proven.status_code, proven.json()["status"], proven.json()["failure"]) == (200, "proven", "")
    assert [row["status"] for row in admin.get(DOMAINS).json()["data"]] == ["proven"]
    assert admin.get(f"{DOMAINS}?status=lost").json()["data"] == []
    assert admin.delete(one).status_code == 204
    assert admin.get(one).status_code == 404


def test_the_same_request_sent_again_registers_once(cast, api):
    answers = [api(cast.owner).post(DOMAINS, {"domain": "acme.example"}, HTTP_IDEMPOTENCY_KEY="x") for _ in range(2)]
    assert answers[0].json() == answers[1].json()
    again = api(cast.owner).post(DOMAINS, {"domain": "acme.example"})
    assert (again.status_code, again.json()["code"]) == (409, "email_domain_registered")


@pytest.mark.parametrize("domain", ["gmail.com", "co.uk", "com", "not a domain", ""])
def test_what_is_no_domain_of_their_own_is_refused(cast, api, domain):
    client = api(cast.owner)
    before = everything()
    answer = client.post(DOMAINS, {"domain": domain})
    assert (answer.status_code, list(answer.json()["errors"])) == (400, ["domain"])
    assert everything() == before


def test_a_domain_that_another_organization_proved_is_refused_at_registering_and_at_proving(cast, api, zone):
    mine = api(cast.owner).post(DOMAINS, {"domain": "acme.example"}).json()
    theirs = api(cast.outsider).post("/api/v1/orgs/globex/email-domains", {"domain": "acme.example"}).json()
    assert theirs["status"] == "pending"
    zone.texts[mine["txt_name"]] = [mine["txt_value"], theirs["txt_value"]]
    assert api(cast.owner).post(f"{DOMAINS}/{mine['id']}/verify").json()["status"] == "proven"
    outsider = api(cast.outsider)
    refused = outsider.post(f"/api/v1/orgs/globex/email-domains/{theirs['id']}/verify")
    assert (refused.status_code, refused.json()["code"]) == (409, "email_domain_taken")
    assert outsider.delete(f"/api/v1/orgs/globex/email-domains/{theirs['id']}").status_code == 204
    refused = outsider.post("/api/v1/orgs/globex/email-domains", {"domain": "acme.example"})
    assert (refused.status_code, refused.json()["code"]) == (409, "email_domain_taken")


def test_another_tenants_domain_is_absent_to_each_method(cast, api, zone):
    mine = api(cast.owner).post(DOMAINS, {"domain": "acme.example"}).json()
    zone.texts[mine["txt_name"]] = [mine["txt_value"]]
    outsider = api(cast.outsider)
    before = everything()
    for path in (DOMAINS, "/api/v1/orgs/globex/email-domains"):
        for method, suffix in (("get", ""), ("delete", ""), ("post", "/verify")):
            assert getattr(outsider, method)(f"{path}/{mine['id']}{suffix}").status_code == 404, (path, method)
    assert everything() == before
    assert zone.asked == []


@pytest.mark.parametrize("role", ["developer", "viewer"])
def test_roles_without_the_permission_neither_see_nor_change(cast, api, zone, role):
    mine = api(cast.owner).post(DOMAINS, {"domain": "acme.example"}).json()
    client = api(cast.member(role))
    before = everything()
    one = f"{DOMAINS}/{mine['id']}"
    for answer in (
        client.get(DOMAINS),
        client.post(DOMAINS, {"domain": "acme.test"}),
        client.get(one),
        client.delete(one),
        client.post(f"{one}/verify"),
    ):
        assert (answer.status_code, answer.json()["permission"]) == (403, "manage_sso")
    assert everything() == before
    assert zone.asked == []


def test_a_removal_that_ends_single_sign_on_must_be_meant(cast, api, zone):
    mine = api(cast.owner).post(DOMAINS, {"domain": "acme.example"}).json()
    one = f"{DOMAINS}/{mine['id']}"
    zone.texts[mine["txt_name"]] = [mine["txt_value"]]
    api(cast.owner).post(f"{one}/verify")
    with tenant_scope(cast.acme.id):
        SignInPolicy.objects.create(enforcement="required", required_from=datetime(2031, 1, 1, tzinfo=UTC))
    for body in (None, {}, {"confirm": "acme"}):
        refused = api(cast.owner).delete(one, body)
        assert (refused.status_code, refused.json()["code"]) == (409, "email_domain_in_use")
        assert (refused.json()["people"], refused.json()["enforcement"]) == (4, "required")
    with tenant_scope(cast.acme.id):
        assert EmailDomain.objects.proven().count() == 1
    assert api(cast.owner).delete(one, {"confirm": "acme.example"}).status_code == 204


def test_checks_on_demand_are_limited(cast, api, zone):
    mine = api(cast.owner).post(DOMAINS, {"domain": "acme.example"}).json()
    client = api(cast.owner)
    answers = [client.post(f"{DOMAINS}/{mine['id']}/verify").status_code for _ in range(11)]
    assert answers == [200] * 10 + [429]
    assert len(zone.asked) == 10


def test_an_error_of_the_dns_is_told_and_is_no_fault_of_ours(cast, api, zone):
    mine = api(cast.owner).post(DOMAINS, {"domain": "acme.example"}).json()
    zone.rcode = RCODE.SERVFAIL
    answer = api(cast.owner).post(f"{DOMAINS}/{mine['id']}/verify")
    assert (answer.status_code, answer.json()["status"]) == (200, "pending")
    assert "The DNS answered with an error" in answer.json()["failure"]


def test_a_longer_list_takes_no_more_queries(cast, api):
    client = api(cast.owner)

    def queries():
        with CaptureQueriesContext(
            connection,
        ) as captured:
            assert client.get(DOMAINS).status_code == 200
        return len(captured)

    client.get(DOMAINS)
    before = queries()
    with tenant_scope(cast.acme.id):
        for number in range(20):
            EmailDomain.objects.create(domain=f"{number}.acme.example", token="t")
    assert queries() == before
