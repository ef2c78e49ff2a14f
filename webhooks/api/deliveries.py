"""Deliveries and their attempts."""

from rest_framework.request import Request
from rest_framework.response import Response

from config.kernel.access import organization
from config.kernel.api.operations import listing, operation
from config.kernel.api.serializers import PagedQuery
from config.kernel.api.views import ApiView
from config.kernel.errors import Absent, Conflict, RateLimited
from config.kernel.identifiers import required_id
from config.kernel.permissions import Permission
from webhooks.models import Attempt, Delivery
from webhooks.serializers.deliveries import AttemptRecord, DeliveryQuery, DeliveryRecord, WholeDeliveryRecord
from webhooks.services import deliveries as services

MANAGE = organization(Permission.MANAGE_WEBHOOKS)


def delivery_of(reference: str) -> Delivery:
    """The delivery of a public id. Raises Absent."""
    found = Delivery.objects.by_reference(reference)
    if found is None:
        raise Absent
    return found


class Deliveries(ApiView):
    """The deliveries of an organization."""

    access = {"GET": MANAGE}

    @listing("list_webhook_deliveries", DeliveryRecord, query=DeliveryQuery)
    def get(self, request: Request, organization: str) -> Response:
        """The deliveries, newest first, of the last 30 days or as long as the operator keeps them."""
        rows = Delivery.objects.matching(
            endpoint_id=self.query.get("endpoint"), state=self.query.get("state"), event=self.query.get("event")
        )
        return self.page(rows, DeliveryRecord)


class OneDelivery(ApiView):
    """One delivery."""

    access = {"GET": MANAGE}

    @operation("get_webhook_delivery", WholeDeliveryRecord)
    def get(self, request: Request, organization: str, delivery: str) -> Response:
        """One delivery with what is sent."""
        return self.answer(delivery_of(delivery), WholeDeliveryRecord)


class DeliveryAttempts(ApiView):
    """The attempts of a delivery."""

    access = {"GET": MANAGE}

    @listing("list_webhook_attempts", AttemptRecord, query=PagedQuery)
    def get(self, request: Request, organization: str, delivery: str) -> Response:
        """Each attempt with what it sent, its outcome, its time and the beginning of the response, newest first."""
        attempts = Attempt.objects.filter(delivery=delivery_of(delivery)).select_related("delivery")
        return self.page(attempts, AttemptRecord)


class DeliveryReplay(ApiView):
    """Delivering once more."""

    access = {"POST": MANAGE}

    @operation("replay_webhook_delivery", DeliveryRecord, status=202, refusals=[Conflict, RateLimited])
    def post(self, request: Request, organization: str, delivery: str) -> Response:
        """Delivers once more, at once and with all retries, with the same `webhook-id`.

        A disabled endpoint answers 409 `endpoint_disabled`, an event that the audit log no longer has 409
        `event_forgotten`.
        """
        replayed = services.replay_delivery(actor=self.admission.principal, delivery_id=required_id("whd", delivery))
        return self.answer(replayed, DeliveryRecord, status=202)
