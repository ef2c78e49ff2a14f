"""Dashboard pages of a key's limits, its quarantine, and the organization's key policy."""

import json
import re
from datetime import timedelta
from functools import partial
from html import unescape
from typing import Any

import pytest
from django.test import Client
from django.utils import timezone

from audit.models import AuditEvent
from config.kernel.pages import CHANGED_MEANWHILE, version_of
from config.kernel.permissions import ROLE_PERMISSIONS, Role
from config.kernel.tenancy.scope import tenant_scope
from keys.forms.terms import TermsForm
from keys.models import Key, KeyPolicy, KeyUse
from keys.services.key_changes import update_key
from keys.services.key_policies import set_key_policy
from keys.services.once import new_form_token
from keys.services.terms import RateLimit
from keys.uses import spend
from tests.api.rows import everything
from tests.at_once import at_once
from tests.browsers import filled_in, signed_in
from tests.cast import Cast
from tests.keys.test_pages import key_address, key_now, text_of

POLICY = "/orgs/acme/key-policy/"
KEYS = "/orgs/acme/keys/"


def demand(cast: Cast, **demands: Any) -> None:
    with tenant_scope(cast.acme.id):
        set_key_policy(actor=cast.principal(cast.owner), organization=cast.acme, **demands)


def quarantine(cast: Cast) -> None:
    with tenant_scope(cast.acme.id):
        Key.objects.filter(id=cast.key.id).update(quarantined_at=timezone.now(), leaked_at=timezone.now())


def form_of(cast: Cast, **changes: Any) -> dict[str, Any]:
    key = key_now(cast)
    return {
        "version": version_of(TermsForm(key=key, holder=frozenset())),
        "permissions": key.permissions,
        "expires": "keep",
        "allowed_ips": "",
        "rate": "",
        "window": "60",
        "remaining": "",
        "initial-remaining": "" if key.remaining is None else key.remaining,
        "metadata": "",
        **changes,
    }


def test_limits_are_changed_and_shown(cast: Cast, browse: Any):
    browser = browse(cast.developer)
    page = f"{key_address(cast)}limits/"
    assert "As now: never" in text_of(browser.get(page))
    body = form_of(
        cast, permissions=["view_org"], allowed_ips="10.0.0.0/8\n203.0.113.7", rate="50", window="3600",
        remaining="900", expires="30",
    )  # fmt: skip
    saved = browser.post(page, body)
    assert saved["Location"] == key_address(cast)
    shown = text_of(browser.get(key_address(cast)))
    assert "50 in 3600 seconds" in shown
    assert "900" in shown
    now = key_now(cast)
    assert (now.permissions, now.allowed_ips) == (["view_org"], ["10.0.0.0/8", "203.0.113.7/32"])
    assert now.expires_at is not None
    kept = browser.post(page, form_of(cast, rate="50", window="3600"))
    assert kept.status_code == 302
    assert (key_now(cast).expires_at, key_now(cast).remaining) == (now.expires_at, None)


def changed(cast: Cast, **changes: Any) -> None:
    """By another admin."""
    with tenant_scope(cast.acme.id):
        update_key(
            actor=cast.principal(cast.owner), holder=ROLE_PERMISSIONS[Role.OWNER], project_id=cast.project.id,
            key=cast.key.public_id, **changes,
        )  # fmt: skip


def last_change(cast: Cast) -> dict[str, Any]:
    with tenant_scope(cast.acme.id):
        return AuditEvent.objects.filter(event="key.updated").order_by("-id")[0].data["changes"]


def test_uses_that_are_spent_while_a_page_is_open_stay_spent(cast: Cast, browse: Any):
    changed(cast, remaining=1000, allowed_ips=["10.0.0.0/8"])
    browser, page = browse(cast.developer), f"{key_address(cast)}limits/"
    opened = browser.get(page)
    assert spend(organization_id=cast.acme.id, key_id=cast.key.id, cost=300) == (True, 700)
    wrong = browser.post(page, filled_in(opened, rate="x"))
    assert wrong.status_code == 422
    assert browser.post(page, filled_in(wrong, rate="50")).status_code == 302
    assert (key_now(cast).remaining, key_now(cast).rate_limit) == (700, 50)
    assert last_change(cast) == {"rate_limit": [None, {"limit": 50, "window_seconds": 60}]}
    opened = browser.get(page)
    assert browser.post(page, filled_in(opened, remaining="800")).status_code == 302
    assert last_change(cast) == {"remaining": [700, 800]}


