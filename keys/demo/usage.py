"""Believable usage of the last weeks: more on workdays than on weekends, more lately than before."""

import random
from datetime import date, timedelta
from uuid import uuid4

from django.utils import timezone

from audit.services import Target, record
from config.kernel.principals import SYSTEM
from keys.models import Key
from keys.tracking.events import Event
from keys.tracking.intake import track
from keys.tracking.writing import Source
from orgs.models import Organization
from orgs.plans import plan_of
from projects.events import USAGE_WARNED
from projects.models import Project, UsageDay, UsageMonth
from projects.models.usage import next_month

WEEKS = 9
WEEKEND = 0.35
# By slug of the project: what servers and browsers track, and about how often on a workday.
EVENTS = {
    "fleet-control": {"robot.connected": 9000, "mission.completed": 3200, "map.viewed": 4100},
    "arm-studio": {"program.simulated": 2600, "program.deployed": 340, "editor.opened": 1900},
    "route-planner": {"route.planned": 190, "route.changed": 60, "map.viewed": 110},
    "dock-scanner": {"pallet.scanned": 70, "label.printed": 25},
}
OF_BROWSERS = ("map.viewed", "editor.opened")
NEARLY = 80
MOST = 0.85  # of what the plan includes, so that there is room to try things


def ensure_usage(organization: Organization) -> None:
    """Makes usage of the organization in scope, unless it has any."""
    if UsageDay.objects.exists():
        return
    chance = random.Random(organization.slug)  # noqa: S311 - the same demo everywhere, nothing secret
    today = timezone.now().date()
    rows = []
    for project in Project.objects.active().order_by("id"):
        rows += _rows(project, today, chance, domain=f"{project.slug}.{organization.slug}.example")
    UsageDay.objects.bulk_create(rows)
    _count_months(organization, rows, today)
    _track_now(organization, chance)


def _rows(project: Project, today: date, chance: random.Random, *, domain: str) -> list[UsageDay]:
    live = Key.objects.of_project(project.id).usable().filter(mode=Key.Mode.LIVE).order_by("id")
    secret = live.filter(kind=Key.Kind.SECRET).last()
    publishable = live.filter(kind=Key.Kind.PUBLISHABLE).last()
    rows = []
    for age in range(WEEKS * 7):
        day = today - timedelta(days=age)
        rhythm = WEEKEND if day.isoweekday() in (6, 7) else 1.0
        growth = 1 - age / (WEEKS * 7) / 2
        for name, usual in EVENTS.get(project.slug, {}).items():
            key = publishable if name in OF_BROWSERS else secret
            if key is None:
                continue
            rows.append(
                UsageDay(
                    project=project,
                    day=day,
                    key=key.public_id,
                    domain=domain if name in OF_BROWSERS else "",
                    name=name,
                    count=max(1, round(usual * rhythm * growth * chance.uniform(0.8, 1.2))),
                )
            )
    return rows


def _count_months(organization: Organization, rows: list[UsageDay], today: date) -> None:
    """The months of those days. Who has used most of this month's events was warned of it."""
    limit, now = plan_of(organization.plan).events, timezone.now()
    for month in sorted({row.day.replace(day=1) for row in rows}):
        used = sum(row.count for row in rows if row.day.replace(day=1) == month)
        if limit is not None:
            used = min(used, int(limit * MOST))
        warned = now if limit is not None and used * 100 >= limit * NEARLY else None
        UsageMonth.objects.create(month=month, count=used, warned_80_at=warned, mailed_80_at=warned)
        if warned and month == today.replace(day=1):
            record(
                USAGE_WARNED,
                actor=SYSTEM,
                target=Target("organization", organization.public_id, organization.name),
                data={
                    "percent": NEARLY,
                    "month": f"{month:%Y-%m}",
                    "used": used,
                    "limit": limit,
                    "resets_on": next_month(month).isoformat(),
                },
            )


def _track_now(organization: Organization, chance: random.Random) -> None:
    """A few events as they come in."""
    live = Key.objects.usable().filter(kind=Key.Kind.SECRET, mode=Key.Mode.LIVE).select_related("project")
    for key in live.order_by("id"):
        names = [name for name in EVENTS.get(key.project.slug, {}) if name not in OF_BROWSERS]
        events = [
            Event(name, id=str(uuid4()), timestamp=timezone.now() - timedelta(minutes=chance.randrange(60)))
            for name in names
        ]
        if events:
            track(source=Source(organization.id, key.project_id, key.public_id), events=events)
