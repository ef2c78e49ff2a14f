"""Dashboard pages of a key's limits, its quarantine, and the organization's key policy."""

import html
import json
import re
from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone

from audit.models import AuditEvent
from config.kernel.permissions import ROLE_PERMISSIONS, Role
from config.kernel.tenancy.scope import tenant_scope
from keys.forms.terms import CHANGED_MEANWHILE, TermsForm
from keys.models import Key, KeyPolicy, KeyUse
from keys.services.key_changes import update_key
from keys.services.key_policies import set_key_policy
from keys.services.once import new_form_token
from keys.services.terms import RateLimit
from keys.uses import spend
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
    key = key_now(cast)
    return {
        "shown": json.dumps(TermsForm(key=key, holder=frozenset()).present),
        "permissions": key.permissions,
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


def filled_in(answer: Any, **changes: Any) -> dict[str, Any]:
    """What a browser sends of that page when only `changes` are typed."""
    shown = re.search(r'name="shown" value="([^"]+)"', text_of(answer))
    assert shown is not None
    form = answer.context["form"]
    values = {name: form[name].value() for name in form.fields}
    typed = {name: "" if value is None else value for name, value in values.items()}
    typed["allowed_ips"] = typed["allowed_ips"].replace("\n", "\r\n")
    return {**typed, "shown": html.unescape(shown[1]), **changes}


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


def test_what_others_change_while_a_page_is_open_stays(cast: Cast, browse: Any):
    changed(cast, remaining=1000, allowed_ips=["10.0.0.0/8", "192.0.2.0/24"], rate_limit=RateLimit(9, 60))
    browser, page = browse(cast.developer), f"{key_address(cast)}limits/"
    opened = browser.get(page)
    assert spend(organization_id=cast.acme.id, key_id=cast.key.id, cost=300) == (True, 700)
    changed(cast, allowed_ips=["10.0.0.1/32"], permissions=["view_org"], expires_at=timezone.now() + timedelta(days=2))
    ends = key_now(cast).expires_at
    assert browser.post(page, filled_in(opened, rate="50")).status_code == 302
    now = key_now(cast)
    assert (now.remaining, now.allowed_ips, now.permissions, now.expires_at, now.rate_limit) == (
        700, ["10.0.0.1/32"], ["view_org"], ends, 50,
    )  # fmt: skip
    limits = [{"limit": number, "window_seconds": 60} for number in (9, 50)]
    assert last_change(cast) == {"rate_limit": limits}
    assert browser.post(page, filled_in(opened, rate="9", remaining="800")).status_code == 302, "what is typed, holds"
    assert key_now(cast).remaining == 800
    assert last_change(cast) == {"remaining": [700, 800]}


CONFLICTS = [
    ({"permissions": ["view_org"]}, {"permissions": ["keys:verify", "view_org"]}, r'value="view_org"[^>]* checked'),
    ({"permissions": []}, {"permissions": ["view_org"]}, r"&quot;permissions&quot;: \[\]"),
    ({"allowed_ips": ["10.0.0.1/32"]}, {"allowed_ips": "203.0.113.0/24"}, "10.0.0.1/32</textarea>"),
    ({"rate_limit": RateLimit(7, 60)}, {"rate": "50"}, 'name="rate" value="7"'),
    ({"rate_limit": RateLimit(7, 3600)}, {"rate": "50"}, '<option value="3600" selected>'),
    ({"expires_at": timezone.now() + timedelta(days=2)}, {"expires": "90"}, '<option value="keep" selected>'),
    ({"expires_at": timezone.now() + timedelta(days=2)}, {"expires": "never"}, '<option value="keep" selected>'),
]


@pytest.mark.parametrize(("theirs", "mine", "told"), CONFLICTS)
def test_what_two_change_at_once_is_refused_and_shown_as_it_is_now(
    cast: Cast, browse: Any, theirs: dict[str, Any], mine: dict[str, Any], told: str
):
    browser, page = browse(cast.developer), f"{key_address(cast)}limits/"
    opened = browser.get(page)
    changed(cast, **theirs)
    before = everything()
    refused = browser.post(page, filled_in(opened, remaining="5", **mine))
    assert refused.status_code == 422
    assert CHANGED_MEANWHILE in text_of(refused)
    assert re.search(told, text_of(refused))
    assert everything() == before
    assert browser.post(page, filled_in(refused, **mine)).status_code == 302, "it was seen, so it may be changed"
    assert set(last_change(cast)) == {*theirs, "remaining"}


@pytest.mark.parametrize(
    "shown", ["", "x", "null", "[1]", "7", '{"permissions": []}', pytest.param("[" * 100_000, id="deep")]
)
def test_a_form_that_does_not_tell_what_it_showed_changes_nothing(cast: Cast, browse: Any, shown: str):
    browser = browse(cast.developer)
    before = everything()
    answer = browser.post(f"{key_address(cast)}limits/", form_of(cast, rate="5", shown=shown))
    assert answer.status_code == 422
    assert "Open this page again" in text_of(answer)
    assert everything() == before


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
