"""Every staff page of every model, and what they must not show."""

import base64
import html
import re
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.db import connection, transaction
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from audit.models import AuditBeginning, AuditBlock, AuditCheckpoint, AuditEvent, AuditExport, AuditSeal, Sealer
from config.admin import SECTIONS, site
from config.kernel.identifiers import public_id
from config.kernel.principals import SYSTEM
from config.kernel.sign_in import Method
from config.kernel.staff import DEEPEST_PAGE, PER_PAGE, StaffModelAdmin
from config.kernel.tenancy.scope import INSTALLATION_ID, system_scope, tenant_scope
from keys import signing
from keys.models import Key, KeyPolicy, KeyUse, RefreshToken, UsedNonce
from keys.services.agents import create_agent
from keys.services.keys import create_key
from keys.services.sessions import open_session
from keys.tracking.events import Event
from keys.tracking.intake import track
from keys.tracking.writing import Source
from orgs import events
from orgs.models import (
    BreakGlassCode,
    BrowserSession,
    Change,
    CustomRole,
    DataExport,
    DataKey,
    IdempotencyKey,
    Invitation,
    Membership,
    Passkey,
    PilotMember,
    RecoveryCode,
    RemovedMember,
    RetiredSlug,
    ServiceAccountSecret,
    SignedInBrowser,
    SignInPolicy,
    SsoSignIn,
    User,
)
from orgs.services import devices
from orgs.services.email_domains import register_email_domain
from orgs.services.second_factor import seed_of
from projects.models import ProjectMembership, TrackedEvent
from projects.services.domains import note_seen, register_domain
from projects.services.members import set_project_role
from sso.models import (
    Certificate,
    Configuration,
    Connection,
    ConnectionLogEntry,
    DeviceAuthorization,
    FederatedIdentity,
    GroupMapping,
    HandoverAddress,
    HandoverToken,
    UsedAssertion,
)
from tests.browsers import signed_in
from tests.cast import Cast
from tests.gateway import make_gateway
from tests.webhooks.rows import ADDRESS, endpoint_rows

MODELS = sorted(site._registry, key=lambda model: model._meta.label)
# Ciphertext, digests and notes for processes, which nobody can read, and nothing to do with them by themselves; and
# sessions with the keys that open them, which SignedInBrowser shows without.
UNREGISTERED = {
    AuditBlock, BrowserSession, Change, DataKey, IdempotencyKey, RefreshToken, ServiceAccountSecret, UsedNonce,
}  # fmt: skip


@pytest.fixture(scope="module", autouse=True)
def standing_world(surrounded: Callable[..., Any]) -> None:
    surrounded(make_world)


@pytest.fixture
def world(cast: Cast) -> Cast:
    """The cast with a row of every model, at least."""
    return cast


def make_world(cast: Cast) -> None:
    """A row of every model, at least."""
    cast.token(cast.owner)
    open_session(user=cast.owner, method="password")
    signing.published()
    make_gateway(cast).grant(cast.acme, "view_org")
    RetiredSlug.objects.create(slug="acme-old", organization=cast.acme)
    Sealer.objects.update_or_create(id=1, defaults={"cluster": "1/2", "horizon": 3})
    with tenant_scope(cast.acme.id):
        AuditSeal.objects.get_or_create(id=AuditEvent.objects.first().id, defaults={"sequence": 1, "digest": b"d" * 32})
        AuditCheckpoint.objects.create(sequence=1, digest=b"d" * 32, sealed_at=timezone.now(), statement="signed")
        AuditBeginning.objects.create(sequence=0, digest=b"d" * 32, dropped_before=timezone.now(), statement="signed")
        AuditExport.objects.create(format="csv", requested_by_label="Olivia")
        CustomRole.objects.create(name="Auditor", permissions=["view_audit", "view_org"])
        Invitation.objects.create(
            email="new@acme.example",
            role="viewer",
            token_hash=b"h" * 32,
            expires_at=timezone.now() + timedelta(days=1),
            invited_by=cast.owner,
        )
        DataExport.objects.create(requested_by=cast.owner)
        create_agent(actor=SYSTEM, holder=frozenset(), project_id=cast.project.id, name="Builder")
        KeyPolicy.objects.create()
        KeyUse.objects.create(key=cast.key, last_used_at=timezone.now(), count=3)
        track(
            source=Source(cast.acme.id, cast.project.id, cast.key.public_id, "shop.example.com"),
            events=[Event("page.viewed", id="e1", properties=b'{"kept": "from staff"}')],
        )
        register_domain(actor=cast.principal(cast.owner), project_id=cast.project.id, domain="*.example.com")
        note_seen(actor=cast.principal(cast.owner), project_id=cast.project.id, host="other.example.org")
        register_email_domain(actor=cast.principal(cast.owner), domain="acme.example")
        address = "https://app.acme.example/signed-in"
        HandoverAddress.objects.create(project=cast.project, address=address, created_by="usr_x")
        HandoverToken.objects.create(
            project=cast.project, user=cast.viewer, digest=b"d" * 32, address=address, code_challenge="c" * 43,
            sign_in={}, browser_session_id=cast.viewer.id, expires_at=timezone.now(),
        )  # fmt: skip
        furnish_sign_in(cast)
        endpoint_rows()
    Passkey.objects.create(
        user=cast.viewer, name="Laptop", credential_id=b"sealed-credential", public_key=b"sealed-public-key"
    )
    devices.meet(user=cast.viewer, cookie="", method=Method.PASSWORD)
    RecoveryCode.objects.create(user=cast.viewer, digest=b"code-digest" + b"d" * 21)
    with tenant_scope(cast.acme.id):
        set_project_role(
            actor=cast.principal(cast.owner), project_id=cast.project.id, user_id=cast.viewer.id, role="developer"
        )


