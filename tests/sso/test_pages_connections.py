"""Pages of connections: from the empty list to a deleted connection, as an admin goes through them."""

from datetime import timedelta

import pytest
import time_machine
from django.test import Client
from django.utils import timezone

from config.kernel.tenancy.scope import tenant_scope
from orgs.encryption import unseal
from orgs.models import SignInPolicy
from sso.models import Configuration, Connection, GroupMapping
from tests.api.rows import everything
from tests.browsers import saved, signed_in
from tests.sso.providers import ENTITY_ID, SSO_URL, certificate, documents, metadata
from tests.sso.rows import connection_rows

HOME = "/orgs/acme/sign-in/"
SECRET = "the-client-secret-of-acme"
ENTITY = '<!DOCTYPE x [<!ENTITY e SYSTEM "file:///etc/passwd">]><x>&e;</x>'


@pytest.fixture
def idp():
    with documents() as server:
        yield server


def text_of(answer):
    return " ".join(answer.content.decode().split())


def address_of(connection, name=""):
    return f"{HOME}connections/{connection.public_id}/{name}"


def saml_form(**changes):
    form = {"way": "fields", "entity_id": ENTITY_ID, "sso_url": SSO_URL, "certificates": certificate(1), **changes}
    return {name: value for name, value in form.items() if value is not None}


def test_an_admin_connects_a_provider_from_the_empty_list_on(browse, cast, idp):
    client = browse(cast.admin)
    assert "Single sign-on in three steps" in text_of(client.get(HOME))
    begun = client.post(f"{HOME}new/", {"name": "Okta", "protocol": "oidc", "role": "developer"})
    with tenant_scope(cast.acme.id):
        connection = Connection.objects.get()
    assert (begun.status_code, begun["Location"]) == (302, address_of(connection, "configuration/"))
    page = text_of(client.get(begun["Location"]))
    assert f"http://127.0.0.1:8000/sso/{connection.public_id}/callback" in page
    assert "Entra ID" in page
    settings = {"name": "Okta", "enabled": "on", "role": "developer"}
    refused = saved(client, address_of(connection, "settings/"), settings)
    assert (refused.status_code, "Name the identity provider first" in text_of(refused)) == (409, True)
    form = {"issuer": idp.url, "client_id": "abc", "client_secret": SECRET, "groups_attribute": "groups"}
    configured = client.post(begun["Location"], form, follow=True)
    assert "Test the connection, then enable it" in text_of(configured)
    assert saved(client, address_of(connection, "settings/"), settings).status_code == 302
    with tenant_scope(cast.acme.id):
        row = Configuration.objects.get()
        assert (row.state, row.number, row.groups_attribute) == ("live", 1, "groups")
        assert unseal(row, "client_secret") == SECRET
        assert Connection.objects.get().is_enabled
    for name in ("", "configuration/", "settings/", "log/", "groups/", "delete/"):
        answer = client.get(address_of(connection, name))
        assert answer.status_code == 200
        assert SECRET not in answer.content.decode()
    assert "Okta" in text_of(client.get(HOME))


def test_a_change_of_an_enabled_connection_is_shown_as_a_draft_and_discarded(browse, cast, idp):
    client = browse(cast.owner)
    with tenant_scope(cast.acme.id):
        connection = connection_rows(name="ADFS").connection
        Configuration.objects.filter(state="draft").delete()
    assert "Draft waits for its test" not in text_of(client.get(address_of(connection)))
    idp.documents["/metadata"] = (200, metadata(certificate(1)))
    form = {"way": "url", "metadata_url": f"{idp.url}/metadata", "entity_id": "https://ignored.example"}
    saved = client.post(address_of(connection, "configuration/"), form, follow=True)
    assert "Saved as a draft" in text_of(saved)
    assert "Draft waits for its test" in text_of(saved)
    with tenant_scope(cast.acme.id):
        draft = Configuration.objects.get(state="draft")
        assert (draft.entity_id, draft.metadata_url) == (ENTITY_ID, f"{idp.url}/metadata")
    client.post(address_of(connection, "discard-draft/"))
    with tenant_scope(cast.acme.id):
        assert not Configuration.objects.filter(state="draft").exists()
        assert Configuration.objects.filter(state="live").count() == 1


@pytest.mark.parametrize(
    ("form", "words"),
    [
        (saml_form(entity_id=None), "This field is required"),
        (saml_form(certificates="garbage"), "This is no certificate"),
        (saml_form(sso_url="javascript:alert(1)"), "begins with https"),
        ({"way": "xml"}, "This field is required"),
        ({"way": "xml", "metadata_xml": ENTITY}, "document type"),
        ({"way": "xml", "metadata_xml": "<" * 600_000}, "at most"),
        ({"way": "url", "metadata_url": "https://user:secret@idp.example/"}, "Leave user name and password out"),
        ({"way": "telepathy"}, "Select a valid choice"),
        ({}, "This field is required"),
    ],
)  # fmt: skip
def test_what_is_wrong_is_said_beside_the_field_and_changes_nothing(browse, cast, form, words):
    client = browse(cast.owner)
    with tenant_scope(cast.acme.id):
        connection = connection_rows().connection
    before = everything()
    answer = client.post(address_of(connection, "configuration/"), form)
    assert answer.status_code in (400, 422)
    assert words in text_of(answer)
    after = everything()
    assert {name: rows for name, rows in after.items() if rows != before[name]} == {}


