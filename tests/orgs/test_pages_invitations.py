"""Invitations from both sides: the list and the forms inside, the mail and its link outside."""

import logging
import re
from typing import Any

import pytest
from allauth.account.models import EmailAddress
from django.core.files.uploadedfile import SimpleUploadedFile
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from audit.models import AuditEvent
from config.kernel.permissions import Role
from config.kernel.principals import SYSTEM
from config.kernel.tenancy.scope import tenant_scope
from orgs.forms.invitations import addresses_of_csv, addresses_of_text
from orgs.mail import send_invitation
from orgs.models import Invitation, Membership, User
from orgs.services.invitations import invite, resend, revoke
from orgs.services.organizations import disable_organization
from tests.browsers import signed_in
from tests.cast import PASSWORD, Cast, person

LIST = "/orgs/acme/invitations/"


def text_of(answer: Any) -> str:
    return answer.content.decode()


def invited(cast: Cast, email: str = "nora@new.example", role: str = "developer") -> Invitation:
    with tenant_scope(cast.acme.id):
        return invite(actor=cast.principal(cast.owner), email=email, role=role)


def link_of(cast: Cast, invitation: Invitation, mailoutbox: list) -> str:
    """Sends the mail and takes the path of the link out of it."""
    with tenant_scope(cast.acme.id):
        assert send_invitation(invitation.id) == "sent"
    found = re.search(r"https?://[^/\s]+(/invitations/\S+)", mailoutbox[-1].body)
    assert found
    return found[1]


def invitations_of(cast: Cast) -> dict[str, str]:
    with tenant_scope(cast.acme.id):
        return {row.email: row.role_name for row in Invitation.objects.with_roles()}


def state_of(cast: Cast, invitation: Invitation) -> str:
    with tenant_scope(cast.acme.id):
        return Invitation.objects.get(id=invitation.id).state


def role_of(cast: Cast, user: User) -> str | None:
    with tenant_scope(cast.acme.id):
        return Membership.objects.of_user(user.id).values_list("role", flat=True).first()


# -- inside ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("role", ["developer", "viewer"])
def test_who_manages_no_members_sees_and_sends_no_invitations(cast: Cast, browse: Any, role: str):
    invitation = invited(cast)
    browser = browse(cast.member(role))
    for path in ("", "new/", "bulk/", "bulk/result/"):
        assert browser.get(LIST + path).status_code == 403
    for path in ("new/", "bulk/", f"{invitation.public_id}/resend/", f"{invitation.public_id}/revoke/"):
        refused = browser.post(LIST + path, {"email": "eve@x.example", "pasted": "eve@x.example", "role": "viewer"})
        assert refused.status_code == 403
        assert "manage_members" in text_of(refused)
    assert f'href="{LIST}"' not in text_of(browser.get("/orgs/acme/"))
    assert invitations_of(cast) == {"nora@new.example": "Developer"}
    assert state_of(cast, invitation) == "pending"


def test_one_person_is_invited(cast: Cast, browse: Any):
    browser = browse(cast.admin)
    page = text_of(browser.get(f"{LIST}new/"))
    assert 'value="developer" selected' in page
    assert 'value="owner"' not in page
    assert browser.post(f"{LIST}new/", {"email": "Eve@X.example", "role": "viewer"})["Location"] == LIST
    page = text_of(browser.get(LIST))
    assert "eve@x.example is invited" in page
    assert "Adam" in page.partition("<tbody>")[2]
    assert invitations_of(cast) == {"eve@x.example": "Viewer"}