def furnish_sign_in(cast: Cast) -> None:
    """A row of everything that has to do with single sign-on, in Acme."""
    now = timezone.now()
    connection = Connection.objects.create(name="ADFS", protocol="saml", role="viewer", sp_private_key=b"sealed-key")
    configuration = Configuration.objects.create(
        connection=connection, number=1, state="live", entity_id="https://idp.example", client_secret=b"sealed-secret"
    )
    Certificate.objects.create(
        configuration=configuration, pem="PEM", fingerprint="ab" * 32, not_before=now, not_after=now
    )
    GroupMapping.objects.create(connection=connection, group="Engineering", role="developer")
    ConnectionLogEntry.objects.create(
        connection=connection, configuration_number=1, outcome="refused", code="x", claims={"kept": "from staff"}
    )
    UsedAssertion.objects.create(digest=b"used-digest" + b"d" * 21, expires_at=now)
    FederatedIdentity.objects.create(connection=connection, issuer="https://idp.example", subject="v", user=cast.viewer)
    DeviceAuthorization.objects.create(
        device_digest=b"device-digest" + b"d" * 19, user_digest=b"user-digest" + b"d" * 21, client_name="cli",
        expires_at=now, user=cast.viewer, organization=cast.acme,
    )  # fmt: skip
    SignInPolicy.objects.create()
    PilotMember.objects.create(membership=Membership.objects.get(user=cast.viewer))
    BreakGlassCode.objects.create(user=cast.owner, digest=b"glass-digest" + b"d" * 20)
    SsoSignIn.objects.create(user=cast.viewer, connection_id=connection.id, subject="v", last_at=now)
    RemovedMember.objects.create(user=cast.outsider)


SEALED_OR_HASHED = (
    b"sealed-key", b"sealed-secret", b"used-digest", b"device-digest", b"user-digest", b"glass-digest",
    b"code-digest", b"sealed-credential", b"sealed-public-key",
)  # fmt: skip


def base(model: Any) -> str:
    return f"/admin/{model._meta.app_label}/{model._meta.model_name}/"


def all_rows(model: Any) -> list[Any]:
    with system_scope("a test looks at everything"):
        return list(model.objects.all())


def test_every_model_of_ours_has_staff_pages():
    from django.apps import apps

    ours = {
        model
        for model in apps.get_models()
        if model._meta.app_label in {"audit", "orgs", "projects", "keys", "sso", "webhooks"}
        and not (model._meta.auto_created or model._meta.proxy)
    }
    assert ours - set(site._registry) == UNREGISTERED
    assert {model._meta.app_label for model in MODELS} == set(SECTIONS), "a section is missing from the sidebar"
    assert all(isinstance(site._registry[model], StaffModelAdmin) for model in MODELS)


@pytest.mark.parametrize("model", MODELS, ids=lambda model: model._meta.label)
def test_lists_and_rows_are_shown_over_all_tenants(staff: Client, world: Cast, model: Any):
    rows = all_rows(model)  # before the list, since to look at it is recorded and makes rows
    assert rows, "the world has none of these"
    listed = staff.get(base(model))
    assert listed.status_code == 200
    for row in rows[:5]:
        assert f"{base(model)}{row.pk}/" in listed.content.decode()
        shown = staff.get(f"{base(model)}{row.pk}/change/")
        assert shown.status_code == 200
        assert "does not exist" not in shown.content.decode()
        assert staff.post(f"{base(model)}{row.pk}/change/", {"name": "changed"}).status_code == 403
        assert staff.get(f"{base(model)}{row.pk}/delete/").status_code == 403
        assert staff.get(f"{base(model)}{row.pk}/history/").status_code == 404