@pytest.mark.parametrize(
    "theirs",
    [{"permissions": ["view_org"]}, {"allowed_ips": ["10.0.0.1/32"]}, {"rate_limit": RateLimit(7, 60)},
     {"rate_limit": RateLimit(5, 3600)}, {"metadata": {"team": "blue"}}],
    ids=["permissions", "addresses", "rate", "window", "metadata"],
)  # fmt: skip
def test_what_others_change_while_a_page_is_open_is_not_undone(cast: Cast, browse: Any, theirs: dict[str, Any]):
    changed(cast, rate_limit=RateLimit(5, 60))
    browser, page = browse(cast.developer), f"{key_address(cast)}limits/"
    opened = browser.get(page)
    changed(cast, **theirs)
    before = everything()
    refused = browser.post(page, filled_in(opened, remaining="9"))
    assert refused.status_code == 409
    assert CHANGED_MEANWHILE in text_of(refused)
    assert everything() == before
    assert browser.post(page, filled_in(refused, remaining="9")).status_code == 302, "it was seen"
    now = key_now(cast)
    assert now.remaining == 9
    assert all(getattr(now, name) == value for name, value in theirs.items() if name != "rate_limit")
    assert last_change(cast) == {"remaining": [None, 9]}


def test_nor_is_a_name_or_a_policy(cast: Cast, browse: Any):
    browser, edit = browse(cast.admin), f"{key_address(cast)}edit/"
    opened, policy = browser.get(edit), browser.get(POLICY)
    changed(cast, note="Of the incident")
    demand(cast, on_leak="revoke")
    before = everything()
    for page, form in ((edit, filled_in(opened, name="Other")), (POLICY, filled_in(policy, longest_lifetime_days="9"))):
        refused = browser.post(page, form)
        assert refused.status_code == 409
        assert CHANGED_MEANWHILE in text_of(refused)
    assert everything() == before


@pytest.mark.parametrize("version", ["", "x"])
def test_a_form_that_does_not_tell_what_it_showed_changes_nothing(cast: Cast, browse: Any, version: str):
    browser = browse(cast.developer)
    before = everything()
    assert browser.post(f"{key_address(cast)}limits/", form_of(cast, rate="5", version=version)).status_code == 409
    assert everything() == before


def test_of_two_who_save_at_once_one_is_refused(committed_cast: Cast):
    browsers = [signed_in(Client(), who) for who in (committed_cast.owner, committed_cast.admin)]
    page = f"{key_address(committed_cast)}limits/"
    forms = [filled_in(each.get(page), rate=str(rate)) for each, rate in zip(browsers, (50, 60), strict=True)]
    answers = at_once([partial(each.post, page, form) for each, form in zip(browsers, forms, strict=True)])
    assert sorted(answer.status_code for answer in answers) == [302, 409]


@pytest.mark.parametrize(
    "wrong",
    [{"rate": "0"}, {"rate": "x"}, {"window": "5"}, {"remaining": "-1"}, {"allowed_ips": "300.0.0.1"},
     {"permissions": ["delete_org"]}, {"expires": "soon"}, {"expires": "date"}, {"metadata": "team: blue"},
     {"metadata": "[1]"}, {"metadata": '{"a": {"b": 1}}'}, {"metadata": '{"a": 1, "a": 2}'}, {"metadata": '{"": 1}'},
     {"metadata": '{"a": NaN}'}, {"metadata": '{"a": 1e999}'}, {"metadata": '{"a": 1e15}'},
     {"metadata": '{"a": "\\ud800"}'}, {"metadata": '{"a": "\\u0000"}'}, {"metadata": "[" * 5000},
     {"metadata": json.dumps({"a": "x" * 501})}, {"metadata": json.dumps({str(n): n for n in range(51)})}],
)  # fmt: skip
def test_wrong_limits_change_nothing(cast: Cast, browse: Any, wrong: dict[str, Any]):
    browser = browse(cast.developer)
    before = everything()
    answer = browser.post(f"{key_address(cast)}limits/", form_of(cast, **wrong))
    assert answer.status_code in (400, 422)
    assert everything() == before


