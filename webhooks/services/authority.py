"""Who may change endpoints, judged on the rows as they are now, and the rows themselves, locked."""

from uuid import UUID

from config.kernel.errors import Absent, Conflict, Forbidden
from config.kernel.permissions import Permission
from config.kernel.principals import Principal
from orgs.services.authority import permissions_of
from projects.models import Project
from webhooks.models import Delivery, Endpoint


def require_webhook_manager(actor: Principal) -> None:
    """Raises Forbidden when the actor lost manage_webhooks while the request was on its way."""
    if Permission.MANAGE_WEBHOOKS not in permissions_of(actor):
        raise Forbidden("You may no longer manage the webhooks of this organization.")


def locked_endpoint(endpoint_id: UUID) -> Endpoint:
    """An endpoint of the organization in scope, locked; always before its deliveries. Raises Absent."""
    endpoint = Endpoint.objects.select_for_update().filter(id=endpoint_id).first()
    if endpoint is None:
        raise Absent
    return endpoint


def locked_delivery(delivery_id: UUID) -> Delivery:
    """A delivery of the organization in scope, locked with its endpoint. Raises Absent."""
    found = Delivery.objects.filter(id=delivery_id).values_list("endpoint_id", flat=True).first()
    if found is None:
        raise Absent
    endpoint = locked_endpoint(found)
    delivery = Delivery.objects.select_for_update().filter(id=delivery_id).first()
    if delivery is None:
        raise Absent
    delivery.endpoint = endpoint
    return delivery


def project_for(project_id: UUID) -> Project:
    """The project that an endpoint is to be narrowed to. Raises Absent, Conflict for an archived one, in which nothing
    happens any more.

    Not asked is whether the actor may see it: who manages webhooks may have the events of every project.
    """
    project = Project.objects.filter(id=project_id).first()
    if project is None:
        raise Absent
    if not project.is_active:
        raise Conflict("The project is archived: restore it first, or choose another one.", code="project_archived")
    return project