def test_what_customers_put_into_events_is_not_for_staff(staff: Client, world: Cast):
    with system_scope("a test looks at everything"):
        event = TrackedEvent.objects.get()
    shown = staff.get(f"{base(TrackedEvent)}{event.pk}/change/").content.decode()
    assert "page.viewed" in shown
    assert "from staff" not in shown
    with system_scope("a test looks at everything"):
        line = ConnectionLogEntry.objects.get()
    assert "from staff" not in staff.get(f"{base(ConnectionLogEntry)}{line.pk}/change/").content.decode()


@pytest.mark.parametrize("model", MODELS, ids=lambda model: model._meta.label)
def test_every_action_asks_before_it_acts(staff: Client, world: Cast, model: Any):
    admin = site._registry[model]
    for row in all_rows(model):
        for action in admin.staff_actions:
            address = f"{base(model)}{row.pk}/do/{action.name}/"
            with system_scope("a test looks at everything"):
                expected = 200 if action.applies(row) else 404
            answer = staff.get(address)
            assert answer.status_code == expected, address
            assert (action.explanation in html.unescape(answer.content.decode())) == (expected == 200)
        assert staff.get(f"{base(model)}{row.pk}/do/nothing-of-the-kind/").status_code == 404


@pytest.mark.parametrize("model", MODELS, ids=lambda model: model._meta.label)
def test_adding_is_a_form_of_a_service_or_refused(staff: Client, world: Cast, model: Any):
    expected = 200 if site._registry[model].add_form_class else 403
    assert staff.get(f"{base(model)}add/").status_code == expected


@pytest.mark.parametrize("model", MODELS, ids=lambda model: model._meta.label)
def test_no_search_word_and_no_page_is_a_fault(staff: Client, world: Cast, model: Any):
    words = [
        "acme",
        "org_",
        world.acme.public_id,
        world.owner.public_id,
        world.key.public_id,
        "a@b",
        "%",
        "\x00",
        "x" * 99,
    ]
    for word in [*words, world.project.public_id, f"{world.acme.public_id} key.created", "installation user.*", "'"]:
        assert staff.get(base(model), {"q": word}).status_code == 200, word
    for page in ("2", "0", "-1", "x", "9" * 30, str(DEEPEST_PAGE), "٣"):
        assert staff.get(base(model), {"p": page}).status_code in (200, 302), page
    assert staff.get(base(model), {"org_id__exact": "x"}).status_code in (200, 302)
    assert staff.get(f"{base(model)}nonsense/change/").status_code in (302, 404)


def test_no_secret_is_on_any_page(staff: Client, world: Cast):
    with system_scope("a test looks at everything"):
        hidden = [key.digest for key in Key.objects.all()] + [row.token_hash for row in Invitation.objects.all()]
    needles = {world.secret_key, world.tokens[world.owner.email], world.owner.password}
    needles |= {ADDRESS, "the-bearer-of-acme", "whsec_", "<h1>Busy</h1>"}
    for digest in hidden:
        needles |= {bytes(digest).hex(), base64.b64encode(bytes(digest)).decode(), repr(bytes(digest))}
    for beginning in SEALED_OR_HASHED:
        needles |= {beginning.decode(), beginning.hex()}
    device = world.staff.totpdevice_set.get()
    needles |= {seed_of(device).hex(), base64.b32encode(seed_of(device)).decode(), bytes(device.seed).hex()}
    for model in MODELS:
        pages = [base(model), *(f"{base(model)}{row.pk}/change/" for row in all_rows(model))]
        for page in pages:
            text = staff.get(page).content.decode()
            assert not [needle for needle in needles if needle in text], page


def more_rows(cast: Cast, number: int) -> None:
    """Many keys, members, users and events."""
    for index in range(number):
        user = User.objects.create(email=f"many{index}@acme.example")
        with tenant_scope(cast.acme.id):
            membership = Membership.objects.create(user=user, role="viewer")
            ProjectMembership.objects.create(project=cast.project, membership=membership, role="viewer")
            create_key(
                actor=cast.principal(cast.owner),
                holder=frozenset(),
                project_id=cast.project.id,
                kind="publishable",
                mode="test",
                name=f"Key {index}",
            )
            CustomRole.objects.create(name=f"Role {index}", permissions=["view_org"])


