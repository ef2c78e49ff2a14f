"""E-mail domains against a real DNS server: what proves one, what says nothing, when one is lost, who gets it."""

from datetime import UTC, datetime, timedelta
from threading import Barrier

import pytest
import time_machine
from allauth.account.models import EmailAddress
from django.core import mail
from django.db import connection
from dnslib import RCODE

from audit.models import AuditEvent
from config.kernel.errors import Absent, Conflict, Invalid
from config.kernel.principals import SYSTEM
from config.kernel.tenancy.scope import tenant_scope
from orgs.mail import mail_email_domain
from orgs.models import EmailDomain, Membership, SignInPolicy, SsoSignIn
from orgs.rechecking import recheck, recheck_due
from orgs.selectors import consequences_of_losing
from orgs.services import email_domains as services
from orgs.sign_in import domain_of
from tests.api.rows import everything
from tests.at_once import at_once
from tests.cast import person
from tests.database import owner_connection
from tests.zones import silent

NOW = datetime(2031, 5, 20, 12, tzinfo=UTC)


def register(cast, domain="acme.example", organization=None):
    with tenant_scope((organization or cast.acme).id):
        return services.register_email_domain(actor=cast.principal(cast.owner), domain=domain)


def check(row, actor=SYSTEM):
    with tenant_scope(row.org_id):
        return services.check_email_domain(actor=actor, email_domain_id=row.id)


def current(row):
    with tenant_scope(row.org_id):
        return EmailDomain.objects.get(id=row.id)


def events_of(row):
    with tenant_scope(row.org_id):
        return list(
            AuditEvent.objects.filter(target_id=row.public_id).order_by("id").values_list("event", "result", "data")
        )


def proven(cast, zone, domain="acme.example"):
    row = register(cast, domain)
    zone.texts[row.txt_name] = [row.txt_value]
    checked = check(row)
    assert checked.status == "proven"
    return checked


@pytest.mark.parametrize(
    "texts",
    [
        lambda value: [value],
        lambda value: ["v=spf1 -all", value, "google-site-verification=x"],
        lambda value: [[value[:20], value[20:]]],
        lambda value: [value.upper()],
        lambda value: [f'"{value}"'],
        lambda value: [f" {value} "],
    ],
    ids=["alone", "among others", "in several strings", "in capitals", "quoted twice", "with spaces"],
)
def test_the_record_proves_the_domain(cast, zone, texts):
    row = register(cast)
    zone.texts["_tenantry.acme.example"] = texts(row.txt_value)
    checked = check(row)
    assert (checked.status, checked.failure) == ("proven", "")
    assert checked.proven_at == checked.checked_at
    assert events_of(row) == [("email_domain.registered", "done", {}), ("email_domain.proven", "done", {"how": "dns"})]


def test_an_alias_is_followed(cast, zone):
    row = register(cast)
    zone.aliases[row.txt_name] = "proofs.hosting.example"
    zone.texts["proofs.hosting.example"] = [row.txt_value]
    assert check(row).status == "proven"


@pytest.mark.parametrize(
    ("texts", "words"),
    [
        ({}, "There is no TXT record at _tenantry.acme.example."),
        ({"_tenantry.acme.example": []}, "There is no TXT record at _tenantry.acme.example."),
        (
            {"_tenantry.acme.example": ["tenantry-domain-verification=0"]},
            "something else: tenantry-domain-verification=0",
        ),
        ({"acme.example": ["VALUE"]}, "There is no TXT record"),
        ({"_tenantry.mail.acme.example": ["VALUE"]}, "There is no TXT record"),
    ],
    ids=["no such name", "no TXT record there", "a wrong value", "at the domain itself", "below a subdomain"],
)
def test_what_is_no_proof_leaves_it_pending_and_says_what_was_found(cast, zone, texts, words):
    row = register(cast)
    zone.texts = {name: [text.replace("VALUE", row.txt_value) for text in found] for name, found in texts.items()}
    checked = check(row)
    assert (checked.status, checked.proven_at) == ("pending", None)
    assert words in checked.failure
    assert checked.checked_at is not None
    assert [name for name, *_ in events_of(row)] == ["email_domain.registered"]


