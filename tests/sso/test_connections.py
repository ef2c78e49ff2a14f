"""Connections over REST: making, changing, disabling, deleting them."""

from datetime import timedelta

import pytest
from django.utils import timezone

from audit.models import AuditEvent
from config.kernel.tenancy.scope import tenant_scope
from orgs.encryption import unseal
from orgs.models import CustomRole, Membership, SignInPolicy, SsoSignIn
from sso.models import Certificate, Configuration, Connection, ConnectionLogEntry
from sso.services.activation import activate_configuration
from tests.api.rows import everything
from tests.sso.providers import ENTITY_ID, SSO_URL, certificate, documents, metadata

PATH = "/api/v1/orgs/acme/sso-connections"
SECRET = "the-client-secret-of-acme"


@pytest.fixture
def idp():
    with documents() as server:
        yield server


@pytest.fixture(autouse=True)
def _tokens(cast):
    """Made beforehand, so that a test that compares all rows sees what its requests did."""
    for user in (cast.owner, cast.admin, cast.developer, cast.viewer, cast.outsider):
        cast.token(user)


def oidc_body(idp, **changes):
    return {
        "name": "Okta", "protocol": "oidc", "issuer": idp.url, "client_id": "abc", "client_secret": SECRET, **changes,
    }  # fmt: skip


def saml_body(**changes):
    return {
        "name": "ADFS", "protocol": "saml", "entity_id": ENTITY_ID, "sso_url": SSO_URL,
        "certificates": [certificate(1)], **changes,
    }  # fmt: skip


def made(api, cast, body):
    answer = api(cast.owner).post(PATH, body)
    assert answer.status_code == 201, answer.content
    return answer.json()


def configurations(connection):
    rows = Configuration.objects.filter(connection__id=Connection.objects.by_reference(connection["id"]).id)
    return list(rows.order_by("number").values_list("number", "state"))


def live_id(connection):
    return Configuration.objects.get(connection=Connection.objects.by_reference(connection["id"]), state="live").id


# -- making ----------------------------------------------------------------------------------------------------------
def test_an_openid_connect_connection_answers_with_the_addresses_of_ours_and_never_with_the_secret(api, cast, idp):
    answer = api(cast.admin).post(PATH, oidc_body(idp, enabled=True, default_role="developer"))
    assert answer.status_code == 201
    body = answer.json()
    assert SECRET not in answer.content.decode()
    root = f"http://127.0.0.1:8000/sso/{body['id']}"
    assert body["start_url"] == f"{root}/start"
    assert body["redirect_uri"] == f"{root}/callback"
    assert (body["acs_url"], body["sp_entity_id"], body["metadata_url"]) == (None, None, None)
    assert (body["enabled"], body["default_role"], body["protocol"]) == (True, "developer", "oidc")
    assert (body["configuration"]["issuer"], body["configuration"]["state"]) == (idp.url, "live")
    assert body["draft"] is None
    with tenant_scope(cast.acme.id):
        row = Configuration.objects.get()
        assert unseal(row, "client_secret") == SECRET
        assert SECRET.encode() not in bytes(row.client_secret)
        event = AuditEvent.objects.get(event="sso_connection.created")
        assert event.data == {"protocol": "oidc", "enabled": True, "role": "Developer"}
    assert api(cast.admin).get(f"{PATH}/{body['id']}").json() == body
    assert api(cast.admin).get(PATH).json()["data"] == [body]


def test_a_saml_connection_answers_with_the_addresses_of_ours(api, cast):
    body = made(api, cast, saml_body(certificates=[certificate(1), certificate(2)], allow_idp_initiated=True))
    root = f"http://127.0.0.1:8000/sso/{body['id']}"
    assert body["acs_url"] == f"{root}/acs"
    assert body["sp_entity_id"] == body["metadata_url"] == f"{root}/metadata"
    assert (body["redirect_uri"], body["allow_idp_initiated"], body["enabled"]) == (None, True, False)
    assert len(body["configuration"]["certificates"]) == 2
    with tenant_scope(cast.acme.id):
        connection = Connection.objects.get()
        assert connection.sp_certificate.startswith("-----BEGIN CERTIFICATE-----")
        assert unseal(connection, "sp_private_key").startswith("-----BEGIN PRIVATE KEY-----")
        assert b"PRIVATE" not in bytes(connection.sp_private_key)


