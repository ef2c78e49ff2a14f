"""Endpoints: create, change, enable, disable, delete."""

import json
from collections.abc import Mapping
from datetime import datetime
from typing import Any, TypedDict, Unpack
from urllib.parse import urlsplit
from uuid import UUID

from django.db import transaction
from django.utils import timezone

from audit.models import AuditEvent
from audit.services import record
from config.kernel.errors import Conflict
from config.kernel.identifiers import public_id
from config.kernel.principals import SYSTEM, Principal
from orgs.encryption import seal
from orgs.services.authority import lock_organization
from webhooks import events as declared
from webhooks.models import Delivery, Endpoint, EndpointHour
from webhooks.models.delivery import DeliveryQuerySet
from webhooks.patterns import is_for, readable_patterns
from webhooks.services.addresses import FitUrl, checked_headers
from webhooks.services.authority import locked_endpoint, project_for, require_webhook_manager
from webhooks.services.secrets import new_secret
from webhooks.services.targets import endpoint_target, project_data, told_url

# Each record of the ledger is compared with each of them.
MOST_ENDPOINTS = 100
# So many records at once are asked whether an endpoint is still to get them.
LOOKED_AT = 1000


class Changes(TypedDict, total=False):
    """What may be changed. What is left out stays; without a project it gets the events of the whole organization."""

    url: FitUrl
    events: list[str]
    project_id: UUID | None
    description: str
    headers: Mapping[str, str]


@transaction.atomic
def create_endpoint(
    *,
    actor: Principal,
    url: FitUrl,
    events: list[str],
    project_id: UUID | None = None,
    description: str = "",
    headers: Mapping[str, str] | None = None,
) -> tuple[Endpoint, str]:
    """Makes an endpoint, and returns it with its secret, which is shown this once.

    From the commit on, everything that happens and fits is sent there. Raises Invalid for events and headers, Absent
    and Conflict for the project, Conflict beyond MOST_ENDPOINTS.
    """
    lock_organization()
    require_webhook_manager(actor)
    if Endpoint.objects.count() >= MOST_ENDPOINTS:
        raise Conflict(
            f"An organization has {MOST_ENDPOINTS} webhook endpoints at most: delete one.", code="too_many_endpoints"
        )
    endpoint = Endpoint(
        url=url,
        events=readable_patterns(events),
        project=project_for(project_id) if project_id else None,
        description=description.strip(),
        created_by=actor.id,
    )
    secret = new_secret()
    seal(endpoint, "secret", secret)
    _set_headers(endpoint, headers or {})
    endpoint.save(force_insert=True)
    record(
        declared.ENDPOINT_CREATED,
        actor=actor,
        target=endpoint_target(endpoint),
        data={"url": told_url(endpoint.url), "events": endpoint.events, **project_data(endpoint)},
    )
    return endpoint, secret


@transaction.atomic
def update_endpoint(*, actor: Principal, endpoint_id: UUID, **changes: Unpack[Changes]) -> Endpoint:
    """Changes an endpoint. Deliveries that are pending go to where it points then, and how it fared is forgotten.

    Those of events that it is no longer to get are given up: it may be somebody else's by now.

    Raises Absent, Invalid, Conflict for an archived project, and for another host that would get the headers of before.
    """
    endpoint = locked_endpoint(endpoint_id)
    require_webhook_manager(actor)
    told: dict[str, list[Any]] = {}
    if "url" in changes and changes["url"] != endpoint.url:
        if endpoint.header_names and "headers" not in changes:
            _require_same_place(endpoint.url, changes["url"])
        told["url"] = [told_url(endpoint.url), told_url(changes["url"])]
        endpoint.url = changes["url"]
        endpoint.failing_since, endpoint.held_until = None, None
    if "events" in changes and (chosen := readable_patterns(changes["events"])) != endpoint.events:
        told["events"] = [endpoint.events, chosen]
        endpoint.events = chosen
    if "description" in changes and (description := changes["description"].strip()) != endpoint.description:
        told["description"] = [endpoint.description, description]
        endpoint.description = description
    if "project_id" in changes and changes["project_id"] != endpoint.project_id:
        project_id = changes["project_id"]
        before = endpoint.project_id
        endpoint.project = project_for(project_id) if project_id else None
        told["project"] = [public_id("prj", one) if one else None for one in (before, endpoint.project_id)]
    if "headers" in changes and (changes["headers"] or endpoint.header_names):
        # Whether a value is another one is not asked: whoever sends headers replaces them.
        names = endpoint.header_names
        _set_headers(endpoint, changes["headers"])
        told["headers"] = [names, endpoint.header_names]
    if told:
        endpoint.save()
        if "events" in told or "project" in told:
            _give_up_unwanted(endpoint)
        record(
            declared.ENDPOINT_UPDATED,
            actor=actor,
            target=endpoint_target(endpoint),
            data={"changes": told, **project_data(endpoint)},
        )
    return endpoint