def test_the_record_of_another_organization_proves_nothing(cast, zone):
    mine, theirs = register(cast), register(cast, organization=cast.globex)
    assert mine.token != theirs.token
    zone.texts[mine.txt_name] = [theirs.txt_value]
    assert check(mine).status == "pending"
    assert check(theirs).status == "proven"


@pytest.mark.parametrize("rcode", [RCODE.SERVFAIL, RCODE.REFUSED])
def test_an_error_of_the_dns_says_nothing(cast, zone, rcode):
    row = proven(cast, zone)
    zone.rcode = rcode
    for _ in range(5):
        checked = check(row)
    assert (checked.status, checked.misses) == ("proven", 0)
    assert "The DNS answered with an error" in checked.failure
    pending = register(cast, "acme.test")
    assert check(pending).status == "pending"


def test_a_dns_that_does_not_answer_says_nothing_and_is_waited_for_only_so_long(cast, zone, settings, monkeypatch):
    row = proven(cast, zone)
    monkeypatch.setattr("orgs.resolver.TRY_SECONDS", 0.2)
    monkeypatch.setattr("orgs.resolver.ALL_SECONDS", 0.5)
    with silent() as settings.TENANTRY_DNS_RESOLVER:
        begun = datetime.now(UTC)
        checked = check(row)
        assert datetime.now(UTC) - begun < timedelta(seconds=3)
    assert (checked.status, checked.failure) == ("proven", "The DNS did not answer in time.")


def test_a_record_that_moved_away_makes_the_domain_lost_after_a_while_and_found_again_proven(cast, zone, asked):
    with time_machine.travel(NOW, tick=False) as clock:
        row = proven(cast, zone)
        texts = zone.texts.pop(row.txt_name)
        clock.move_to(NOW + timedelta(days=1))
        checked = check(row)
        assert (checked.status, checked.missing_since) == ("proven", NOW + timedelta(days=1))
        for _ in range(9):
            assert check(row).status == "proven", "many answers at once are one"
        clock.shift(timedelta(hours=2, minutes=59))
        assert check(row).status == "proven"
        assert not asked
        clock.shift(timedelta(minutes=1))
        lost = check(row)
        assert (lost.status, lost.lost_at) == ("lost", NOW + timedelta(days=1, hours=3))
        assert events_of(row)[-1] == (
            "email_domain.lost",
            "done",
            {"missing_since": "2031-05-21T12:00:00+00:00", "people": 4, "enforcement": "off"},
        )
        assert sorted(asked) == sorted(
            ("orgs.mail_email_domain", "acme.example", "lost", str(user.id)) for user in (cast.owner, cast.admin)
        )
        asked.clear()
        clock.shift(timedelta(hours=1))
        assert check(row).status == "lost"
        assert not asked, "told once"
        zone.texts[row.txt_name] = texts
        back = check(row)
        assert (back.status, back.lost_at, back.missing_since) == ("proven", None, None)


def test_a_record_that_was_missed_for_a_moment_is_as_if_it_had_always_been_there(cast, zone):
    with time_machine.travel(NOW, tick=False) as clock:
        row = proven(cast, zone)
        texts = zone.texts.pop(row.txt_name)
        for _ in range(2):
            check(row)
            clock.shift(timedelta(hours=2))
        zone.texts[row.txt_name] = texts
        assert check(row).missing_since is None
        del zone.texts[row.txt_name]
        clock.shift(timedelta(days=1))
        checked = check(row)
        assert (checked.status, checked.misses) == ("proven", 1)


def test_a_domain_that_nobody_could_look_up_for_a_week_is_lost_too(cast, zone, asked):
    with time_machine.travel(NOW, tick=False) as clock:
        row = proven(cast, zone)
        zone.rcode = RCODE.SERVFAIL
        check(row)
        clock.shift(timedelta(days=6, hours=23))
        assert check(row).status == "proven"
        clock.shift(timedelta(hours=1))
        assert check(row).status == "lost"
        assert len(asked) == 2