def test_saml_by_the_text_of_the_metadata_takes_every_signing_certificate(api, cast):
    xml = metadata(certificate(1), certificate(2))
    body = made(api, cast, {"name": "ADFS", "protocol": "saml", "metadata_xml": xml})
    configuration = body["configuration"]
    assert (configuration["entity_id"], configuration["sso_url"]) == (ENTITY_ID, SSO_URL)
    assert len(configuration["certificates"]) == 2


def test_saml_by_the_address_of_the_metadata(api, cast, idp):
    idp.documents["/metadata"] = (200, metadata(certificate(1)))
    body = made(api, cast, {"name": "ADFS", "protocol": "saml", "metadata_url": f"{idp.url}/metadata"})
    configuration = body["configuration"]
    assert (configuration["entity_id"], configuration["metadata_url"]) == (ENTITY_ID, f"{idp.url}/metadata")
    assert configuration["metadata_read_at"] is not None
    assert idp.asked == ["/metadata"]


@pytest.mark.parametrize("path", ["", "/ending", "/draft", "/log", "/group-mappings"])
def test_other_organizations_and_lesser_roles_learn_nothing_and_change_nothing(api, cast, path):
    body = made(api, cast, saml_body())
    foreign = api(cast.outsider)
    before = everything()
    for method in ("get", "delete"):
        for who, status in ((cast.developer, {403, 405}), (cast.viewer, {403, 405}), (cast.outsider, {404, 405})):
            assert getattr(api(who), method)(f"{PATH}/{body['id']}{path}").status_code in status
        answer = getattr(foreign, method)(f"/api/v1/orgs/globex/sso-connections/{body['id']}{path}")
        assert answer.status_code in {404, 405}
    assert foreign.get("/api/v1/orgs/globex/sso-connections").json()["data"] == []
    for who in (cast.developer, cast.viewer):
        assert api(who).post(PATH, saml_body(name="Another")).json()["code"] == "permission_missing"
    assert everything() == before


def test_a_repeated_request_makes_one_connection(api, cast, idp):
    body = oidc_body(idp)
    first = api(cast.owner).post(PATH, body, HTTP_IDEMPOTENCY_KEY="once")
    again = api(cast.owner).post(PATH, body, HTTP_IDEMPOTENCY_KEY="once")
    assert (again.status_code, again.json()) == (201, first.json())
    with tenant_scope(cast.acme.id):
        assert Connection.objects.count() == 1


def test_a_name_is_taken_once(api, cast):
    made(api, cast, saml_body())
    before = everything()
    answer = api(cast.owner).post(PATH, saml_body())
    assert (answer.status_code, answer.json()["code"]) == (409, "name_taken")
    assert everything() == before


# -- roles -----------------------------------------------------------------------------------------------------------
def test_nobody_becomes_an_owner_or_more_than_the_actor_by_a_connection(api, cast):
    with tenant_scope(cast.acme.id):
        role = CustomRole.objects.create(name="Identity", permissions=["manage_sso", "view_org"])
        mighty = CustomRole.objects.create(name="Mighty", permissions=["delete_org", "view_org"])
        Membership.objects.filter(user=cast.viewer).update(role="custom", custom_role=role)
    connection = made(api, cast, saml_body())
    before = everything()
    groups = f"{PATH}/{connection['id']}/group-mappings"
    for who, name, status in (
        (cast.owner, "owner", 400),
        (cast.viewer, "developer", 403),
        (cast.admin, mighty.public_id, 403),
        (cast.owner, "rol_01h455vb4pex5vsknk084sn02q", 404),
    ):
        assert api(who).post(PATH, saml_body(name="B", default_role=name)).status_code == status
        assert api(who).patch(f"{PATH}/{connection['id']}", {"default_role": name}).status_code == status
        assert api(who).post(groups, {"group": "g", "role": name}).status_code == status
    assert everything() == before
    made_by_viewer = api(cast.viewer).post(PATH, saml_body(name="B", default_role=role.public_id))
    assert made_by_viewer.json()["default_role"] == role.public_id