@pytest.mark.parametrize(
    ("values", "status", "sentence"),
    [
        ({"email": "nonsense", "role": "viewer"}, 422, "Enter a valid email address."),
        ({"email": "", "role": "viewer"}, 422, "This field is required."),
        ({"email": "eve@x.example", "role": "emperor"}, 422, "emperor"),
        ({"email": "dora@acme.example", "role": "viewer"}, 409, "This person is a member already."),
        ({"email": "nora@new.example", "role": "viewer"}, 409, "has an invitation already"),
        ({"email": "eve@x.example", "role": "owner"}, 403, "may do more than yours"),
    ],
)
def test_a_wrong_invitation_is_explained_and_not_sent(
    cast: Cast, browse: Any, values: dict, status: int, sentence: str
):
    invited(cast)
    answer = browse(cast.admin).post(f"{LIST}new/", values)
    assert answer.status_code == status
    assert sentence in text_of(answer)
    assert invitations_of(cast) == {"nora@new.example": "Developer"}


def test_a_list_is_invited_line_by_line(cast: Cast, browse: Any):
    browser = browse(cast.owner)
    pasted = "one@x.example, two@@x\nAda Lovelace <ada@x.example>;dora@acme.example\n\n"
    file = SimpleUploadedFile("people.csv", b"name,E-Mail\nLee,lee@x.example\nNo,\nOne,ONE@x.example\n")
    answer = browser.post(f"{LIST}bulk/", {"pasted": pasted, "file": file, "role": "viewer"})
    assert answer["Location"] == f"{LIST}bulk/result/"
    page = text_of(browser.get(answer["Location"]))
    assert "3 of 7 invitations sent" in page
    assert page.count("Not sent") == 4
    assert "This person is a member already." in page
    assert set(invitations_of(cast)) == {"one@x.example", "ada@x.example", "lee@x.example"}
    assert text_of(browser.get(f"{LIST}bulk/result/")) != ""
    assert browse(cast.outsider).get("/orgs/globex/invitations/bulk/result/").status_code == 302


def test_the_result_of_one_organization_is_not_shown_in_another(cast: Cast, browse: Any):
    browser = browse(cast.owner)
    browser.post(f"{LIST}bulk/", {"pasted": "one@x.example", "role": "viewer"})
    with tenant_scope(cast.globex.id):
        Membership.objects.create(user=cast.owner, role=Role.ADMIN)
    answer = browser.get("/orgs/globex/invitations/bulk/result/")
    assert answer["Location"] == "/orgs/globex/invitations/bulk/"


@pytest.mark.parametrize(
    ("values", "status", "sentence"),
    [
        ({"pasted": "", "role": "viewer"}, 422, "Paste at least one address"),
        ({"pasted": " ,;\n", "role": "viewer"}, 422, "Paste at least one address"),
        ({"pasted": "a@x.example", "role": "emperor"}, 422, "emperor"),
        ({"pasted": "\n".join(f"a{n}@x.example" for n in range(201)), "role": "viewer"}, 400, "at most 200"),
        ({"file": b"\xff\xfe\x00", "role": "viewer"}, 422, "encoded in UTF-8"),
        ({"file": b'a,"b', "role": "viewer"}, 422, "encoded in UTF-8"),
        ({"file": b"", "role": "viewer"}, 422, "The submitted file is empty."),
    ],
)
def test_a_wrong_list_is_explained_and_invites_nobody(
    cast: Cast, browse: Any, values: dict, status: int, sentence: str
):
    if "file" in values:
        values = {**values, "file": SimpleUploadedFile("people.csv", values["file"])}
    answer = browse(cast.owner).post(f"{LIST}bulk/", values)
    assert answer.status_code == status
    assert sentence in text_of(answer)
    assert invitations_of(cast) == {}


def test_an_admin_invites_no_list_of_owners(cast: Cast, browse: Any):
    browser = browse(cast.admin)
    browser.post(f"{LIST}bulk/", {"pasted": "a@x.example b", "role": "owner"})
    assert "0 of 1 invitation sent" in text_of(browser.get(f"{LIST}bulk/result/"))
    assert invitations_of(cast) == {}