def test_metadata_are_shown_and_changed_and_the_ledger_is_told_their_names(cast: Cast, browse: Any):
    browser, page = browse(cast.developer), f"{key_address(cast)}limits/"
    typed = '{"customer": "<b>Glöbex</b>", "seats": 25, "trial": true, "ends": null}'
    assert browser.post(page, filled_in(browser.get(page), metadata=typed)).status_code == 302
    assert key_now(cast).metadata == json.loads(typed)
    assert last_change(cast) == {"metadata": [[], ["customer", "ends", "seats", "trial"]]}
    shown = unescape(text_of(browse(cast.viewer).get(key_address(cast))))
    for name, value in (("customer", '"<b>Glöbex</b>"'), ("seats", "25"), ("trial", "true"), ("ends", "null")):
        assert re.search(rf"<dt>{name}</dt><dd>\s*<code>{value}</code>", shown)
    before = everything()
    assert browser.post(page, filled_in(browser.get(page))).status_code == 302
    assert everything() == before, "nothing was changed"
    assert browser.post(page, filled_in(browser.get(page), metadata=" ")).status_code == 302
    assert key_now(cast).metadata == {}
    assert "None: give it names and values" in text_of(browser.get(key_address(cast)))
    assert "Told to whoever verifies" not in text_of(browse(cast.viewer).get(key_address(cast)))


def test_what_is_wrong_with_metadata_is_said_beside_what_was_typed(cast: Cast, browse: Any):
    browser, page = browse(cast.developer), f"{key_address(cast)}limits/"
    refused = unescape(text_of(browser.post(page, form_of(cast, metadata='{"a": 1,\n "b" 2}'))))
    assert "This is no JSON: Expecting ':' delimiter in line 2, column 6." in refused
    assert '{"a": 1,\n "b" 2}' in refused
    assert "Use numbers of up to 15 digits." in text_of(browser.post(page, form_of(cast, metadata='{"a": 1e15}')))


def test_a_window_that_the_form_does_not_offer_stays(cast: Cast, browse: Any):
    with tenant_scope(cast.acme.id):
        Key.objects.filter(id=cast.key.id).update(rate_limit=9, rate_window_seconds=17)
    browser = browse(cast.developer)
    assert "17 seconds" in text_of(browser.get(f"{key_address(cast)}limits/"))
    browser.post(f"{key_address(cast)}limits/", form_of(cast, rate="10", window="17"))
    assert (key_now(cast).rate_limit, key_now(cast).rate_window_seconds) == (10, 17)


def test_viewers_change_no_limits(cast: Cast, browse: Any):
    viewer, outsider = browse(cast.viewer), browse(cast.outsider)
    before = everything()
    for page in ("limits/", "release/"):
        assert viewer.get(f"{key_address(cast)}{page}").status_code == 403
        assert viewer.post(f"{key_address(cast)}{page}", form_of(cast, rate="1")).status_code == 403
        assert outsider.post(f"{key_address(cast)}{page}", form_of(cast, rate="1")).status_code == 404
    assert everything() == before


def test_the_last_use_is_shown(cast: Cast, browse: Any):
    with tenant_scope(cast.acme.id):
        key = Key.objects.exclude(id=cast.key.id).get()
        KeyUse.objects.update_or_create(
            key=key, defaults={"last_used_at": timezone.now(), "last_ip": "203.0.113.9", "count": 41}
        )
        address = key_address(cast).replace(cast.key.public_id, key.public_id)
    assert "from <code>203.0.113.9</code> (41 times in all)" in text_of(browse(cast.viewer).get(address))


def test_a_key_in_quarantine_is_released_by_hand(cast: Cast, browse: Any):
    quarantine(cast)
    browser = browse(cast.developer)
    assert "This key is in quarantine" in text_of(browser.get(key_address(cast)))
    assert "Release…" not in text_of(browse(cast.viewer).get(key_address(cast)))
    assert cast.key.name in text_of(browser.get(f"{KEYS}?state=leaked"))
    assert cast.key.name not in text_of(browser.get(f"{KEYS}?state=active"))
    assert "works again for everybody" in text_of(browser.get(f"{key_address(cast)}release/"))
    assert browser.post(f"{key_address(cast)}release/")["Location"] == key_address(cast)
    assert key_now(cast).state == Key.State.ACTIVE
    assert "There is nothing to release" in text_of(browser.get(f"{key_address(cast)}release/"))
    assert "This key leaked" in text_of(browser.get(key_address(cast)))