def test_groups_get_roles_and_lose_them(api, cast):
    connection = made(api, cast, saml_body())
    groups = f"{PATH}/{connection['id']}/group-mappings"
    first = api(cast.owner).post(groups, {"group": "Engineering", "role": "developer"})
    assert (first.status_code, first.json()["role"]) == (201, "developer")
    again = api(cast.owner).post(groups, {"group": "Engineering", "role": "admin"})
    assert (again.json()["id"], again.json()["role"]) == (first.json()["id"], "admin")
    assert [row["group"] for row in api(cast.owner).get(groups).json()["data"]] == ["Engineering"]
    assert api(cast.owner).delete(f"{groups}/{first.json()['id']}").status_code == 204
    assert api(cast.owner).delete(f"{groups}/{first.json()['id']}").status_code == 404
    assert api(cast.owner).get(groups).json()["data"] == []
    with tenant_scope(cast.acme.id):
        events = AuditEvent.objects.filter(event__startswith="sso_connection.group").order_by("id")
        assert [event.data for event in events] == [
            {"group": "Engineering", "role": "Developer", "before": ""},
            {"group": "Engineering", "role": "Admin", "before": "Developer"},
            {"group": "Engineering", "role": "Admin"},
        ]


def test_a_mapping_above_ones_own_role_cannot_be_taken_away(api, cast):
    with tenant_scope(cast.acme.id):
        role = CustomRole.objects.create(name="Identity", permissions=["manage_sso", "view_org"])
        Membership.objects.filter(user=cast.viewer).update(role="custom", custom_role=role)
    connection = made(api, cast, saml_body())
    groups = f"{PATH}/{connection['id']}/group-mappings"
    mapping = api(cast.owner).post(groups, {"group": "Engineering", "role": "admin"}).json()
    before = everything()
    assert api(cast.viewer).delete(f"{groups}/{mapping['id']}").status_code == 403
    assert api(cast.viewer).post(groups, {"group": "Engineering", "role": role.public_id}).status_code == 403
    assert everything() == before


# -- changing --------------------------------------------------------------------------------------------------------
def test_a_change_of_an_enabled_connection_is_a_draft_until_its_test_passed(api, cast, idp):
    connection = made(api, cast, oidc_body(idp, enabled=True))
    address = f"{PATH}/{connection['id']}"
    changed = api(cast.admin).patch(address, {"client_id": "new", "client_secret": "another-secret"}).json()
    assert (changed["configuration"]["client_id"], changed["draft"]["client_id"]) == ("abc", "new")
    with tenant_scope(cast.acme.id):
        assert configurations(connection) == [(1, "live"), (2, "draft")]
        draft = Configuration.objects.get(state="draft")
        assert unseal(draft, "client_secret") == "another-secret"
        event = AuditEvent.objects.get(event="sso_connection.configuration_changed")
        assert event.data == {
            "number": 2, "state": "draft", "changes": {"client_id": ["abc", "new"], "client_secret": ["", "changed"]},
        }  # fmt: skip
        activate_configuration(actor=cast.principal(cast.admin), configuration_id=draft.id)
        assert configurations(connection) == [(1, "retired"), (2, "live")]
        event = AuditEvent.objects.get(event="sso_connection.configuration_activated")
        assert event.data == {"number": 2, "before": 1}
    after = api(cast.admin).get(address).json()
    assert (after["configuration"]["client_id"], after["draft"]) == ("new", None)
    assert after["configuration"]["tested_at"] is not None


def test_a_secret_that_is_not_sent_again_stays(api, cast, idp):
    connection = made(api, cast, oidc_body(idp, enabled=True))
    api(cast.owner).patch(f"{PATH}/{connection['id']}", {"client_id": "new"})
    with tenant_scope(cast.acme.id):
        assert unseal(Configuration.objects.get(state="draft"), "client_secret") == SECRET