@pytest.mark.parametrize(
    ("text", "addresses"),
    [
        ("a@x.example", ["a@x.example"]),
        ("a@x.example\r\nb@x.example,c@x.example ; d@x", ["a@x.example", "b@x.example", "c@x.example", "d@x"]),
        ('"Lovelace" <a@x.example>', ["a@x.example"]),
        ("<>", ["<>"]),
        (",;\n", []),
    ],
)
def test_pasted_lists_are_taken_apart(text: str, addresses: list[str]):
    assert addresses_of_text(text) == addresses


@pytest.mark.parametrize(
    ("text", "addresses"),
    [
        ("a@x.example\nb@x.example\n", ["a@x.example", "b@x.example"]),
        ("Name;E-mail\nAda;a@x.example\n", ["a@x.example"]),
        ("Ada\ta@x.example\nNobody\t\n", ["a@x.example", "Nobody"]),
        ('name,email\n"Lovelace, Ada",a@x.example\n\nshort\n', ["a@x.example", ""]),
        ("", []),
    ],
)
def test_tables_are_taken_apart(text: str, addresses: list[str]):
    assert addresses_of_csv(text) == addresses


def test_the_list_is_filtered_by_state(cast: Cast, browse: Any):
    rows = {name: invited(cast, f"{name}@x.example") for name in ("waiting", "expired", "revoked", "accepted")}
    with tenant_scope(cast.acme.id):
        revoke(actor=SYSTEM, invitation_id=rows["revoked"].id)
        Invitation.objects.filter(id=rows["expired"].id).update(expires_at=timezone.now())
        Invitation.objects.filter(id=rows["accepted"].id).update(accepted_at=timezone.now())
    browser = browse(cast.owner)

    def shown(state: str) -> set[str]:
        table = text_of(browser.get(f"{LIST}?state={state}")).partition("<tbody>")[2]
        return {name for name in rows if f"{name}@x.example" in table}

    assert shown("") == {"waiting", "expired"}
    assert shown("pending") == {"waiting"}
    assert shown("all") == set(rows)
    for state in ("expired", "revoked", "accepted"):
        assert shown(state) == {state}
    assert browser.get(f"{LIST}?state=lost").status_code == 400
    page = text_of(browser.get(f"{LIST}?state=all"))
    for name, row in rows.items():
        assert (f"{LIST}{row.public_id}/resend/" in page) == (name in ("waiting", "expired"))


def test_resending_makes_a_new_link_and_ends_the_old_one(cast: Cast, browse: Any, mailoutbox: list):
    invitation = invited(cast)
    old = link_of(cast, invitation, mailoutbox)
    browser = browse(cast.admin)
    assert browser.post(f"{LIST}{invitation.public_id}/resend/")["Location"] == LIST
    assert Client().get(old).status_code == 404
    assert Client().get(link_of(cast, invitation, mailoutbox)).status_code == 200


def test_an_admin_does_not_resend_what_an_owner_gave_but_may_revoke_it(cast: Cast, browse: Any):
    invitation = invited(cast, role="owner")
    browser = browse(cast.admin)
    page = text_of(browser.get(LIST))
    assert f"{LIST}{invitation.public_id}/resend/" not in page
    assert browser.post(f"{LIST}{invitation.public_id}/resend/").status_code == 403
    assert browser.post(f"{LIST}{invitation.public_id}/revoke/")["Location"] == LIST
    assert state_of(cast, invitation) == "revoked"
    assert browser.post(f"{LIST}{invitation.public_id}/revoke/").status_code == 404


@pytest.mark.parametrize("action", ["resend", "revoke"])
def test_another_tenants_invitation_looks_absent(cast: Cast, browse: Any, action: str):
    invitation = invited(cast)
    for reference in (invitation.public_id, "inv_nonsense"):
        assert browse(cast.outsider).post(f"/orgs/globex/invitations/{reference}/{action}/").status_code == 404
    assert state_of(cast, invitation) == "pending"