def test_what_staff_vouched_for_no_check_undoes(cast, zone):
    row = register(cast)
    with time_machine.travel(NOW, tick=False) as clock, tenant_scope(cast.acme.id):
        staff = cast.staff_principal()
        services.prove_by_staff(actor=staff, domain="ACME.example", reason="Shown on paper")
        for _ in range(5):
            clock.shift(timedelta(days=1))
            assert check(row).status == "proven"
        assert not EmailDomain.objects.due(NOW + timedelta(days=365)).exists()
    assert events_of(row)[-1] == ("email_domain.proven", "done", {"how": "staff", "reason": "Shown on paper"})


def test_each_is_looked_up_when_it_is_due(cast, zone, asked):
    with time_machine.travel(NOW, tick=False) as clock:
        young, found, unsure, lost = (
            register(cast, f"{name}.example") for name in ("young", "found", "unsure", "lost")
        )
        zone.texts[found.txt_name] = [found.txt_value]
        assert recheck_due() == 4, "at once"
        for row in (young, found, unsure, lost):
            check(row)
        with tenant_scope(cast.acme.id):
            EmailDomain.objects.filter(id=unsure.id).update(status="proven", misses=1, failure="x")
            EmailDomain.objects.filter(id=lost.id).update(status="lost")
        asked.clear()

        def due_after(**time):
            clock.move_to(NOW + timedelta(**time))
            asked.clear()
            recheck_due()
            return {arguments[0] for _, *arguments in asked}

        ids = {row.domain.partition(".")[0]: str(row.id) for row in (young, found, unsure, lost)}
        assert due_after(minutes=4) == set()
        assert due_after(minutes=5) == {ids["young"]}
        assert due_after(hours=1) == {ids["young"], ids["unsure"], ids["lost"]}
        assert due_after(hours=24) == set(ids.values())
        with tenant_scope(cast.acme.id):
            EmailDomain.objects.update(checked_at=NOW + timedelta(days=4))
        assert ids["young"] not in due_after(days=4, hours=5)
        assert ids["young"] in due_after(days=4, hours=6)


def test_the_job_of_one_says_what_became_of_it(cast, zone):
    mine, theirs = register(cast), register(cast, organization=cast.globex)
    zone.texts[mine.txt_name] = [mine.txt_value, theirs.txt_value]
    with tenant_scope(cast.acme.id):
        assert recheck(mine.id) == "proven"
        assert recheck(mine.id) == "not due"
    with tenant_scope(cast.globex.id):
        assert recheck(theirs.id) == "taken"
        assert recheck(mine.id) == "not due", "another organization's"
    assert len(zone.asked) == 2


def test_who_proves_it_first_has_it_and_the_second_is_told_so(cast, zone):
    mine, theirs = register(cast), register(cast, organization=cast.globex)
    zone.texts[mine.txt_name] = [mine.txt_value, theirs.txt_value]
    assert check(mine).status == "proven"
    for _ in range(2):
        with pytest.raises(Conflict, match="Another organization has proven this domain") as refused:
            check(theirs)
        assert refused.value.code == "email_domain_taken"
    row = current(theirs)
    assert (row.status, row.proven_at) == ("pending", None)
    assert row.failure.startswith("Another organization")
    assert [(name, result) for name, result, _ in events_of(theirs)] == [
        ("email_domain.registered", "done"),
        ("email_domain.proven", "refused"),
    ]
    with pytest.raises(Conflict), tenant_scope(cast.globex.id):
        services.prove_by_staff(actor=cast.staff_principal(), domain="acme.example", reason="They said so")
    with tenant_scope(cast.acme.id):
        services.remove_email_domain(actor=SYSTEM, email_domain=mine.public_id)
    assert check(theirs).status == "proven", "free again"


def test_of_two_organizations_that_prove_it_at_once_one_has_it(committed_cast, zone):
    cast = committed_cast
    rows = [register(cast), register(cast, organization=cast.globex)]
    zone.texts[rows[0].txt_name] = [row.txt_value for row in rows]
    barrier = Barrier(2, timeout=10)
    zone.while_asked = barrier.wait  # both have their answer before either writes

    def run(row):
        try:
            return check(row).status
        except Conflict as error:
            return error.code

    found = at_once([lambda row=row: run(row) for row in rows])
    assert sorted(found) == ["email_domain_taken", "proven"]
    assert sorted(current(row).status for row in rows) == ["pending", "proven"]


