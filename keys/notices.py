"""Giving notice of keys, organization by organization."""

import structlog
from django.db import DatabaseError

from config.kernel.tenancy.scope import system_scope, tenant_scope
from keys.models import Key
from keys.services.notices import give_notice
from orgs.models import Organization

logger = structlog.get_logger()


def give_all_notices() -> int:
    """Gives notice in every active organization that has a key to tell of. One that fails does not stop the others.

    Returns how many keys.
    """
    with system_scope("keys to give notice of"):
        due = set(Key.objects.to_notice_of_end().order_by().values_list("org_id", flat=True))
        due |= set(Key.objects.to_notice_of_disuse().order_by().values_list("org_id", flat=True))
    active = Organization.objects.filter(id__in=due, status=Organization.Status.ACTIVE)
    noticed = 0
    for organization_id in active.order_by("id").values_list("id", flat=True):
        try:
            with tenant_scope(organization_id):
                noticed += give_notice()
        except (DatabaseError, OSError):
            logger.exception("notices of keys could not be given", organization_id=str(organization_id))
    return noticed