def test_the_number_of_queries_does_not_grow_with_the_invitations(cast: Cast, browse: Any):
    browser = browse(cast.owner)
    invited(cast)
    browser.get(LIST)
    with CaptureQueriesContext(connection) as few:
        browser.get(LIST)
    for number in range(20):
        invited(cast, f"n{number}@x.example")
    with CaptureQueriesContext(connection) as many:
        browser.get(LIST)
    assert len(many) == len(few)


# -- outside ---------------------------------------------------------------------------------------------------------


def test_the_mail_names_who_invites_whom_into_what(cast: Cast, mailoutbox: list):
    path = link_of(cast, invited(cast), mailoutbox)
    mail = mailoutbox[-1]
    assert mail.to == ["nora@new.example"]
    assert mail.subject == "Join Acme on Tenantry"
    html = mail.alternatives[0].content
    for words in ("Olivia", "olivia@acme.example", "Acme", "Developer", path):
        assert words in mail.body
        assert words in html


def test_a_name_of_markup_and_line_breaks_stays_words_in_the_mail(cast: Cast, mailoutbox: list):
    cast.acme.name = "<b>Acme</b>\nBcc: x@evil.example"
    cast.acme.save()
    link_of(cast, invited(cast), mailoutbox)
    mail = mailoutbox[-1]
    assert mail.subject == "Join <b>Acme</b> Bcc: x@evil.example on Tenantry"
    assert mail.recipients() == ["nora@new.example"]
    assert "<b>Acme" not in mail.alternatives[0].content
    assert "<b>Acme</b>" in mail.body


def test_the_link_tells_a_stranger_what_it_is_and_leads_back_after_signing_in(
    cast: Cast, mailoutbox: list, caplog: pytest.LogCaptureFixture
):
    path = link_of(cast, invited(cast), mailoutbox)
    with caplog.at_level(logging.DEBUG):
        answer = Client().get(path)
        gone = Client().get(f"{path[:-2]}x/")
    page = text_of(answer)
    assert answer.status_code == 200
    for words in ("Join Acme", "olivia@acme.example", "nora@new.example", "Developer"):
        assert words in page
    token = path.split("/")[2]
    assert f"/login/?next=%2Finvitations%2F{token}%2F" in page
    assert f"/signup/?next=%2Finvitations%2F{token}%2F&amp;email=nora%40new.example" in page
    assert gone.status_code == 404
    for response in (answer, gone):
        assert response["Referrer-Policy"] == "strict-origin"
        assert response["Cache-Control"] == "no-store"
    assert token[:-2] not in caplog.text
    refused = Client().post(path)
    assert (refused.status_code, refused["Location"]) == (302, f"/login/?next=%2Finvitations%2F{token}%2F")


def test_a_new_person_signs_up_through_the_link_and_joins(cast: Cast, mailoutbox: list, delivering: Any):
    path = link_of(cast, invited(cast), mailoutbox)
    browser = Client()
    sign_up = re.search(r'href="(/signup/[^"]+)"', text_of(browser.get(path)))
    assert sign_up
    form = text_of(browser.get(sign_up[1].replace("&amp;", "&")))
    assert 'value="nora@new.example"' in form
    assert f'name="next" value="{path}"' in form
    with delivering():
        browser.post("/signup/", {"name": "Nora", "email": "nora@new.example", "password1": PASSWORD, "next": path})
    nora = User.objects.get(email="nora@new.example")
    assert browser.post(path).status_code == 302
    assert role_of(cast, nora) is None, "joined before the address was proven"
    confirm = re.search(r"https?://[^/\s]+(/confirm-email/\S+)", mailoutbox[-1].body)
    assert confirm
    assert browser.post(confirm[1])["Location"] == path
    assert "Accept and join" in text_of(browser.get(path))
    assert browser.post(path)["Location"] == "/orgs/acme/"
    assert role_of(cast, nora) == "developer"
    assert "Welcome to Acme." in text_of(browser.get("/orgs/acme/"))
    with tenant_scope(cast.acme.id):
        assert AuditEvent.objects.filter(event="invitation.accepted", actor_id=nora.public_id).count() == 1
    assert browser.get(path).status_code == 404