@transaction.atomic
def enable_endpoint(*, actor: Principal, endpoint_id: UUID) -> Endpoint:
    """Sends events again, those from now on; `replay_since` gets the others. Doing so twice is no error."""
    endpoint = locked_endpoint(endpoint_id)
    require_webhook_manager(actor)
    if not endpoint.is_enabled:
        endpoint.state, endpoint.disabled_cause, endpoint.disabled_at = Endpoint.State.ENABLED, "", None
        endpoint.failing_since, endpoint.held_until = None, None
        endpoint.save()
        record(declared.ENDPOINT_ENABLED, actor=actor, target=endpoint_target(endpoint), data=project_data(endpoint))
    return endpoint


@transaction.atomic
def disable_endpoint(*, actor: Principal, endpoint_id: UUID) -> Endpoint:
    """Sends nothing from now on, and gives up what is pending. Doing so twice is no error. Raises Absent."""
    endpoint = locked_endpoint(endpoint_id)
    require_webhook_manager(actor)
    if endpoint.is_enabled:
        _disable(actor, endpoint, Endpoint.Cause.BY_HAND)
    return endpoint


@transaction.atomic
def disable_for(*, endpoint_id: UUID, cause: Endpoint.Cause, url: str | None = None) -> bool:
    """Disables an endpoint of the organization in scope because of how it, or `url`, answers. Has its managers told.

    False when it is gone, was disabled already, or points elsewhere by now.
    """
    endpoint = Endpoint.objects.select_for_update().enabled().filter(id=endpoint_id).first()
    if endpoint is None or url not in (None, endpoint.url):
        return False
    # Noted, not handed to the queue, which may be away at this moment: webhooks.tend does that.
    endpoint.disabled_mail_due_at = timezone.now()
    _disable(SYSTEM, endpoint, cause)
    return True


@transaction.atomic
def delete_endpoint(*, actor: Principal, endpoint_id: UUID) -> None:
    """Deletes an endpoint with its deliveries, also those that are pending. Raises Absent."""
    endpoint = locked_endpoint(endpoint_id)
    require_webhook_manager(actor)
    target, data = endpoint_target(endpoint), {"url": told_url(endpoint.url), **project_data(endpoint)}
    # By hand, each in one statement: Django would fetch every delivery to see what hangs on it.
    Delivery.objects.filter(endpoint=endpoint).delete_all()
    EndpointHour.objects.filter(endpoint=endpoint).delete_all()
    endpoint.delete()
    record(declared.ENDPOINT_DELETED, actor=actor, target=target, data=data)


def _require_same_place(before: str, after: str) -> None:
    """Whoever points an endpoint elsewhere must not get the header's values so, which nobody is shown. Raises Conflict.

    The secret need not be guarded so: it is never sent.
    """
    if urlsplit(before)[:2] != urlsplit(after)[:2]:
        sentence = (
            "The endpoint's headers are not sent to another host: take them away first, or send the headers anew."
        )
        raise Conflict(sentence, code="headers_belong_to_host", errors={"url": [sentence]})


def _set_headers(endpoint: Endpoint, headers: Mapping[str, str]) -> None:
    """Raises Invalid."""
    chosen = checked_headers(headers)
    names: list[str] = sorted(chosen, key=str.lower)
    endpoint.header_names = names
    if chosen:
        seal(endpoint, "headers", json.dumps(chosen))
    else:
        endpoint.headers = None


def _disable(actor: Principal, endpoint: Endpoint, cause: Endpoint.Cause) -> None:
    now = timezone.now()
    endpoint.state, endpoint.disabled_cause, endpoint.disabled_at = Endpoint.State.DISABLED, cause, now
    endpoint.save()
    given_up = _give_up(Delivery.objects.filter(endpoint=endpoint), now)
    record(
        declared.ENDPOINT_DISABLED,
        actor=actor,
        target=endpoint_target(endpoint),
        data={"cause": cause, "pending": given_up, **project_data(endpoint)},
    )


def _give_up(rows: DeliveryQuerySet, now: datetime) -> int:
    """Those of them that are pending. Returns how many."""
    pending = rows.pending()
    # Locked in one order, as the delivery workers do.
    list(pending.select_for_update().order_by("id").values_list("id"))
    return pending.update(state=Delivery.State.FAILED, due_at=None, claimed_until=None, finished_at=now, updated_at=now)


def _give_up_unwanted(endpoint: Endpoint) -> None:
    """What is pending of events that the endpoint is not to get as it is set now."""
    rows = Delivery.objects.filter(endpoint=endpoint)
    events = list(rows.pending().values_list("event_id", flat=True))
    unwanted = []
    for start in range(0, len(events), LOOKED_AT):
        records = AuditEvent.objects.filter(id__in=events[start : start + LOOKED_AT])
        found = records.only("id", "event", "target_kind", "target_id", "data")
        unwanted += [row.id for row in found if not is_for(endpoint, row)]
    # At once, so that all are locked in one order.
    if unwanted:
        _give_up(rows.filter(event_id__in=unwanted), timezone.now())