@pytest.mark.parametrize("model", MODELS, ids=lambda model: model._meta.label)
def test_lists_take_the_same_few_queries_however_many_rows_and_count_none(staff: Client, world: Cast, model: Any):
    staff.get(base(model))
    with CaptureQueriesContext(
        connection,
    ) as few:
        staff.get(base(model))
    more_rows(world, 12)
    with CaptureQueriesContext(connection) as many:
        staff.get(base(model))
    assert len(many) == len(few)
    facets = CaptureQueriesContext(connection)
    with facets:
        staff.get(base(model), {"_facets": "True"})
    assert not [query["sql"] for query in [*many, *facets] if re.search(r"count\(", query["sql"], re.IGNORECASE)]


def test_a_long_list_has_pages_without_a_count(staff: Client, world: Cast):
    with transaction.atomic(), tenant_scope(world.acme.id):
        for _ in range(PER_PAGE + 5):
            AuditEvent.objects.create(
                event=events.ORGANIZATION_ENABLED.name, actor_kind="system", actor_id="x", actor_label="x"
            )
    first = staff.get(base(AuditEvent), {"org_id__exact": str(world.acme.id)}).content.decode()
    assert first.count('<tr class="') + first.count("<tr ") >= PER_PAGE
    assert 'rel="next"' in first
    assert 'rel="prev"' not in first
    second = staff.get(base(AuditEvent), {"org_id__exact": str(world.acme.id), "p": "2"}).content.decode()
    assert 'rel="next"' not in second
    assert 'rel="prev"' in second


def test_the_log_is_searched_inside_one_organization(staff: Client, world: Cast):
    def found(query: str) -> str:
        return staff.get(base(AuditEvent), {"q": query}).content.decode()

    everywhere = found("key.created")
    assert "Name an organization too" in everywhere
    assert world.key.public_id not in everywhere
    in_acme = found(f"{world.acme.public_id} key.created")
    assert "Backend" in in_acme
    assert "organization.created" not in in_acme
    assert "user.created" in found("installation")
    assert "olivia" in found(f"{world.acme.public_id} {world.owner.public_id}")


def test_searches_find_by_what_staff_have_in_hand(staff: Client, world: Cast):
    def rows(page: str, query: str) -> set[str]:
        text = staff.get(f"/admin/{page}/", {"q": query}).content.decode()
        return set(re.findall(rf"/admin/{page}/([0-9a-f-]{{36}})/change/", text))

    assert rows("orgs/organization", "acm") == {str(world.acme.id)}
    assert rows("orgs/organization", "GLOB") == {str(world.globex.id)}
    assert rows("orgs/organization", world.globex.public_id) == {str(world.globex.id)}
    assert rows("orgs/user", "olivia@") == {str(world.owner.id)}
    assert rows("orgs/user", world.admin.public_id) == {str(world.admin.id)}
    assert rows("keys/key", world.key.public_id) == {str(world.key.id)}
    assert rows("keys/key", world.foreign_project.public_id) == {str(world.foreign_key.id)}
    assert rows("keys/key", public_id("key", world.acme.id)) == set()
    assert rows("projects/project", world.globex.public_id) == {str(world.foreign_project.id)}


def test_the_theme_may_evaluate_on_staff_pages_only(staff: Client, world: Cast):
    assert "'unsafe-eval'" in staff.get("/admin/")["Content-Security-Policy"]
    for page in ("/login/", "/login/second-factor/", "/"):
        assert "unsafe" not in Client().get(page)["Content-Security-Policy"]
    assert "script-src 'self' 'unsafe-eval'" in staff.get("/admin/")["Content-Security-Policy"]


def test_the_session_of_a_browser_is_ended_and_its_key_never_shown(staff: Client, world: Cast):
    browser = signed_in(Client(), world.viewer)
    key = browser.session.session_key
    row = BrowserSession.objects.get(session_key=key)
    page = f"{base(SignedInBrowser)}{row.id}/"
    for address in (base(SignedInBrowser), f"{page}change/", f"{page}do/end/"):
        shown = staff.get(address).content.decode()
        assert key not in shown
        assert row.session_data not in shown
    assert browser.get("/profile/").status_code == 200
    ended = staff.post(f"{page}do/end/")
    assert (ended.status_code, ended["Location"]) == (302, base(SignedInBrowser))
    assert browser.get("/profile/").status_code == 302
    assert staff.post(f"{page}do/end/").status_code == 404
    with tenant_scope(INSTALLATION_ID):
        event = AuditEvent.objects.filter(event="browser_session.ended").get()
    assert (event.actor_kind, event.target_id) == ("staff", row.public_id)
