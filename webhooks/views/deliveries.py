"""Dashboard pages of deliveries: of one endpoint, one of them, a test, and doing it once more."""

import hashlib
import json
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cached_property
from typing import Any

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.utils import timezone
from django.utils.cache import patch_vary_headers

from audit.models import moment_of
from config.kernel.errors import Absent
from config.kernel.pages import FORM_INVALID, FormPage
from webhooks.forms.deliveries import DeliveryFilter, ReplayForm
from webhooks.models import Attempt, Delivery
from webhooks.payloads import kept_payload
from webhooks.services import deliveries as services
from webhooks.views.endpoints import MANAGER, OfEndpoint, to_endpoint

TAB = "deliveries"
PROGRESS = "progress"
# A header that tells what a page shows that asks for news.
SHOWN = "X-Shown"
# A page that waits for an attempt asks often while one is near, and now and then otherwise.
NEAR = timedelta(seconds=30)
OFTEN, SELDOM = "2s", "30s"


class DeliveryList(OfEndpoint):
    """What was sent to an endpoint, newest first."""

    access = {"GET": MANAGER}
    template_name = "webhooks/deliveries.html"
    tab = TAB

    def get(self, request: HttpRequest, **kwargs: Any) -> HttpResponse:
        form = DeliveryFilter(request.GET)
        if not form.is_valid():
            return self.show({**self.context(), "form": form}, status=FORM_INVALID)
        wanted = form.cleaned_data
        rows = Delivery.objects.matching(endpoint_id=self.endpoint.id, **wanted)
        replayed_to = moment_of(self.endpoint.replay_from) if self.endpoint.replay_from else None
        shown = {**self.context(), "form": form, "replayed_to": replayed_to}
        return self.show({**shown, "filtered": any(wanted.values()), **self.listed(rows)})


@dataclass(frozen=True)
class Sent:
    """What receivers get of an event: `body` with line breaks for people; None when the record is no longer kept."""

    body: str | None
    bytes: int = 0


def sent_of(delivery: Delivery) -> Sent:
    """Made of the ledger's record, as each attempt makes it. One query."""
    payload = kept_payload(delivery.event_id)
    if payload is None:
        return Sent(None)
    return Sent(json.dumps(json.loads(payload), indent=2, ensure_ascii=False), len(payload))


class OfDelivery(OfEndpoint):
    """Base of what is about one delivery."""

    tab = TAB

    @cached_property
    def delivery(self) -> Delivery:
        """The delivery that the address names. Raises Absent, also for one of another endpoint."""
        found = Delivery.objects.filter(endpoint=self.endpoint).by_reference(self.kwargs["delivery"])
        if found is None:
            raise Absent
        return found


class DeliveryDetail(OfDelivery):
    """One delivery with its attempts. While it is pending, htmx asks for what changes again and again."""

    access = {"GET": MANAGER}
    template_name = "webhooks/delivery.html"

    def get(self, request: HttpRequest, **kwargs: Any) -> HttpResponse:
        delivery, now = self.delivery, timezone.now()
        held = self.endpoint.held_until is not None and self.endpoint.held_until > now
        next_at = self._next_at() if delivery.due_at else None
        near = next_at is not None and next_at < now + NEAR
        listed = self.listed(Attempt.objects.filter(delivery=delivery).select_related("delivery"))
        context = {
            **self.context(),
            "delivery": delivery,
            "pace": OFTEN if near else SELDOM,
            "next_at": next_at if next_at and next_at > now else None,
            "held": held,
            "in_hand": bool(delivery.claimed_until and delivery.claimed_until > now),
            "address": request.get_full_path(),
            **listed,
        }
        context["shown"] = self._fingerprint(context)
        if request.headers.get("HX-Target") == PROGRESS and request.headers.get(SHOWN) == context["shown"]:
            response = HttpResponse(status=204)
        elif request.headers.get("HX-Target") == PROGRESS:
            response = self.show({**context, "swaps": True}, template="webhooks/delivery_progress.html")
        else:
            response = self.show({**context, "sent": sent_of(delivery)})
        patch_vary_headers(response, ["HX-Target", SHOWN])
        return response

    def _fingerprint(self, context: dict[str, Any]) -> str:
        """The same while the page would show the same. What is not swapped keeps what is open and focused."""
        told = [context[name] for name in ("pace", "next_at", "held", "in_hand")]
        told += [self.delivery.state, self.delivery.attempts, self.endpoint.state, self.endpoint.failing_since]
        return hashlib.sha256(repr(told).encode()).hexdigest()[:32]

    def _next_at(self) -> datetime:
        """When a pending delivery is tried next: not while its endpoint wants nothing (Retry-After)."""
        return max(moment for moment in (self.delivery.due_at, self.endpoint.held_until) if moment)


class DeliveryReplay(OfDelivery):
    """Sends it once more."""

    access = {"POST": MANAGER}

    def post(self, request: HttpRequest, **kwargs: Any) -> HttpResponse:
        services.replay_delivery(actor=self.admission.principal, delivery_id=self.delivery.id)
        messages.success(request, "It is sent once more, under the same id.")
        return redirect(
            "webhooks:delivery", self.admission.organization.slug, self.endpoint.public_id, self.delivery.public_id
        )


class EndpointTest(OfEndpoint):
    """Sends a test event, and shows what becomes of it."""

    access = {"POST": MANAGER}

    def post(self, request: HttpRequest, **kwargs: Any) -> HttpResponse:
        made = services.send_test(actor=self.admission.principal, endpoint_id=self.endpoint.id)
        return redirect("webhooks:delivery", self.admission.organization.slug, self.endpoint.public_id, made.public_id)


class EndpointReplay(OfEndpoint, FormPage):
    """Sends all that was missed since a time."""

    access = MANAGER
    template_name = "webhooks/replay.html"
    form_class = ReplayForm
    tab = TAB

    def form_arguments(self) -> dict[str, Any]:
        """The time from which on it missed something, when somebody has just enabled it."""
        since = self.request.GET.get("since")
        return {"initial": {"since": since}} if since else {}

    def form_context(self) -> dict[str, Any]:
        return self.context()

    def save(self, form: ReplayForm) -> HttpResponse:
        since = form.cleaned_data["since"]
        services.replay_since(actor=self.admission.principal, endpoint_id=self.endpoint.id, since=since)
        messages.success(self.request, f"What it missed since {since:%-d %B %Y, %H:%M} UTC is being sent.")
        return to_endpoint(self.admission, self.endpoint, TAB)