def test_the_policy_is_set_by_owners_and_admins_and_read_by_all(cast: Cast, browse: Any):
    browser = browse(cast.admin)
    assert "Every key keeps it" in text_of(browser.get(POLICY))
    body = {"longest_lifetime_days": "90", "on_leak": "revoke"}
    assert browser.post(POLICY, filled_in(browser.get(POLICY), **body))["Location"] == POLICY
    with tenant_scope(cast.acme.id):
        policy = KeyPolicy.objects.current()
    assert (policy.longest_lifetime_days, policy.is_expiry_required, policy.on_leak) == (90, False, "revoke")
    shown = text_of(browse(cast.viewer).get(POLICY))
    assert "90 days" in shown
    assert "is revoked" in shown
    assert "Save policy" not in shown
    assert cast.key.name in shown, "a key without an end does not keep it"
    others = [browse(cast.developer), browse(cast.viewer)]
    before = everything()
    for other in others:
        assert other.post(POLICY, body).status_code == 403
    for wrong in ({"longest_lifetime_days": "0"}, {"longest_lifetime_days": "x"}, {"on_leak": "shrug"}):
        assert browser.post(POLICY, filled_in(browser.get(POLICY), **{**body, **wrong})).status_code == 422
    assert everything() == before


def test_the_forms_of_keys_say_what_the_policy_demands(cast: Cast, browse: Any):
    demand(cast, longest_lifetime_days=45)
    browser = browse(cast.developer)
    create = key_address(cast).replace(cast.key.public_id, "new")
    page = browser.get(create)
    assert "live for at most 45 days" in text_of(page)
    assert '<option value="30" selected>' in page.content.decode()
    body = {"name": "x", "kind": "secret", "mode": "live", "preset": "runner", "expires": "90"}
    body["once"] = new_form_token()
    refused = browser.post(create, body)
    assert refused.status_code == 400
    assert "choose an end until" in text_of(refused)
    made = browser.post(
        create, {**body, "once": new_form_token(), "expires": "30", "rate": "5", "window": "1", "remaining": "3",
                 "metadata": '{"team": "blue"}'}
    )  # fmt: skip
    assert made.status_code == 200
    with tenant_scope(cast.acme.id):
        key = Key.objects.get(name="x")
    assert (key.rate_limit, key.rate_window_seconds, key.remaining) == (5, 1, 3)
    assert key.metadata == {"team": "blue"}


def test_the_page_of_a_rotation_offers_a_key_with_limited_uses_no_overlap(cast: Cast, browse: Any):
    changed(cast, remaining=1000)
    browser, page = browse(cast.developer), f"{key_address(cast)}rotate/"
    shown = text_of(browser.get(page))
    assert "The uses that are left go over to the new key" in shown
    assert re.findall(r'name="overlap" value="(\d+)"', shown) == ["0"]
    before = everything()
    assert browser.post(page, {"overlap": "3600", "expires": "keep", "once": new_form_token()}).status_code == 422
    assert everything() == before
    made = browser.post(page, {"overlap": "0", "expires": "keep", "once": new_form_token()})
    assert "is refused from now on" in text_of(made)
    with tenant_scope(cast.acme.id):
        assert Key.objects.get(replaces=cast.key).remaining == 1000


def test_the_page_of_a_key_that_was_replaced_leads_to_its_replacement(cast: Cast, browse: Any):
    browser, page = browse(cast.developer), f"{key_address(cast)}rotate/"
    form = {"overlap": "3600", "expires": "keep"}
    assert browser.post(page, {**form, "once": new_form_token()}).status_code == 200
    with tenant_scope(cast.acme.id):
        new = Key.objects.get(replaces=cast.key)
    shown = text_of(browser.get(page))
    assert "This key was replaced already" in shown
    assert f'href="{key_address(cast, new)}"' in shown
    before = everything()
    assert browser.post(page, {**form, "once": new_form_token()}).status_code == 409
    assert everything() == before


def test_an_endless_key_is_rotated_into_one_with_an_end(cast: Cast, browse: Any):
    demand(cast, longest_lifetime_days=45)
    page = f"{key_address(cast)}rotate/"
    browser = browse(cast.developer)
    refused = browser.post(page, {"overlap": "3600", "expires": "keep", "once": new_form_token()})
    assert refused.status_code == 400
    assert "say when it ends" in text_of(refused)
    assert browser.post(page, {"overlap": "3600", "expires": "30", "once": new_form_token()}).status_code == 200
    with tenant_scope(cast.acme.id):
        new = Key.objects.get(replaces=cast.key)
    assert timedelta(days=29) < new.expires_at - timezone.now() < timedelta(days=30)
