"""What has to happen to enforcement of single sign-on as time passes, organization by organization."""

import structlog
from django.db import DatabaseError
from django.utils import timezone

from config.kernel.tenancy.scope import system_scope, tenant_scope
from orgs.models import SignInPolicy
from orgs.services.sign_in_policies import remind, roll_back

logger = structlog.get_logger()


def tend_enforcement() -> tuple[int, int]:
    """Ends what let no owner or admin in for an hour, and reminds of what takes effect soon.

    One that fails does not stop the others. Returns how many organizations were rolled back and how many reminded.
    """
    now = timezone.now()
    with system_scope("enforcement of single sign-on that is due"):
        over = list(SignInPolicy.objects.to_roll_back(now).order_by("org_id").values_list("org_id", flat=True))
        soon = list(SignInPolicy.objects.to_remind_of(now).order_by("org_id").values_list("org_id", flat=True))
    counts = [0, 0]
    for position, (organization_ids, step) in enumerate(((over, roll_back), (soon, remind))):
        for organization_id in organization_ids:
            try:
                with tenant_scope(organization_id):
                    counts[position] += step()
            except (DatabaseError, OSError):
                logger.exception("enforcement could not be tended", organization_id=str(organization_id))
    return counts[0], counts[1]
