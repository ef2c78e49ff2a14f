"""Metadata that are read again, certificates that end, lines that are forgotten: the jobs, with a moved clock."""

from datetime import UTC, datetime, timedelta

import pytest
import time_machine
from django.core import mail
from django.utils import timezone

from audit.models import AuditEvent
from config.kernel.identifiers import public_id
from config.kernel.principals import SYSTEM
from config.kernel.tenancy.scope import tenant_scope
from orgs.models import CustomRole, Membership, Organization
from sso import tasks
from sso.models import Certificate, Configuration, Connection, ConnectionLogEntry, UsedAssertion
from sso.providers import provider_of
from sso.services.connections import create_connection, update_connection
from tests.sso.providers import ENTITY_ID, certificate, documents, metadata


@pytest.fixture
def idp():
    with documents() as server:
        yield server


def connected(cast, given, *, enabled=True):
    with tenant_scope(cast.acme.id):
        made = create_connection(
            actor=cast.principal(cast.owner), name="ADFS", provider=provider_of("saml", given), enabled=enabled
        )
        return Configuration.objects.get(connection=made)


def refreshed(cast, configuration, *, after=timedelta(days=1, minutes=1)):
    """What the task of one configuration answers some time later."""
    with time_machine.travel(timezone.now() + after), tenant_scope(cast.acme.id):
        return tasks.refresh_metadata(str(configuration.id))


def fingerprints(configuration):
    return set(Certificate.objects.filter(configuration=configuration).values_list("fingerprint", flat=True))


def events(name):
    return list(AuditEvent.objects.filter(event=name).order_by("id").values_list("data", flat=True))


def test_a_new_certificate_joins_the_old_one_which_goes_when_the_metadata_no_longer_name_it(cast, idp):
    old, new = certificate(1), certificate(2)
    idp.documents["/metadata"] = (200, metadata(old))
    configuration = connected(cast, {"metadata_url": f"{idp.url}/metadata"})
    assert refreshed(cast, configuration) == "same"
    idp.documents["/metadata"] = (200, metadata(old, new))
    assert refreshed(cast, configuration, after=timedelta(days=3)) == "changed"
    with tenant_scope(cast.acme.id):
        both = fingerprints(configuration)
    assert len(both) == 2
    idp.documents["/metadata"] = (200, metadata(new))
    assert refreshed(cast, configuration, after=timedelta(days=5)) == "changed"
    with tenant_scope(cast.acme.id):
        (left,) = fingerprints(configuration)
        assert left in both
        first, second = events("sso_connection.certificates_refreshed")
        assert (first["added"], first["removed"]) == ([left], [])
        assert (second["added"], second["removed"]) == ([], sorted(both - {left}))
        assert Configuration.objects.get(id=configuration.id).updated_at == configuration.updated_at


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        ((503, "later"), "status 503"),
        ((200, "<html>Sign in</html>"), "no SAML metadata"),
        ((200, '<!DOCTYPE x SYSTEM "file:///etc/passwd"><x/>'), "document type"),
        ((200, metadata(certificate(1), entity_id="https://other.example")), f"identity provider {ENTITY_ID}"),
        ((200, metadata(certificate(1, days=-1))), "has ended"),
        ((302, "/elsewhere"), "redirects are not followed"),
    ],
)  # fmt: skip
def test_metadata_that_cannot_be_read_leave_the_certificates_and_are_reported_once(cast, idp, answer, words):
    good = metadata(certificate(1))
    idp.documents["/metadata"] = (200, good)
    configuration = connected(cast, {"metadata_url": f"{idp.url}/metadata"})
    with tenant_scope(cast.acme.id):
        before = fingerprints(configuration)
    idp.documents["/metadata"] = answer
    assert refreshed(cast, configuration) == "failed"
    assert refreshed(cast, configuration, after=timedelta(days=1, hours=5)) == "not due"
    assert refreshed(cast, configuration, after=timedelta(days=1, hours=7)) == "failed"
    with tenant_scope(cast.acme.id):
        assert fingerprints(configuration) == before
        lines = ConnectionLogEntry.objects.filter(outcome="metadata_failed", code="metadata_unreadable")
        assert [words in line.detail for line in lines] == [True, True]
        (event,) = events("sso_connection.metadata_failed")
        assert words in event["cause"]
        assert words in Configuration.objects.get(id=configuration.id).metadata_failure
    idp.documents["/metadata"] = (200, good)
    assert refreshed(cast, configuration, after=timedelta(days=2)) == "same"
    with tenant_scope(cast.acme.id):
        assert Configuration.objects.get(id=configuration.id).metadata_failure == ""


def test_another_address_for_signing_in_is_reported_and_not_taken(cast, idp):
    pem = certificate(1)
    idp.documents["/metadata"] = (200, metadata(pem))
    configuration = connected(cast, {"metadata_url": f"{idp.url}/metadata"})
    idp.documents["/metadata"] = (200, metadata(pem, sso_url="https://evil.example/sso"))
    assert refreshed(cast, configuration) == "same"
    with tenant_scope(cast.acme.id):
        row = Configuration.objects.get(id=configuration.id)
        assert row.sso_url == configuration.sso_url
        assert "https://evil.example/sso" in row.metadata_failure


