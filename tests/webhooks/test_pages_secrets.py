"""Pages of what deliveries are signed with: a secret is shown once, and rotated while both sign."""

from datetime import timedelta

import pytest
import time_machine
from django.test import Client
from django.utils import timezone
from standardwebhooks import Webhook

from config.kernel.tenancy.scope import tenant_scope
from orgs.encryption import unseal
from tests.api.rows import everything
from tests.browsers import signed_in
from tests.keys.test_pages_shown_once import everything_kept
from tests.receivers import receiving
from tests.webhooks.test_pages import HOME, address_of, again, form_of, made, once_in, text_of
from webhooks.delivery import deliver_due
from webhooks.models import Endpoint

SIGNING_KEY_PAGES = ("signing-key/", "signing-key/remove/")


def secret_of(cast, endpoint, field="secret"):
    with tenant_scope(cast.acme.id):
        row = Endpoint.objects.get(id=endpoint.id)
        return unseal(row, field) if getattr(row, field) else None


def test_the_secret_is_in_the_one_answer_and_nowhere_else(browse, cast):
    client = browse(cast.owner)
    shown = client.post(f"{HOME}new/", form_of(client)).content.decode()
    with tenant_scope(cast.acme.id):
        endpoint = Endpoint.objects.get()
    secret = secret_of(cast, endpoint)
    assert shown.count(secret) == 1
    assert secret not in everything_kept(client)
    for page in ("", "settings/", "rotate-secret/", "deliveries/"):
        assert secret not in client.get(address_of(endpoint, page)).content.decode()


@pytest.mark.parametrize(("overlap", "both"), [("86400", True), ("0", False)])
def test_a_rotated_secret_is_shown_once_and_the_old_one_signs_as_long_as_wished(browse, cast, overlap, both):
    client = browse(cast.owner)
    with receiving() as receiver:
        client.post(f"{HOME}new/", form_of(client, url=receiver.url(), which="all"))
        with tenant_scope(cast.acme.id):
            endpoint = Endpoint.objects.get()
        old, page = secret_of(cast, endpoint), address_of(endpoint, "rotate-secret/")
        form = {"once": once_in(client, page), "overlap": overlap}
        shown = client.post(page, form)
        new = secret_of(cast, endpoint)
        assert (new != old, shown["Cache-Control"]) == (True, "no-store")
        assert shown.content.decode().count(new) == 1
        refused = client.post(page, form)
        assert (refused.status_code, secret_of(cast, endpoint) == new) == (409, True)
        assert new not in refused.content.decode()
        client.post(address_of(endpoint, "test/"))
        deliver_due()
    request = receiver.requests[-1]
    Webhook(new).verify(request.body, request.headers)
    assert (request.headers["webhook-signature"].count("v1,") == 2) is both
    if both:
        Webhook(old).verify(request.body, request.headers)
        assert "A rotation is under way" in text_of(client.get(page))
        assert "The one before signs, too" in text_of(client.get(address_of(endpoint, "settings/")))


def test_an_overlap_that_is_not_offered_changes_nothing(browse, cast):
    rows, client = made(cast), browse(cast.owner)
    page = address_of(rows.endpoint, "rotate-secret/")
    answer = client.post(page, {"once": once_in(client, page), "overlap": "99999999"})
    assert answer.status_code == 422
    assert secret_of(cast, rows.endpoint) == rows.secret


def test_an_ed25519_key_is_made_replaced_and_removed_and_its_private_half_shown_nowhere(browse, cast):
    rows, client = made(cast), browse(cast.admin)
    settings = address_of(rows.endpoint, "settings/")
    assert "deliveries carry v1 alone" in text_of(client.get(settings))
    seen = []
    for _ in range(2):
        client.post(address_of(rows.endpoint, "signing-key/"))
        page = client.get(settings).content.decode()
        seen.append(again(cast, rows.endpoint).verifying_key)
        assert seen[-1] in page
        assert "whsk_" not in page
        assert secret_of(cast, rows.endpoint, "signing_key").startswith("whsk_")
    assert seen[0] != seen[1]
    asked = {page: text_of(client.get(address_of(rows.endpoint, page))) for page in SIGNING_KEY_PAGES}
    assert "takes the place of the present one at once" in asked["signing-key/"]
    assert "cannot be had back" in asked["signing-key/remove/"]
    assert again(cast, rows.endpoint).verifying_key == seen[1]
    offered = client.get(settings).content.decode()
    for page in SIGNING_KEY_PAGES:  # links that ask first, no buttons that do it
        assert f'href="{address_of(rows.endpoint, page)}"' in offered
        assert f'action="{address_of(rows.endpoint, page)}"' not in offered
    client.post(address_of(rows.endpoint, "signing-key/remove/"))
    assert (again(cast, rows.endpoint).verifying_key, again(cast, rows.endpoint).signing_key) == ("", None)


def test_what_is_sensitive_waits_for_a_fresh_proof(cast):
    rows = made(cast)
    with time_machine.travel(timezone.now() - timedelta(minutes=16), tick=False):
        client = signed_in(Client(), cast.owner)
    before = everything()
    for page in ("edit/", "headers/", "rotate-secret/", "signing-key/", "signing-key/remove/", "delete/"):
        answer = client.post(address_of(rows.endpoint, page), {"confirm": "hooks.acme.example", "headers": ""})
        assert (answer.status_code, answer["Location"][:9]) == (302, "/confirm/"), page
    after = everything()
    assert {name for name, kept in after.items() if name.startswith("webhook") and kept != before[name]} == set()
    assert client.get(address_of(rows.endpoint, "settings/")).status_code == 200
