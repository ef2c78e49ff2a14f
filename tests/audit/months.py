"""Logs with old months, and what drops them."""

from datetime import UTC, datetime, timedelta
from uuid import UUID

from django.db import connection, transaction
from django.test import override_settings

from audit.models import AuditEvent, first_id_at
from audit.tasks import drop_expired
from config.kernel.tenancy.models import new_id
from config.kernel.tenancy.scope import tenant_scope
from orgs import plans
from orgs.retention import kept_days
from tests.audit.test_sealing import seal_everything, write
from tests.cast import Cast
from tests.database import owner_connection


def month_before(count: int) -> datetime:
    """The first moment of the month so many before this one."""
    now = datetime.now(UTC)
    months = now.year * 12 + now.month - 1 - count
    return datetime(months // 12, months % 12 + 1, 1, tzinfo=UTC)


OLD, NEXT = month_before(8), month_before(7)


def name_of(month: datetime) -> str:
    return f"audit_event_{month:%Y_%m}"


def write_at(organization: UUID, moment: datetime, count: int = 1) -> list[UUID]:
    """Records that were made then."""
    with tenant_scope(organization), transaction.atomic():
        return [
            AuditEvent.objects.create(
                id=UUID(int=first_id_at(moment).int | new_id().int & (1 << 62) - 1 | 7 << 76 | 2 << 62),
                event="project.restored",
                actor_kind="system",
            ).id
            for _ in range(count)
        ]


def tell_database() -> None:
    """As migrate does, with the settings in force."""
    plans.plans.cache_clear()
    with owner_connection(connection.settings_dict["NAME"]) as owner:
        owner.execute(kept_days())


def drop_directly(month: datetime) -> None:
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("SELECT audit_drop_partition(%s)", [month])


class shorter(override_settings):  # noqa: N801 - reads like a function
    """Other retention, said to the database as migrate does."""

    def __init__(self, installation: int, **days: int | None) -> None:
        super().__init__(
            TENANTRY_INSTALLATION_AUDIT_DAYS=installation,
            TENANTRY_PLANS={plan: {"audit_days": count} for plan, count in days.items()},
        )

    def enable(self) -> None:
        super().enable()
        tell_database()

    def disable(self) -> None:
        super().disable()
        tell_database()


def dropped_by(months: Cast) -> None:
    with shorter(installation=100):
        assert drop_expired() == "dropped 2"


def late_one_dropped(months: Cast) -> None:
    """Number 11 of Acme was sealed late, and dropped with its month."""
    write_at(months.acme.id, OLD + timedelta(days=20))
    seal_everything()
    write(months.acme.id, 2)
    seal_everything()
    dropped_by(months)