def test_the_dns_is_never_asked_inside_a_transaction(committed_cast, zone):
    row = register(committed_cast)
    waiting = []

    def look():
        with owner_connection(connection.settings_dict["NAME"]) as owner:
            sql = "SELECT count(*) FROM pg_stat_activity WHERE datname = %s AND state LIKE 'idle in transaction%%'"
            waiting.append(owner.execute(sql, [connection.settings_dict["NAME"]]).fetchone()[0])

    zone.while_asked = look
    with tenant_scope(row.org_id):
        assert recheck(row.id) == "pending"
    assert waiting == [0]


def test_a_domain_removed_while_the_dns_was_asked_stays_removed(committed_cast, zone):
    cast = committed_cast
    row = register(cast)
    zone.texts[row.txt_name] = [row.txt_value]

    def remove():
        try:
            with tenant_scope(cast.acme.id):
                services.remove_email_domain(actor=SYSTEM, email_domain=row.public_id)
        finally:
            connection.close()

    zone.while_asked = remove
    with pytest.raises(Absent):
        check(row)
    assert [name for name, *_ in events_of(row)] == ["email_domain.registered", "email_domain.removed"]


@pytest.mark.parametrize(
    ("typed", "kept"),
    [
        ("Acme.EXAMPLE", "acme.example"),
        (" @acme.example. ", "acme.example"),
        ("Bücher.example", "xn--bcher-kva.example"),
        ("straße.example", "xn--strae-oqa.example"),
        ("例え.jp", "xn--r8jz45g.jp"),
        ("mail.acme.example", "mail.acme.example"),
        ("acme.co.uk", "acme.co.uk"),
    ],
)
def test_a_domain_is_kept_as_the_dns_writes_it_and_found_by_every_spelling_of_an_address(cast, zone, typed, kept):
    row = proven(cast, zone, typed)
    assert row.domain == kept
    assert zone.asked == [f"_tenantry.{kept}"]
    spelled = typed.strip(" @.")
    for address in (
        f"ann@{spelled}",
        f"Ann@{spelled.upper()}" if "ß" not in spelled else f"Ann@{spelled}",
        f"a@{kept}",
    ):
        assert domain_of(address) == kept


@pytest.mark.parametrize(
    "typed",
    [
        "", "x", "com", "co.uk", "github.io", "gmail.com", "GMAIL.com", "googlemail.com", "outlook.com", "yahoo.co.uk",
        "gmx.de", "mail.gmx.net", "127.0.0.1", "[::1]", "*.acme.example", "ann@acme.example", "https://acme.example/",
        "acme..example", "-acme.example", "acme_x.example", "acme.example:25", "a" * 64 + ".example",
        "x." * 130 + "example",
        "xn--zz-.example", "xn--ls8h.example", "acme .example", "acme\u2024example", "acme\u0000.example",
    ],
)  # fmt: skip
def test_what_no_organization_can_have_is_refused(cast, typed):
    before = everything()
    with pytest.raises(Invalid) as refused:
        register(cast, typed)
    assert list(refused.value.errors) == ["domain"]
    assert everything() == before


def test_nobody_registers_a_domain_twice_or_one_that_is_anothers_or_too_many(cast, zone, monkeypatch):
    proven(cast, zone)
    for organization, code in ((cast.acme, "email_domain_registered"), (cast.globex, "email_domain_taken")):
        before = everything()
        with pytest.raises(Conflict) as refused:
            register(cast, "ACME.example", organization)
        assert refused.value.code == code
        assert everything() == before
    monkeypatch.setattr(services, "MOST_DOMAINS", 1)
    with pytest.raises(Conflict) as refused:
        register(cast, "acme.test")
    assert refused.value.code == "too_many_email_domains"


def test_the_same_domain_registered_twice_at_once_is_there_once(committed_cast):
    cast = committed_cast

    def run():
        try:
            return register(cast).status
        except Conflict as error:
            return error.code

    assert sorted(at_once([run, run, run])) == ["email_domain_registered"] * 2 + ["pending"]