def test_a_secret_is_not_taken_along_to_another_issuer(api, cast, idp):
    connection = made(api, cast, oidc_body(idp, enabled=True))
    before = everything()
    with documents() as other:
        answer = api(cast.owner).patch(f"{PATH}/{connection['id']}", {"issuer": other.url})
        assert (answer.status_code, list(answer.json()["errors"])) == (400, ["client_secret"])
        assert everything() == before
        given = {"issuer": other.url, "client_secret": "of-the-other"}
        assert api(cast.owner).patch(f"{PATH}/{connection['id']}", given).status_code == 200
    with tenant_scope(cast.acme.id):
        assert unseal(Configuration.objects.get(state="draft"), "client_secret") == "of-the-other"


def test_a_second_draft_replaces_the_first_and_none_changes_what_is_live(api, cast):
    connection = made(api, cast, saml_body(enabled=True))
    address = f"{PATH}/{connection['id']}"
    api(cast.owner).patch(address, {"certificates": [certificate(2)]})
    changed = api(cast.owner).patch(address, {"certificates": [certificate(2), certificate(3)]}).json()
    assert len(changed["draft"]["certificates"]) == 2
    assert changed["configuration"]["certificates"] == connection["configuration"]["certificates"]
    with tenant_scope(cast.acme.id):
        assert configurations(connection) == [(1, "live"), (2, "retired"), (3, "draft")]
        first_draft = Configuration.objects.get(number=2)
        with pytest.raises(Exception, match="replaced while it was tested"):
            activate_configuration(actor=cast.principal(cast.owner), configuration_id=first_draft.id)
    assert api(cast.owner).delete(f"{address}/draft").status_code == 204
    assert api(cast.owner).delete(f"{address}/draft").status_code == 404
    assert api(cast.owner).get(address).json()["draft"] is None


def test_a_change_that_changes_nothing_leaves_no_trace(api, cast):
    connection = made(api, cast, saml_body(enabled=True))
    before = everything()
    body = {
        "entity_id": ENTITY_ID,
        "sso_url": SSO_URL,
        "certificates": [certificate(1)],
        "name": "ADFS",
        "enabled": True,
    }
    with tenant_scope(cast.acme.id):
        body["certificates"] = [Certificate.objects.get().pem]
    assert api(cast.owner).patch(f"{PATH}/{connection['id']}", body).status_code == 200
    assert everything() == before


def test_a_disabled_connection_has_its_new_configuration_at_once(api, cast):
    connection = made(api, cast, saml_body())
    changed = api(cast.owner).patch(f"{PATH}/{connection['id']}", {"sso_url": "https://new.acme.example/sso"}).json()
    assert (changed["configuration"]["sso_url"], changed["draft"]) == ("https://new.acme.example/sso", None)
    with tenant_scope(cast.acme.id):
        assert configurations(connection) == [(1, "retired"), (2, "live")]


def test_whoever_lost_the_permission_while_testing_activates_nothing(api, cast):
    connection = made(api, cast, saml_body(enabled=True))
    api(cast.owner).patch(f"{PATH}/{connection['id']}", {"sso_url": "https://new.acme.example/sso"})
    with tenant_scope(cast.acme.id):
        draft = Configuration.objects.get(state="draft")
        before = everything()
        with pytest.raises(Exception, match="no longer manage"):
            activate_configuration(actor=cast.principal(cast.developer), configuration_id=draft.id)
        assert everything() == before


def test_a_passed_test_of_the_live_configuration_is_noted_without_touching_since_when_it_is_live(api, cast):
    connection = made(api, cast, saml_body(enabled=True))
    with tenant_scope(cast.acme.id):
        since = Configuration.objects.get().updated_at
        activate_configuration(actor=cast.principal(cast.owner), configuration_id=live_id(connection))
        row = Configuration.objects.get()
        assert (row.updated_at, row.state, row.tested_at is not None) == (since, "live", True)