def test_only_live_configurations_of_active_organizations_are_due_once_a_day(cast, idp):
    idp.documents["/metadata"] = (200, metadata(certificate(1)))
    connected(cast, {"metadata_url": f"{idp.url}/metadata"})
    with tenant_scope(cast.acme.id):
        create_connection(
            actor=SYSTEM, name="By hand", provider=provider_of("saml", {"metadata_xml": metadata(certificate(1))})
        )
    asked = len(idp.asked)
    with time_machine.travel(timezone.now() + timedelta(hours=23)):
        assert tasks.refresh_due_metadata() == "asked for 0"
    with time_machine.travel(timezone.now() + timedelta(hours=25)):
        assert tasks.refresh_due_metadata() == "asked for 1"
        Organization.objects.filter(id=cast.acme.id).update(status=Organization.Status.DISABLED)
        assert tasks.refresh_due_metadata() == "asked for 0"
    assert len(idp.asked) == asked, "the beat only asks; the worker calls"


START = datetime(2031, 3, 1, 12, tzinfo=UTC)


@pytest.fixture
def ending(cast):
    """A live connection whose only certificate ends 60 days from START."""
    with time_machine.travel(START, tick=False):
        pem = certificate(1, days=60)
        return connected(
            cast, {"entity_id": ENTITY_ID, "sso_url": "https://idp.acme.example/sso", "certificates": [pem]}
        )


def warned_at(days):
    """How many are warned of, some days after START."""
    with time_machine.travel(START + timedelta(days=days), tick=False):
        return tasks.warn_of_certificates()


def test_each_threshold_is_told_of_once(cast, ending):
    answers = {days: warned_at(days) for days in (0, 29, 29.9, 30.1, 31, 40, 53.1, 54, 59.1, 59.5, 61, 70)}
    assert [days for days, answer in answers.items() if answer == "warned of 1"] == [30.1, 53.1, 59.1]
    with tenant_scope(cast.acme.id):
        assert [event["days"] for event in events("sso_connection.certificate_expiring")] == [30, 7, 1]


def test_a_threshold_that_was_missed_is_not_made_up_for(cast, ending):
    assert (warned_at(58), warned_at(58.5), warned_at(59.5)) == ("warned of 1", "warned of 0", "warned of 1")
    with tenant_scope(cast.acme.id):
        assert [event["days"] for event in events("sso_connection.certificate_expiring")] == [7, 1]


def test_nobody_is_told_while_a_later_certificate_is_there_or_the_connection_rests(cast, ending):
    with tenant_scope(cast.acme.id):
        with time_machine.travel(START, tick=False):
            Certificate.objects.create(
                configuration=ending, pem="PEM", fingerprint="cd" * 32, not_before=START,
                not_after=START + timedelta(days=400),
            )  # fmt: skip
    assert warned_at(59.5) == "warned of 0"
    with tenant_scope(cast.acme.id):
        Certificate.objects.filter(fingerprint="cd" * 32).delete()
        update_connection(actor=SYSTEM, connection_id=ending.connection_id, enabled=False)
    assert warned_at(59.5) == "warned of 0"
    with tenant_scope(cast.acme.id):
        update_connection(actor=SYSTEM, connection_id=ending.connection_id, enabled=True)
    assert warned_at(59.5) == "warned of 1"


def test_whoever_manages_sign_in_gets_a_mail_in_text_and_html(cast, ending):
    with tenant_scope(cast.acme.id):
        role = CustomRole.objects.create(name="Identity", permissions=["manage_sso", "view_org"])
        Membership.objects.filter(user=cast.viewer).update(role="custom", custom_role=role)
    with time_machine.travel(START + timedelta(days=58), tick=False), tenant_scope(cast.acme.id):
        people = (cast.owner, cast.admin, cast.viewer, cast.developer, cast.outsider)
        outcomes = [tasks.mail_connection(str(ending.id), "certificate", str(user.id)) for user in people]
        assert outcomes == ["sent", "sent", "sent", "gone", "gone"]
        assert tasks.mail_connection(str(ending.id), "metadata", str(cast.owner.id)) == "gone"
    assert sorted(message.to[0] for message in mail.outbox) == sorted(
        [cast.owner.email, cast.admin.email, cast.viewer.email]
    )
    message = mail.outbox[0]
    assert message.subject == "Acme: the certificate of ADFS ends soon"
    html = message.alternatives[0][0]
    for text in (message.body, html):
        assert "30 April 2031" in text
        assert f"http://127.0.0.1:8000/orgs/acme/sign-in/connections/{public_id('con', ending.connection_id)}/" in text


def test_the_mail_of_metadata_names_the_cause_and_is_gone_once_they_can_be_read(cast, ending):
    with tenant_scope(cast.acme.id):
        Configuration.objects.filter(id=ending.id).update(metadata_failure="It answered with <status> 503.")
        assert tasks.mail_connection(str(ending.id), "metadata", str(cast.owner.id)) == "sent"
        Configuration.objects.filter(id=ending.id).update(metadata_failure="")
        assert tasks.mail_connection(str(ending.id), "metadata", str(cast.owner.id)) == "gone"
    (message,) = mail.outbox
    assert "answered with <status> 503" in message.body
    assert "answered with &lt;status&gt; 503" in message.alternatives[0][0]


def test_lines_of_90_days_and_assertions_that_ended_are_forgotten(cast, ending):
    with tenant_scope(cast.acme.id):
        connection = Connection.objects.get()
        for days in (0, 91):
            line = ConnectionLogEntry.objects.create(
                connection=connection, configuration_number=1, outcome="refused", detail=str(days)
            )
            ConnectionLogEntry.objects.filter(id=line.id).update(created_at=timezone.now() - timedelta(days=days))
        for hours in (-1, 1):
            UsedAssertion.objects.create(
                digest=bytes([hours % 256]) * 32, expires_at=timezone.now() + timedelta(hours=hours)
            )
    assert tasks.tidy() == "forgot 2"
    with tenant_scope(cast.acme.id):
        assert [line.detail for line in ConnectionLogEntry.objects.all()] == ["0"]
        assert UsedAssertion.objects.get().expires_at > timezone.now()
