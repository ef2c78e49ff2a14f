"""Endpoints, their secrets and keys."""

from datetime import timedelta
from typing import Any

from rest_framework.request import Request
from rest_framework.response import Response

from config.kernel.access import organization
from config.kernel.api.idempotency import idempotent
from config.kernel.api.operations import listing, operation
from config.kernel.api.views import ApiView
from config.kernel.errors import Absent, Conflict, RateLimited
from config.kernel.identifiers import required_id
from config.kernel.permissions import Permission
from projects.models import Project
from webhooks.models import Endpoint
from webhooks.selectors import preview_deletion
from webhooks.serializers.deliveries import DeliveryRecord
from webhooks.serializers.endpoints import (
    DeletionRecord,
    EndpointChanges,
    EndpointRecord,
    IssuedEndpoint,
    NewEndpoint,
    Replay,
    ReplayRecord,
    SecretRotation,
)
from webhooks.services import deliveries, endpoints, secrets
from webhooks.services.addresses import FitUrl, fit_url
from webhooks.services.authority import locked_endpoint

MANAGE = organization(Permission.MANAGE_WEBHOOKS)


def endpoint_of(reference: str) -> Endpoint:
    """The endpoint of a public id. Raises Absent."""
    found = Endpoint.objects.by_reference(reference)
    if found is None:
        raise Absent
    return found


def with_project_id(body: dict[str, Any]) -> dict[str, Any]:
    """The body with `project_id` in place of the reference that it holds. Raises Absent."""
    if "project" not in body:
        return body
    reference = body.pop("project")
    project = Project.objects.by_reference(reference) if reference is not None else None
    if reference is not None and project is None:
        raise Absent
    return {**body, "project_id": project.id if project else None}


class Endpoints(ApiView):
    """The endpoints of an organization."""

    access = {"GET": MANAGE, "POST": MANAGE}
    url: FitUrl

    @listing("list_webhook_endpoints", EndpointRecord)
    def get(self, request: Request, organization: str) -> Response:
        """The endpoints with their health, newest first."""
        return self.page(Endpoint.objects.all(), EndpointRecord)

    def prepare(self) -> None:
        """Looks up where the address leads."""
        self.url = fit_url(self.read()["url"])

    @idempotent
    @operation("create_webhook_endpoint", IssuedEndpoint, body=NewEndpoint, status=201, refusals=[Conflict])
    def post(self, request: Request, organization: str) -> Response:
        """Makes an endpoint, and answers with its `secret` this once.

        What happens from now on is sent there, signed as Standard Webhooks has it. An organization has 100 at most.
        """
        body = with_project_id(self.read()) | {"url": self.url}
        made, secret = endpoints.create_endpoint(actor=self.admission.principal, **body)
        return self.answer(made, EndpointRecord, status=201, secret=secret)


class OneEndpoint(ApiView):
    """One endpoint."""

    access = {"GET": MANAGE, "PATCH": MANAGE, "DELETE": MANAGE}

    @operation("get_webhook_endpoint", EndpointRecord)
    def get(self, request: Request, organization: str, endpoint: str) -> Response:
        """One endpoint with its health."""
        return self.answer(endpoint_of(endpoint), EndpointRecord)

    @operation("update_webhook_endpoint", EndpointRecord, body=EndpointChanges, matches=True, refusals=[Conflict])
    def patch(self, request: Request, organization: str, endpoint: str) -> Response:
        """Changes an endpoint, or disables or enables it. What is pending goes to where it points then.

        With another project or fewer events, what is pending of events that it is no longer to get is given up.

        Headers are not sent to another host: with another one in `url`, send `headers` too, or get 409
        `headers_belong_to_host`.
        """
        found = endpoint_of(endpoint)
        body = with_project_id(self.read())
        enabled = body.pop("enabled", None)
        if "url" in body:
            body["url"] = fit_url(body["url"])
        actor = self.admission.principal
        with self.matching(lambda: locked_endpoint(found.id), EndpointRecord):
            changed = endpoints.update_endpoint(actor=actor, endpoint_id=found.id, **body)
            if enabled is not None:
                turn = endpoints.enable_endpoint if enabled else endpoints.disable_endpoint
                changed = turn(actor=actor, endpoint_id=found.id)
        return self.answer(changed, EndpointRecord)

    @operation("delete_webhook_endpoint")
    def delete(self, request: Request, organization: str, endpoint: str) -> Response:
        """Deletes an endpoint with its deliveries, also those that are pending."""
        endpoints.delete_endpoint(actor=self.admission.principal, endpoint_id=required_id("whe", endpoint))
        return Response(status=204)


