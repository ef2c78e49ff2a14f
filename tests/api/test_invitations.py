"""`/api/v1/orgs/{org}/invitations` and accepting one."""

from datetime import timedelta

import pytest
import time_machine
from allauth.account.models import EmailAddress
from django.utils import timezone

from config.kernel.identifiers import parse_public_id
from config.kernel.tenancy.scope import tenant_scope
from orgs.models import Invitation, Membership
from orgs.services.invitations import issue_token
from orgs.services.organizations import disable_organization
from tests.api.rows import everything
from tests.cast import person

INVITATIONS = "/api/v1/orgs/acme/invitations"
ACCEPT = "/api/v1/invitations/accept"


def invite(api, cast, email="nina@acme.example", **body):
    return api(cast.admin).post(INVITATIONS, {"email": email, **(body or {"role": "developer"})})


def token_of(cast, invitation):
    with tenant_scope(cast.acme.id):
        return issue_token(invitation_id=parse_public_id("inv", invitation["id"]))[1]


def test_an_invited_person_joins_with_the_token_of_the_mail(api, cast):
    made = invite(api, cast)
    assert (made.status_code, made.json()["state"], made.json()["invited_by"]) == (201, "pending", cast.admin.public_id)
    nina = person("nina@acme.example")
    joined = api(nina).post(ACCEPT, {"token": token_of(cast, made.json())})
    assert (joined.status_code, joined.json()["slug"], joined.json()["role"]) == (200, "acme", "developer")
    state = api(cast.admin).get(f"{INVITATIONS}/{made.json()['id']}").json()["state"]
    assert state == "accepted"


def test_no_answer_ever_holds_the_token(api, cast):
    made = invite(api, cast).json()
    token = token_of(cast, made)
    for answer in (api(cast.admin).get(INVITATIONS), api(cast.admin).get(f"{INVITATIONS}/{made['id']}")):
        assert token not in answer.content.decode()
        assert "token" not in answer.json()


def test_a_token_works_once(api, cast):
    token = token_of(cast, invite(api, cast).json())
    nina = api(person("nina@acme.example"))
    assert nina.post(ACCEPT, {"token": token}).status_code == 200
    before = everything()
    again = nina.post(ACCEPT, {"token": token})
    assert (again.status_code, again.json()["code"]) == (404, "not_found")
    assert everything() == before


def test_only_the_invited_and_verified_address_may_accept(api, cast):
    token = token_of(cast, invite(api, cast).json())
    nina, other = person("nina@acme.example"), person("nora@acme.example")
    EmailAddress.objects.filter(user=nina).update(verified=False)
    clients = [api(nina), api(other)]
    before = everything()
    for client in clients:
        answer = client.post(ACCEPT, {"token": token})
        assert (answer.status_code, answer.json()["code"]) == (403, "address_differs")
    assert everything() == before


def test_neither_keys_nor_narrowed_tokens_accept(api, cast, make):
    token = token_of(cast, invite(api, cast).json())
    nina = person("nina@acme.example")
    narrowed = make.token(nina, permissions=["view_org"])
    before = everything()
    assert api(narrowed).post(ACCEPT, {"token": token}).json()["code"] == "token_narrowed"
    assert api(cast.secret_key).post(ACCEPT, {"token": token}).json()["code"] == "people_only"
    assert everything() == before


@pytest.mark.parametrize("end", ["expired", "revoked", "disabled organization", "invented"])
def test_every_token_that_opens_nothing_is_answered_alike(api, cast, end):
    made = invite(api, cast).json()
    token = token_of(cast, made)
    nina = api(person("nina@acme.example"))
    later = timezone.now() + timedelta(days=8 if end == "expired" else 0, seconds=1)
    if end == "revoked":
        api(cast.admin).delete(f"{INVITATIONS}/{made['id']}")
    if end == "disabled organization":
        with tenant_scope(cast.acme.id):
            disable_organization(actor=cast.staff_principal(), reason="unpaid")
    before = everything()
    with time_machine.travel(later, tick=False):
        answer = nina.post(ACCEPT, {"token": "invented" if end == "invented" else token})
    assert (answer.status_code, answer.json()["code"]) == (404, "not_found")
    assert everything() == before


