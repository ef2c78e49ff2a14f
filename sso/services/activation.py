"""A configuration goes live when a test of it passed. Until then the one before stays in force."""

from uuid import UUID

from django.db import transaction
from django.utils import timezone

from audit.services import record
from config.kernel.errors import Absent, Conflict
from config.kernel.principals import Principal
from sso import events
from sso.models import Configuration
from sso.services.authority import locked_connection, require_sso_manager
from sso.services.targets import connection_target


@transaction.atomic
def activate_configuration(*, actor: Principal, configuration_id: UUID) -> Configuration:
    """Notes that a test of a configuration passed. A draft takes the live one's place, which is retired.

    Call it with whoever ran the test. Raises Absent, Forbidden when they lost manage_sso meanwhile, and Conflict when
    the configuration was replaced while it was tested.
    """
    found = Configuration.objects.filter(id=configuration_id).first()
    if found is None:
        raise Absent
    connection = locked_connection(found.connection_id)
    require_sso_manager(actor)
    configuration = Configuration.objects.select_for_update().filter(id=configuration_id).first()
    if configuration is None or configuration.state == Configuration.State.RETIRED:
        raise Conflict(
            "This configuration was replaced while it was tested: test the new one.", code="configuration_replaced"
        )
    configuration.tested_at = timezone.now()
    if configuration.state == Configuration.State.LIVE:
        configuration.save(update_fields=["tested_at"])  # updated_at tells since when it has been live
        return configuration
    before = Configuration.objects.filter(connection=connection, state=Configuration.State.LIVE).first()
    if before is not None:
        before.state = Configuration.State.RETIRED
        before.save(update_fields=["state", "updated_at"])
    configuration.state = Configuration.State.LIVE
    configuration.save(update_fields=["state", "tested_at", "updated_at"])
    record(
        events.CONFIGURATION_ACTIVATED,
        actor=actor,
        target=connection_target(connection),
        data={"number": configuration.number, "before": before.number if before else None},
    )
    return configuration