class EndpointDeletion(ApiView):
    """The preview of deleting an endpoint."""

    access = {"GET": MANAGE}

    @operation("preview_webhook_endpoint_deletion", DeletionRecord)
    def get(self, request: Request, organization: str, endpoint: str) -> Response:
        """What it would take along. Changes nothing."""
        return Response(DeletionRecord(preview_deletion(endpoint_of(endpoint))).data)


class EndpointSecret(ApiView):
    """A new secret."""

    access = {"POST": MANAGE}

    @idempotent
    @operation("rotate_webhook_secret", IssuedEndpoint, body=SecretRotation, status=201)
    def post(self, request: Request, organization: str, endpoint: str) -> Response:
        """Makes a new secret and answers with it this once, `secret`; until the overlap ends the old one signs, too.

        A rotation during an overlap ends the oldest secret at once.
        """
        rotated, secret = secrets.rotate_secret(
            actor=self.admission.principal,
            endpoint_id=required_id("whe", endpoint),
            overlap=timedelta(seconds=self.read()["overlap_seconds"]),
        )
        return self.answer(rotated, EndpointRecord, status=201, secret=secret)


class EndpointSigningKey(ApiView):
    """The Ed25519 key."""

    access = {"PUT": MANAGE, "DELETE": MANAGE}

    @operation("make_webhook_signing_key", EndpointRecord)
    def put(self, request: Request, organization: str, endpoint: str) -> Response:
        """Makes a key, in place of the one before: `v1a` signatures, which receivers verify without any secret."""
        made = secrets.make_signing_key(actor=self.admission.principal, endpoint_id=required_id("whe", endpoint))
        return self.answer(made, EndpointRecord)

    @operation("remove_webhook_signing_key")
    def delete(self, request: Request, organization: str, endpoint: str) -> Response:
        """Ends `v1a` signatures. Doing so twice is no error."""
        secrets.remove_signing_key(actor=self.admission.principal, endpoint_id=required_id("whe", endpoint))
        return Response(status=204)


class EndpointTest(ApiView):
    """A test."""

    access = {"POST": MANAGE}

    @idempotent
    @operation("test_webhook_endpoint", DeliveryRecord, status=201, refusals=[Conflict, RateLimited])
    def post(self, request: Request, organization: str, endpoint: str) -> Response:
        """Sends `webhook_endpoint.tested` there, whatever it asks for. Ask for the delivery to see what became of it.

        A disabled endpoint answers 409 `endpoint_disabled`.
        """
        made = deliveries.send_test(actor=self.admission.principal, endpoint_id=required_id("whe", endpoint))
        return self.answer(made, DeliveryRecord, status=201)


class EndpointReplay(ApiView):
    """Making up for what was missed."""

    access = {"POST": MANAGE}

    @operation("replay_webhook_endpoint", ReplayRecord, body=Replay, status=202, refusals=[Conflict, RateLimited])
    def post(self, request: Request, organization: str, endpoint: str) -> Response:
        """Delivers, of the events since then, those that failed and those that no delivery was made for.

        Among them what happened while it was disabled. A disabled endpoint answers 409 `endpoint_disabled`.
        """
        found = endpoint_of(endpoint)
        since = self.read()["since"]
        deliveries.replay_since(actor=self.admission.principal, endpoint_id=found.id, since=since)
        return Response(ReplayRecord({"endpoint_id": found.id, "since": since}).data, status=202)
