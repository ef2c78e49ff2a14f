"""Reading the metadata of identity providers again, each once a day; after a failure sooner."""

from datetime import timedelta
from uuid import UUID

from django.db.models import Q
from django.utils import timezone

from config.kernel.errors import Invalid
from config.kernel.tasks import enqueue
from config.kernel.tenancy.scope import system_scope, tenant_scope
from orgs.models import Organization
from sso.models import Configuration
from sso.providers import metadata_at
from sso.services.metadata import note_metadata, note_metadata_failure

EVERY = timedelta(days=1)
AFTER_FAILURE = timedelta(hours=6)
AT_ONCE = 500


def _due() -> Q:
    now = timezone.now()
    tried_before = Q(metadata_tried_at__isnull=True) | Q(metadata_tried_at__lte=now - EVERY)
    failed_before = ~Q(metadata_failure="") & Q(metadata_tried_at__lte=now - AFTER_FAILURE)
    return Q(state=Configuration.State.LIVE) & ~Q(metadata_url="") & (tried_before | failed_before)


def refresh_due() -> int:
    """Hands the configurations whose metadata are due to the queue, the longest waiting first. Returns how many.

    Those of inactive organizations wait, and must not wait in front of the others.
    """
    active = Organization.objects.filter(status=Organization.Status.ACTIVE).values("id")
    with system_scope("metadata of identity providers that are due to be read"):
        due = Configuration.objects.filter(_due(), org_id__in=active).order_by("metadata_tried_at")
        rows = list(due.values_list("org_id", "id")[:AT_ONCE])
    for organization_id, configuration_id in rows:
        with tenant_scope(organization_id):
            enqueue("sso.refresh_metadata", str(configuration_id))
    return len(rows)


def refresh(configuration_id: UUID) -> str:
    """Reads the metadata of one configuration in scope, outside of any transaction, and takes them over.

    Returns `changed`, `same`, `failed`, `not due` or `gone`; one that was read while this waited is not due any more.
    """
    configuration = Configuration.objects.filter(_due(), id=configuration_id).first()
    if configuration is None:
        return "not due"
    try:
        found = metadata_at(configuration.metadata_url, entity_id=configuration.entity_id)
    except Invalid as error:
        return note_metadata_failure(configuration_id=configuration_id, cause=error.detail)
    return note_metadata(configuration_id=configuration_id, found=found)