def used(cast, row, *, enforcement="required"):
    """People who came in by it, and a policy that rests on it."""
    guest, other = person("guest@elsewhere.example"), person("other@sub.acme.example")
    EmailAddress.objects.create(user=guest, email="guest@acme.example", verified=True)
    with tenant_scope(cast.acme.id):
        Membership.objects.create(user=guest, role="viewer")
        Membership.objects.create(user=other, role="viewer")
        SsoSignIn.objects.create(user=cast.viewer, connection_id=row.id, subject="s", last_at=NOW)
        SignInPolicy.objects.create(enforcement=enforcement, required_from=NOW)


def test_a_domain_in_use_is_not_removed_without_its_name(cast, zone, asked):
    row = proven(cast, zone)
    used(cast, row)
    for confirmation in (None, "", "yes", "example"):
        before = everything()
        with pytest.raises(Conflict) as refused, tenant_scope(cast.acme.id):
            services.remove_email_domain(
                actor=cast.principal(cast.owner), email_domain=row.public_id, confirmation=confirmation
            )
        assert refused.value.code == "email_domain_in_use"
        assert refused.value.extra | {"people": 5, "people_by_sso": 1, "enforcement": "required"} == refused.value.extra
        assert everything() == before
    assert not asked
    with tenant_scope(cast.acme.id):
        services.remove_email_domain(
            actor=cast.principal(cast.owner), email_domain=row.public_id, confirmation=" Acme.example"
        )
        assert not EmailDomain.objects.exists()
    assert {(name, what) for name, _, what, _ in asked} == {("orgs.mail_email_domain", "removed")}
    assert len(asked) == 2
    assert events_of(row)[-1] == (
        "email_domain.removed", "done", {"status": "proven", "people": 5, "enforcement": "required"}
    )  # fmt: skip


def test_nothing_rests_on_a_domain_that_never_was_proven(cast, zone, asked):
    row = register(cast)
    used(cast, row)
    with tenant_scope(cast.acme.id):
        assert consequences_of_losing(row).people == 0
        services.remove_email_domain(actor=SYSTEM, email_domain=row.public_id)
    assert not asked


def test_members_are_counted_by_every_spelling_of_their_domain(cast, zone):
    row = proven(cast, zone, "bücher.example")
    people = [person(address) for address in ("ann@bücher.example", "ben@xn--bcher-kva.example")]
    with tenant_scope(cast.acme.id):
        for user in people:
            Membership.objects.create(user=user, role="viewer")
        assert consequences_of_losing(row).people == 2


@pytest.mark.parametrize(
    ("what", "enforcement", "words"),
    [
        ("lost", "off", ["is gone from the DNS", "an hour later at most"]),
        ("lost", "required", ["is gone from the DNS", "Single sign-on is enforced: it no longer holds"]),
        ("removed", "pilot", ["Somebody removed", "Single sign-on is enforced", "register and prove it again"]),
    ],
)
def test_the_mail_says_what_happened_and_what_to_do(cast, settings, what, enforcement, words):
    settings.EMAIL_BACKEND = "django.core.mail.backends.locmem.EmailBackend"
    with tenant_scope(cast.acme.id):
        SignInPolicy.objects.create(enforcement=enforcement, required_from=NOW)
        assert mail_email_domain("acme.example", what, cast.admin.id) == "sent"
        assert mail_email_domain("acme.example", what, cast.viewer.id) == "gone"
        assert mail_email_domain("acme.example", what, cast.outsider.id) == "gone"
    (message,) = mail.outbox
    assert message.to == [cast.admin.email]
    html = str(message.alternatives[0][0])
    for text in words:
        assert text in " ".join(message.body.split())
        assert text in " ".join(html.split())
    assert "/orgs/acme/sign-in/domains/" in message.body


@pytest.fixture
def asked(monkeypatch):
    """What was handed to the queue, as names and arguments of tasks."""
    found = []
    for module in ("orgs.services.email_domains", "orgs.rechecking"):
        monkeypatch.setattr(f"{module}.enqueue", lambda name, *arguments: found.append((name, *arguments)))
    return found