def test_a_person_with_an_account_signs_in_and_comes_back(cast: Cast, mailoutbox: list):
    nora = person("nora@new.example")
    path = link_of(cast, invited(cast), mailoutbox)
    browser = Client()
    signed_in = browser.post("/login/", {"login": nora.email, "password": PASSWORD, "next": path})
    assert signed_in["Location"] == path
    assert browser.post(path)["Location"] == "/orgs/acme/"
    assert role_of(cast, nora) == "developer"


def test_another_person_is_told_whose_it_is_and_gets_nothing(cast: Cast, browse: Any, mailoutbox: list):
    path = link_of(cast, invited(cast), mailoutbox)
    browser = browse(cast.outsider)
    page = text_of(browser.get(path))
    assert "nora@new.example" in page
    assert "Accept and join" not in page
    assert f'name="next" value="{path}"' in page
    refused = browser.post(path)
    assert refused.status_code == 403
    assert "This invitation is for nora@new.example" in text_of(refused)
    assert role_of(cast, cast.outsider) is None
    assert Client().get(path).status_code == 200, "used up by a refusal"
    assert browser.post("/logout/", {"next": path})["Location"] == path


def test_an_address_that_is_mine_but_not_proven_does_not_count(cast: Cast, browse: Any, mailoutbox: list):
    path = link_of(cast, invited(cast), mailoutbox)
    claimed = EmailAddress.objects.create(user=cast.outsider, email="nora@new.example", verified=False)
    browser = browse(cast.outsider)
    assert browser.post(path).status_code == 403
    assert role_of(cast, cast.outsider) is None
    claimed.verified = True
    claimed.save()
    assert browser.post(path).status_code == 302
    assert role_of(cast, cast.outsider) == "developer"


def test_a_member_by_another_address_is_shown_in_and_stays_as_they_are(cast: Cast, browse: Any, mailoutbox: list):
    path = link_of(cast, invited(cast, role="admin"), mailoutbox)
    EmailAddress.objects.create(user=cast.viewer, email="nora@new.example", verified=True)
    browser = browse(cast.viewer)
    assert "You are a member already." in text_of(browser.get(path))
    refused = browser.post(path)
    assert refused.status_code == 409
    assert role_of(cast, cast.viewer) == "viewer"


def test_every_link_that_opens_nothing_shows_the_very_same_page(cast: Cast, mailoutbox: list):
    paths = {}
    for name in ("expired", "revoked", "replaced", "used", "disabled"):
        invitation = invited(cast, f"{name}@x.example")
        paths[name] = (link_of(cast, invitation, mailoutbox), invitation)
    used = Client()
    signed_in(used, person("used@x.example"))
    assert used.post(paths["used"][0]).status_code == 302
    with tenant_scope(cast.acme.id):
        Invitation.objects.filter(id=paths["expired"][1].id).update(expires_at=timezone.now())
        revoke(actor=SYSTEM, invitation_id=paths["revoked"][1].id)
        resend(actor=SYSTEM, invitation_id=paths["replaced"][1].id)
        disable_organization(actor=SYSTEM, reason="unpaid")
    unknown = "/invitations/never-made/"
    for path in [unknown, *(path for path, _ in paths.values())]:
        browser = Client()
        signed_in(browser, cast.outsider)
        for answer in (Client().get(path), browser.get(path), browser.post(path)):
            assert answer.status_code == 404
            assert "Acme" not in text_of(answer)
            assert re.search(r"<h1>(.*?)</h1>", text_of(answer))[1] == "This invitation is not valid"  # type: ignore[index]
    assert role_of(cast, cast.outsider) is None


@pytest.mark.parametrize("token", ["%00", "a%0Ab", "x" * 5000, "%F0%9F%98%80", "..", "%FF"])
def test_a_senseless_token_opens_nothing(db: None, token: str):
    assert Client().get(f"/invitations/{token}/").status_code == 404
