"""Notices of keys that end soon or are not used: once each, to those who manage keys, organization by organization."""

from datetime import timedelta
from typing import Any

import time_machine
from django.db import connection
from django.utils import timezone

from audit.models import AuditEvent
from config.kernel.permissions import ROLE_PERMISSIONS, Role
from config.kernel.tenancy.scope import tenant_scope
from keys import mail
from keys.models import Key, KeyUse
from keys.notices import give_all_notices
from keys.services.key_changes import update_key
from keys.services.keys import create_key, rotate_key
from tests.cast import Cast
from tests.database import owner_connection
from tests.keys.test_pages import text_of

HOLDER = ROLE_PERMISSIONS[Role.OWNER]


def at(days: float) -> Any:
    return time_machine.travel(timezone.now() + timedelta(days=days), tick=False)


def ending(cast: Cast, days: int) -> Key:
    with tenant_scope(cast.acme.id):
        key, _ = create_key(
            actor=cast.principal(cast.owner), holder=HOLDER, project_id=cast.project.id, kind="secret", mode="live",
            name="Ending", expires_at=timezone.now() + timedelta(days=days),
        )  # fmt: skip
    return key


def told(cast: Cast, event: str) -> list[str]:
    with tenant_scope(cast.acme.id):
        return list(AuditEvent.objects.filter(event=event).order_by("id").values_list("target_id", flat=True))


def use(cast: Cast, days_ago: float) -> None:
    """Every key of Acme was used then."""
    when = timezone.now() - timedelta(days=days_ago)
    with tenant_scope(cast.acme.id):
        for key in Key.objects.all():
            KeyUse.objects.update_or_create(key=key, defaults={"last_used_at": when, "count": 1})


def test_a_key_that_ends_soon_is_told_of_once(cast: Cast):
    key = ending(cast, 60)
    with at(45):
        use(cast, 0)
        give_all_notices()
        assert told(cast, "key.expiring") == []
    with at(47):
        assert give_all_notices() == 1
        assert give_all_notices() == 0
        assert told(cast, "key.expiring") == [key.public_id]


def test_a_new_end_is_told_of_anew(cast: Cast):
    key = ending(cast, 60)
    with at(50):
        use(cast, 0)
        give_all_notices()
        with tenant_scope(cast.acme.id):
            update_key(
                actor=cast.principal(cast.owner), holder=HOLDER, project_id=cast.project.id, key=key.public_id,
                expires_at=timezone.now() + timedelta(days=30),
            )  # fmt: skip
        assert give_all_notices() == 0
    with at(70):
        use(cast, 0)
        assert give_all_notices() == 1
        assert told(cast, "key.expiring") == [key.public_id] * 2


def test_ended_replaced_and_short_lived_keys_are_not_told_of(cast: Cast):
    ending(cast, 10)
    replaced, revoked = ending(cast, 60), ending(cast, 60)
    with at(50):
        use(cast, 0)
        with tenant_scope(cast.acme.id):
            rotate_key(
                actor=cast.principal(cast.owner), holder=HOLDER, project_id=cast.project.id, key=replaced.public_id,
                overlap=timedelta(days=5), expires_at=timezone.now() + timedelta(days=300),
            )  # fmt: skip
            Key.objects.filter(id=revoked.id).update(revoked_at=timezone.now())
        assert give_all_notices() == 0
    with at(61):
        use(cast, 0)
        assert give_all_notices() == 0


def test_an_unused_key_is_told_of_once_for_each_time_of_disuse(cast: Cast):
    with at(89):
        assert give_all_notices() == 0
    with at(91):
        use(cast, 1)
        give_all_notices()
        assert told(cast, "key.unused") == []
    with at(182):
        give_all_notices()
        noticed = told(cast, "key.unused")
        assert cast.key.public_id in noticed
        assert len(noticed) == 2
        give_all_notices()
        assert told(cast, "key.unused") == noticed
    with at(183):
        use(cast, 0)
    with at(274):
        give_all_notices()
        assert len(told(cast, "key.unused")) == 4


def test_a_key_that_was_never_used_counts_from_its_making(cast: Cast):
    with tenant_scope(cast.acme.id):
        KeyUse.objects.all().delete()
    with at(91):
        give_all_notices()
        with tenant_scope(cast.acme.id):
            rows = AuditEvent.objects.filter(event="key.unused")
            assert [row.data["last_used_at"] for row in rows] == [None, None]


def test_inactive_organizations_and_projects_are_left_alone(cast: Cast):
    cast.acme.status = "disabled"
    cast.acme.save()
    with tenant_scope(cast.globex.id):
        cast.foreign_project.status = "archived"
        cast.foreign_project.save()
    with at(91):
        assert give_all_notices() == 0


def test_one_organization_that_fails_does_not_stop_the_others(committed_cast: Cast):
    cast = committed_cast
    with owner_connection(connection.settings_dict["NAME"]) as owner:
        owner.execute("CREATE FUNCTION fail() RETURNS trigger LANGUAGE plpgsql AS $$BEGIN RAISE 'broken'; END$$")
        owner.execute(
            f"CREATE TRIGGER failing BEFORE UPDATE ON keys_key FOR EACH ROW WHEN (NEW.org_id = '{cast.acme.id}') "
            "EXECUTE FUNCTION fail()"
        )
        try:
            with at(91):
                assert give_all_notices() == 1
        finally:
            owner.execute("DROP TRIGGER failing ON keys_key")
            owner.execute("DROP FUNCTION fail()")
    assert told(cast, "key.unused") == []
    with tenant_scope(cast.globex.id):
        assert AuditEvent.objects.filter(event="key.unused").count() == 1
    with at(91):
        assert give_all_notices() == 2


def test_those_who_manage_keys_are_mailed_and_nobody_else(cast: Cast, mailoutbox: list):
    key = ending(cast, 60)
    with tenant_scope(cast.acme.id):
        for person in (cast.owner, cast.developer):
            assert mail.mail_notice(person.id, [key.id], [cast.key.id]) == "sent"
        assert mail.mail_notice(cast.viewer.id, [key.id], []) == "gone"
        assert mail.mail_notice(cast.outsider.id, [key.id], []) == "gone"
        assert [sent.to for sent in mailoutbox] == [[cast.owner.email], [cast.developer.email]]
        body = mailoutbox[0].body
        assert "Ending" in body
        assert cast.key.name in body
        assert key.public_id in body
        Key.objects.update(revoked_at=timezone.now())
        assert mail.mail_notice(cast.owner.id, [key.id], [cast.key.id]) == "gone"


def test_they_are_listed_and_counted_on_the_dashboard(cast: Cast, browse: Any):
    browser = browse(cast.viewer)
    with tenant_scope(cast.acme.id):
        KeyUse.objects.all().delete()
        Key.objects.filter(id=cast.key.id).update(created_at=timezone.now() - timedelta(days=91))
    assert "1 unused for 90 days" in text_of(browser.get("/orgs/acme/panels/keys/"))
    listed = text_of(browser.get("/orgs/acme/keys/?state=unused"))
    assert cast.key.name in listed
    assert cast.key.start in listed
    assert "pk_live" not in listed
