"""What the worker does with usage: mails warnings once, forgets old events and keeps their counts."""

from datetime import UTC, date, datetime, timedelta

import pytest
import time_machine
from django.core import mail
from django.utils import timezone

from audit.models import first_id_at
from config.kernel.tenancy.scope import tenant_scope
from keys.tracking.events import Event
from keys.tracking.intake import track
from keys.tracking.writing import Source
from orgs.models import CustomRole, Membership
from projects.mail import announce_usage_warnings, mail_usage_warning
from projects.models import TrackedEvent, UsageDay, UsageMonth
from projects.tasks import forget_events
from tests.cast import person

NOW = datetime(2031, 5, 20, 12, tzinfo=UTC)


@pytest.fixture
def asked(monkeypatch):
    """The mails that were handed to the queue, as the arguments of their tasks."""
    found = []
    monkeypatch.setattr("projects.mail.enqueue", lambda name, *arguments: found.append((name, arguments)))
    return found


@pytest.fixture
def month(cast):
    """May, of which 80 % are used."""
    with tenant_scope(cast.acme.id):
        return UsageMonth.objects.create(month=date(2031, 5, 1), count=8000, warned_80_at=NOW)


def test_a_warning_goes_once_to_everybody_who_manages_billing(cast, month, asked):
    ann, gone = person("ann@acme.example"), person("gone@acme.example")
    gone.is_active = False
    gone.save()
    with tenant_scope(cast.acme.id):
        role = CustomRole.objects.create(name="Accountant", permissions=["manage_billing", "view_org"])
        Membership.objects.create(user=ann, role="custom", custom_role=role)
        Membership.objects.create(user=gone, role="admin")
    assert announce_usage_warnings() == 3
    assert announce_usage_warnings() == 0
    assert {arguments[2] for _, arguments in asked} == {str(cast.owner.id), str(cast.admin.id), str(ann.id)}
    assert {(name, arguments[:2]) for name, arguments in asked} == {
        ("projects.mail_usage_warning", (str(month.id), "80"))
    }


def test_the_second_threshold_is_another_warning(cast, month, asked):
    announce_usage_warnings()
    asked.clear()
    with tenant_scope(cast.acme.id):
        UsageMonth.objects.update(warned_100_at=NOW)
    assert announce_usage_warnings() == 2
    assert {arguments[1] for _, arguments in asked} == {"100"}
    assert announce_usage_warnings() == 0


@pytest.mark.parametrize(
    ("percent", "expected"),
    [
        (80, ("Acme: 80 % of this month's events are used up", "8000 of 10000 events in May 2031")),
        (100, ("Acme: All events of this month are used up", "are refused with status 429 until 1 June 2031")),
    ],
)
def test_the_mail_says_what_is_used_and_what_will_happen(cast, month, settings, percent, expected):
    subject, words = expected
    settings.EMAIL_BACKEND = "django.core.mail.backends.locmem.EmailBackend"
    with tenant_scope(cast.acme.id):
        assert mail_usage_warning(month.id, percent, cast.owner.id) == "sent"
    (message,) = mail.outbox
    assert (message.to, message.subject) == ([cast.owner.email], subject)
    html = str(message.alternatives[0][0])
    for text in (message.body, html):
        assert words in text
        assert "http://127.0.0.1:8000/orgs/acme/usage/" in text


@pytest.mark.parametrize("who", ["developer", "viewer", "outsider"])
def test_nobody_else_is_told_not_even_if_asked_for(cast, month, who):
    with tenant_scope(cast.acme.id):
        assert mail_usage_warning(month.id, 80, getattr(cast, who).id) == "gone"
    with tenant_scope(cast.globex.id):
        assert mail_usage_warning(month.id, 80, cast.outsider.id) == "gone"


def test_crossing_the_threshold_leads_to_the_mail(cast, asked, monkeypatch):
    with time_machine.travel(NOW, tick=False):
        with tenant_scope(cast.acme.id):
            UsageMonth.objects.create(month=date(2031, 5, 1), count=7999)
        source = Source(cast.acme.id, cast.project.id, cast.key.public_id)
        track(source=source, events=[Event("x")])
        track(source=source, events=[Event("x")])
        assert announce_usage_warnings() == 2  # the owner and the admin


def test_old_events_are_forgotten_and_their_counts_stay(cast, settings, monkeypatch):
    monkeypatch.setattr("projects.tidying.AT_ONCE", 2)
    settings.TENANTRY_USAGE_EVENT_DAYS = 35
    now = timezone.now()
    for organization, project in ((cast.acme, cast.project), (cast.globex, cast.foreign_project)):
        with tenant_scope(organization.id):
            for number, days in enumerate((34, 36, 37, 400)):
                moment = now - timedelta(days=days)
                TrackedEvent.objects.create(
                    id=first_id_at(moment + timedelta(milliseconds=number + organization.id.int % 100_000)),
                    project_id=project.id, key="key_x", event_id=f"e{days}", name="x", occurred_at=moment,
                )  # fmt: skip
                UsageDay.objects.create(project=project, day=moment.date(), key="key_x", name="x", count=1)
    assert forget_events() == "forgot 6"
    assert forget_events() == "forgot 0"
    for organization in (cast.acme, cast.globex):
        with tenant_scope(organization.id):
            assert [event.event_id for event in TrackedEvent.objects.all()] == ["e34"]
            assert UsageDay.objects.all().total() == 4
