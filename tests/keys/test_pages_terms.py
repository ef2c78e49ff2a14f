"""Dashboard pages of a key's limits, its quarantine, and the organization's key policy."""

from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone

from config.kernel.tenancy.scope import tenant_scope
from keys.models import Key, KeyPolicy, KeyUse
from keys.services.key_policies import set_key_policy
from keys.services.once import new_form_token
from tests.api.rows import everything
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
    return {
        "permissions": key_now(cast).permissions,
        "expires": "keep",
        "allowed_ips": "",
        "rate": "",
        "window": "60",
        "remaining": "",
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


@pytest.mark.parametrize(
    "wrong",
    [{"rate": "0"}, {"rate": "x"}, {"window": "5"}, {"remaining": "-1"}, {"allowed_ips": "300.0.0.1"},
     {"permissions": ["delete_org"]}, {"expires": "soon"}, {"expires": "date"}],
)  # fmt: skip
def test_wrong_limits_change_nothing(cast: Cast, browse: Any, wrong: dict[str, Any]):
    browser = browse(cast.developer)
    before = everything()
    answer = browser.post(f"{key_address(cast)}limits/", form_of(cast, **wrong))
    assert answer.status_code in (400, 422)
    assert everything() == before


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
    assert browser.post(POLICY, body)["Location"] == POLICY
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
        assert browser.post(POLICY, {**body, **wrong}).status_code == 422
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
        create, {**body, "once": new_form_token(), "expires": "30", "rate": "5", "window": "1", "remaining": "3"}
    )
    assert made.status_code == 200
    with tenant_scope(cast.acme.id):
        key = Key.objects.get(name="x")
    assert (key.rate_limit, key.rate_window_seconds, key.remaining) == (5, 1, 3)


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