def test_resending_ends_the_old_link(api, cast):
    made = invite(api, cast).json()
    old = token_of(cast, made)
    sent = api(cast.admin).post(f"{INVITATIONS}/{made['id']}/resend")
    assert sent.status_code == 200
    nina = api(person("nina@acme.example"))
    assert nina.post(ACCEPT, {"token": old}).status_code == 404
    assert nina.post(ACCEPT, {"token": token_of(cast, made)}).status_code == 200
    assert api(cast.admin).post(f"{INVITATIONS}/{made['id']}/resend").status_code == 404


@pytest.mark.parametrize(
    ("email", "status", "code"),
    [
        ("dora@acme.example", 409, "already_member"),
        ("DORA@acme.example", 409, "already_member"),
        ("nina@acme.example", 409, "already_invited"),
        ("nobody", 400, "invalid"),
        ("", 400, "invalid"),
        ("a" * 250 + "@x.example", 400, "invalid"),
        (None, 400, "invalid"),
        (7, 400, "invalid"),
    ],
)
def test_addresses_that_cannot_be_invited(api, cast, email, status, code):
    invite(api, cast)
    before = everything()
    answer = invite(api, cast, email)
    assert (answer.status_code, answer.json()["code"]) == (status, code)
    assert everything() == before


def test_nobody_invites_above_themselves(api, cast):
    before = everything()
    assert invite(api, cast, role="owner").status_code == 403
    assert api(cast.developer).post(INVITATIONS, {"email": "x@acme.example", "role": "viewer"}).status_code == 403
    assert api(cast.secret_key).post(INVITATIONS, {"email": "x@acme.example", "role": "viewer"}).status_code == 403
    assert everything() == before


def test_one_bad_line_spoils_no_other(api, cast):
    emails = ["one@acme.example", "dora@acme.example", "not an address", "one@acme.example", ""]
    answer = api(cast.admin).post(f"{INVITATIONS}/bulk", {"emails": emails, "role": "viewer"})
    assert answer.status_code == 200
    lines = answer.json()["data"]
    assert [line["line"] for line in lines] == [1, 2, 3, 4, 5]
    assert [line["code"] for line in lines] == ["", "already_member", "invalid", "already_invited", "invalid"]
    assert lines[0]["invitation"]["email"] == "one@acme.example"
    assert [line["invitation"] for line in lines[1:]] == [None] * 4
    with tenant_scope(cast.acme.id):
        assert Invitation.objects.count() == 1


@pytest.mark.parametrize("emails", [[], ["x@acme.example"] * 201, "x@acme.example", [5], None, {"0": "x@acme.example"}])
def test_a_bulk_of_the_wrong_shape_invites_nobody(api, cast, emails):
    before = everything()
    answer = api(cast.admin).post(f"{INVITATIONS}/bulk", {"emails": emails, "role": "viewer"})
    assert (answer.status_code, list(answer.json()["errors"])) == (400, ["emails"])
    assert everything() == before


def test_invitations_are_listed_by_state(api, cast):
    first, second = invite(api, cast).json(), invite(api, cast, "otto@acme.example").json()
    api(cast.admin).delete(f"{INVITATIONS}/{first['id']}")

    def listed(query=""):
        return [row["id"] for row in api(cast.admin).get(f"{INVITATIONS}{query}").json()["data"]]

    assert listed() == [second["id"], first["id"]]
    assert (listed("?state=pending"), listed("?state=revoked")) == ([second["id"]], [first["id"]])
    assert (listed("?state=accepted"), listed("?state=expired")) == ([], [])
    with time_machine.travel(timezone.now() + timedelta(days=8)):
        assert (listed("?state=pending"), listed("?state=expired")) == ([], [second["id"]])


def test_a_member_without_the_permission_sees_no_invitations(api, cast):
    answer = api(cast.developer).get(INVITATIONS)
    assert (answer.status_code, answer.json()["permission"]) == (403, "manage_members")


def test_a_repeated_acceptance_with_its_key_is_answered_again(api, cast):
    token = token_of(cast, invite(api, cast).json())
    nina = person("nina@acme.example")
    first = api(nina).post(ACCEPT, {"token": token}, HTTP_IDEMPOTENCY_KEY="join")
    again = api(nina).post(ACCEPT, {"token": token}, HTTP_IDEMPOTENCY_KEY="join")
    assert (again.status_code, again.json()) == (200, first.json())
    with tenant_scope(cast.acme.id):
        assert Membership.objects.filter(user=nina).count() == 1