# -- ends ------------------------------------------------------------------------------------------------------------
def enforce(cast, enforcement):
    """From tomorrow on, so that who asks here is not held back by it."""
    with tenant_scope(cast.acme.id):
        SignInPolicy.objects.update_or_create(
            defaults={"enforcement": enforcement, "required_from": timezone.now() + timedelta(days=1)}
        )


@pytest.mark.parametrize("enforcement", ["pilot", "required"])
def test_the_only_enabled_connection_of_an_enforcing_organization_stays(api, cast, enforcement):
    connection = made(api, cast, saml_body(enabled=True))
    made(api, cast, saml_body(name="Resting"))
    address = f"{PATH}/{connection['id']}"
    enforce(cast, enforcement)
    before = everything()
    for answer in (api(cast.owner).delete(address), api(cast.owner).patch(address, {"enabled": False})):
        assert (answer.status_code, answer.json()["code"]) == (409, "sso_enforced")
    assert api(cast.owner).get(f"{address}/ending").json()["refusal"].startswith("Single sign-on is enforced")
    assert everything() == before
    made(api, cast, saml_body(name="Second", enabled=True))
    assert api(cast.owner).get(f"{address}/ending").json()["refusal"] == ""
    assert api(cast.owner).delete(address).status_code == 204


def test_a_deleted_connection_takes_its_rows_along_and_leaves_people(api, cast):
    connection = made(api, cast, saml_body(enabled=True))
    with tenant_scope(cast.acme.id):
        row = Connection.objects.get()
        SsoSignIn.objects.create(user=cast.viewer, connection_id=row.id, subject="v", last_at=row.created_at)
        ConnectionLogEntry.objects.create(connection=row, configuration_number=1, outcome="signed_in")
        members = Membership.objects.count()
    assert api(cast.owner).get(f"{PATH}/{connection['id']}/ending").json()["people"] == 1
    assert api(cast.owner).delete(f"{PATH}/{connection['id']}").status_code == 204
    with tenant_scope(cast.acme.id):
        left = [Connection.objects, Configuration.objects, Certificate.objects, ConnectionLogEntry.objects]
        assert [manager.count() for manager in left] == [0, 0, 0, 0]
        assert Membership.objects.count() == members
        assert AuditEvent.objects.get(event="sso_connection.deleted").data == {"protocol": "saml", "people": 1}


# -- what is refused -------------------------------------------------------------------------------------------------
def test_fields_of_the_other_protocol_and_several_ways_at_once_are_refused(api, cast, idp):
    before = everything()
    xml = metadata(certificate(1))
    for body, field in (
        (oidc_body(idp, entity_id=ENTITY_ID), "entity_id"),
        (oidc_body(idp, allow_idp_initiated=True), "allow_idp_initiated"),
        (saml_body(client_secret="x"), "client_secret"),
        (saml_body(metadata_xml=xml), "metadata_url"),
        ({"name": "A", "protocol": "saml"}, "entity_id"),
        ({"name": "A", "protocol": "saml", "entity_id": ENTITY_ID}, "sso_url"),
        ({"name": "A", "protocol": "oidc", "issuer": idp.url, "client_id": "a"}, "client_secret"),
        (oidc_body(idp, protocol="ldap"), "protocol"),
        (oidc_body(idp, client_secret=""), "client_secret"),
    ):
        answer = api(cast.owner).post(PATH, body)
        assert answer.status_code == 400, body
        assert field in answer.json()["errors"]
    assert everything() == before


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"issuer": "https://evil.example"}, "calls itself https://evil.example"),
        ({"issuer": None}, "calls itself something else"),
        ({"token_endpoint": None}, "has no token_endpoint"),
        ({"jwks_uri": 5}, "has no jwks_uri"),
        ({"token_endpoint": "http://8.8.8.8/token"}, "begins with https"),
        ({"authorization_endpoint": "javascript:alert(1)"}, "authorization_endpoint"),
        ({"response_types_supported": ["id_token"]}, "authorization code flow"),
    ],
)
def test_a_discovery_document_that_does_not_fit_is_refused_in_words(api, cast, idp, changes, words):
    idp.discovery(**changes)
    before = everything()
    answer = api(cast.owner).post(PATH, oidc_body(idp))
    assert answer.status_code == 400
    assert words in answer.json()["errors"]["issuer"][0]
    assert SECRET not in answer.content.decode()
    assert everything() == before


