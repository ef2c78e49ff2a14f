"""Telling people of connections that need them: certificates that end, metadata that cannot be read."""

from datetime import timedelta
from uuid import UUID

import structlog
from django.conf import settings
from django.db import DatabaseError
from django.urls import reverse
from django.utils import timezone

from config.kernel.permissions import Permission
from config.kernel.tenancy.scope import system_scope, tenant_scope
from orgs.mail import send
from orgs.models import Membership, Organization
from sso.models import Certificate, Configuration
from sso.services.metadata import THRESHOLDS, last_certificate, warn_of_certificates

logger = structlog.get_logger()


def warn_everywhere() -> int:
    """Warns in every active organization that has a certificate to tell of. One that fails does not stop the others.

    Returns of how many connections.
    """
    soon = timezone.now() + timedelta(days=max(THRESHOLDS))
    with system_scope("certificates of identity providers that end soon"):
        ending = Certificate.objects.filter(not_after__lte=soon, configuration__state=Configuration.State.LIVE)
        due = set(ending.order_by().values_list("org_id", flat=True).distinct())
    active = Organization.objects.filter(id__in=due, status=Organization.Status.ACTIVE)
    warned = 0
    for organization_id in active.order_by("id").values_list("id", flat=True):
        try:
            with tenant_scope(organization_id):
                warned += warn_of_certificates()
        except (DatabaseError, OSError):
            logger.exception("warnings of certificates could not be given", organization_id=str(organization_id))
    return warned


def mail_connection(configuration_id: UUID, what: str, user_id: UUID) -> str:
    """Tells one person in scope of a `certificate` that ends or of `metadata` that cannot be read.

    Returns `sent`, or `gone` for who no longer manages sign-in and for what has been put right meanwhile.
    """
    membership = Membership.objects.holding(Permission.MANAGE_SSO).of_user(user_id).first()
    configuration = (
        Configuration.objects.filter(id=configuration_id, state=Configuration.State.LIVE)
        .select_related("connection")
        .prefetch_related("certificates")
        .first()
    )
    if membership is None or configuration is None:
        return "gone"
    certificate = last_certificate(configuration)
    if (what == "metadata" and not configuration.metadata_failure) or (what == "certificate" and certificate is None):
        return "gone"
    organization = Organization.objects.get(id=membership.org_id)
    connection = configuration.connection
    context = {
        "organization": organization,
        "connection": connection,
        "configuration": configuration,
        "certificate": certificate,
        "is_over": certificate is not None and certificate.not_after <= timezone.now(),
        "link": settings.TENANTRY_URL + reverse("sso:connection", args=[organization.slug, connection.public_id]),
    }
    if what == "metadata":
        subject = f"{organization.name}: the metadata of {connection.name} cannot be used"
    else:
        words = "has ended" if context["is_over"] else "ends soon"
        subject = f"{organization.name}: the certificate of {connection.name} {words}"
    send(to=membership.user.email, subject=subject, template=f"connection_{what}", context=context)
    return "sent"