def test_groups_are_added_and_removed(browse, cast):
    client = browse(cast.admin)
    with tenant_scope(cast.acme.id):
        connection = connection_rows().connection
        GroupMapping.objects.all().delete()
    assert (
        "owner"
        not in text_of(client.get(address_of(connection, "groups/"))).split('name="role"')[1].split("</select>")[0]
    )
    client.post(address_of(connection, "groups/"), {"group": "Engineering", "role": "developer"})
    with tenant_scope(cast.acme.id):
        mapping = GroupMapping.objects.get()
    assert (mapping.group, mapping.role) == ("Engineering", "developer")
    refused = client.post(address_of(connection, "groups/"), {"group": "Bosses", "role": "owner"})
    assert (refused.status_code, "makes nobody an owner" in text_of(refused)) == (400, True)
    client.post(address_of(connection, f"groups/{mapping.public_id}/remove/"))
    with tenant_scope(cast.acme.id):
        assert not GroupMapping.objects.exists()


def test_deleting_takes_the_name_and_is_refused_while_everybody_depends_on_it(browse, cast):
    client = browse(cast.owner)
    with tenant_scope(cast.acme.id):
        connection = connection_rows(name="ADFS").connection
    wrong = client.post(address_of(connection, "delete/"), {"confirm": "adfs"})
    assert (wrong.status_code, "Type ADFS to confirm" in text_of(wrong)) == (422, True)
    with tenant_scope(cast.acme.id):
        SignInPolicy.objects.all().delete()
        SignInPolicy.objects.create(enforcement="required", required_from=timezone.now() + timedelta(days=1))
    assert "It cannot be deleted now" in text_of(client.get(address_of(connection, "delete/")))
    refused = client.post(address_of(connection, "delete/"), {"confirm": "ADFS"})
    assert refused.status_code == 409
    with tenant_scope(cast.acme.id):
        assert Connection.objects.count() == 1
        SignInPolicy.objects.all().delete()
    gone = client.post(address_of(connection, "delete/"), {"confirm": "ADFS"})
    assert (gone.status_code, gone["Location"]) == (302, HOME)
    with tenant_scope(cast.acme.id):
        assert not Connection.objects.exists()


def test_the_log_is_filtered_and_tells_the_exact_cause(browse, cast):
    client = browse(cast.owner)
    with tenant_scope(cast.acme.id):
        connection = connection_rows().connection
    log = address_of(connection, "log/")
    everything_there = text_of(client.get(log))
    assert "The audience is https://other.example, ours is another one." in everything_there
    assert everything_there.count("<tr>") == 1 + 3
    assert text_of(client.get(f"{log}?outcome=refused")).count("<tr>") == 1 + 1
    assert "No line matches" in text_of(client.get(f"{log}?email=nobody@acme.example"))
    assert client.get(f"{log}?email=nonsense").status_code == 422
    assert client.get(f"{log}?outcome=nonsense").status_code == 422


def test_certificates_that_end_and_unreadable_metadata_are_shown_where_admins_look(browse, cast):
    with tenant_scope(cast.acme.id):
        connection_rows(name="ADFS")
    for page in (HOME, f"{HOME}panel/"):
        shown = text_of(browse(cast.admin).get(page))
        assert "The certificate of ADFS ends soon" in shown
        assert "The metadata of ADFS cannot be used" in shown
    assert f'hx-get="{HOME}panel/"' in text_of(browse(cast.admin).get("/orgs/acme/"))
    assert f'hx-get="{HOME}panel/"' not in text_of(browse(cast.viewer).get("/orgs/acme/"))
    with tenant_scope(cast.acme.id):
        Connection.objects.update(is_enabled=False)
    assert "ADFS" not in text_of(browse(cast.admin).get(f"{HOME}panel/"))


def test_writing_asks_for_a_fresh_proof_and_reading_does_not(cast):
    with time_machine.travel(timezone.now() - timedelta(minutes=16), tick=False):
        client = signed_in(Client(), cast.owner)
    with tenant_scope(cast.acme.id):
        connection = connection_rows().connection
    assert client.get(address_of(connection)).status_code == 200
    before = everything()
    for name, form in (
        ("delete/", {"confirm": connection.name}),
        ("settings/", {"name": "Other", "role": "viewer"}),
        ("discard-draft/", {}),
        ("groups/", {"group": "a", "role": "viewer"}),
        ("configuration/", saml_form()),
    ):
        answer = client.post(address_of(connection, name), form)
        assert (answer.status_code, answer["Location"][:10]) == (302, "/confirm/?"), name
    after = everything()
    assert [name for name in before if name.startswith("sso_") and after[name] != before[name]] == []


def test_lists_take_the_same_queries_for_many_as_for_few(browse, cast, django_assert_max_num_queries):
    client = browse(cast.owner)
    with tenant_scope(cast.acme.id):
        connection_rows(name="C0")
    client.get(HOME)
    with django_assert_max_num_queries(25) as few:
        client.get(HOME)
    with tenant_scope(cast.acme.id):
        for number in range(1, 4):
            connection = connection_rows(name=f"C{number}").connection
            for group in range(5):
                GroupMapping.objects.create(connection=connection, group=str(group), role="viewer")
    with django_assert_max_num_queries(len(few.captured_queries)):
        assert client.get(HOME).status_code == 200
    with django_assert_max_num_queries(25):
        assert client.get(address_of(connection)).status_code == 200