@pytest.mark.parametrize(
    "answered", [(404, ""), (302, "/elsewhere"), (200, "<html>"), (200, "[]"), (200, "[" * 100_000)]
)
def test_an_issuer_without_a_discovery_document_is_refused(api, cast, idp, answered):
    idp.documents["/.well-known/openid-configuration"] = answered
    answer = api(cast.owner).post(PATH, oidc_body(idp))
    assert (answer.status_code, list(answer.json()["errors"])) == (400, ["issuer"])
    assert len(idp.asked) == 1


def test_an_issuer_inside_the_operators_network_is_not_called(api, cast, idp, settings):
    settings.TENANTRY_OUTBOUND_NETWORKS = []
    for issuer in (idp.url, idp.url.replace("127.0.0.1", "localhost"), "https://169.254.169.254", "file:///etc/passwd"):
        answer = api(cast.owner).post(PATH, oidc_body(idp, issuer=issuer))
        assert (answer.status_code, list(answer.json()["errors"])) == (400, ["issuer"])
    answer = api(cast.owner).post(PATH, {"name": "A", "protocol": "saml", "metadata_url": f"{idp.url}/metadata"})
    assert list(answer.json()["errors"]) == ["metadata_url"]
    answer = api(cast.owner).post(PATH, saml_body(sso_url=f"{idp.url}/sso"))
    assert list(answer.json()["errors"]) == ["sso_url"]
    assert idp.asked == []


def test_providers_cannot_be_asked_without_end(api, cast, idp, monkeypatch):
    monkeypatch.setattr("sso.providers.LIMIT", "2/10minutes")
    idp.discovery(issuer="https://other.example")
    answers = [api(cast.owner).post(PATH, oidc_body(idp)) for _ in range(3)]
    assert [answer.status_code for answer in answers] == [400, 400, 429]
    assert len(idp.asked) == 2


def test_the_log_is_read_by_outcome_and_address(api, cast):
    connection = made(api, cast, saml_body())
    with tenant_scope(cast.acme.id):
        row = Connection.objects.get()
        for number, outcome in enumerate(["signed_in", "refused", "refused"]):
            ConnectionLogEntry.objects.create(
                connection=row, configuration_number=1, outcome=outcome, email=f"p{number}@acme.example",
                code="audience_wrong", detail="The audience is X.", claims={"sub": "1"}, ip="192.0.2.1",
            )  # fmt: skip
    log = f"{PATH}/{connection['id']}/log"
    first = api(cast.owner).get(f"{log}?limit=2").json()
    assert len(first["data"]) == 2
    assert len(api(cast.owner).get(f"{log}?limit=2&cursor={first['next']}").json()["data"]) == 1
    assert len(api(cast.owner).get(f"{log}?outcome=refused").json()["data"]) == 2
    (line,) = api(cast.owner).get(f"{log}?outcome=refused&email=p1@acme.example").json()["data"]
    assert (line["detail"], line["claims"], line["ip"]) == ("The audience is X.", {"sub": "1"}, "192.0.2.1")
    assert api(cast.owner).get(f"{log}?outcome=bad").status_code == 400


def test_lists_take_the_same_queries_for_many_as_for_few(api, cast, django_assert_max_num_queries):
    client = api(cast.owner)
    for number in range(3):
        made(api, cast, saml_body(name=f"C{number}", certificates=[certificate(1), certificate(2)]))
    client.get(PATH)
    with django_assert_max_num_queries(12) as few:
        client.get(f"{PATH}?limit=1")
    with django_assert_max_num_queries(len(few.captured_queries)):
        assert len(client.get(f"{PATH}?limit=3").json()["data"]) == 3
