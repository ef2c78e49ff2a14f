"""The AuthZEN Authorization API 1.0: decisions and searches for other programs."""

from typing import Any

from django.conf import settings
from django.urls import reverse
from rest_framework import exceptions
from rest_framework.request import Request
from rest_framework.response import Response

from config.kernel.access import CALLER, PUBLIC
from config.kernel.api.operations import operation
from config.kernel.api.views import ApiView
from config.kernel.errors import Absent, Malformed, OrganizationInactive
from keys.decisions.callers import caller_of
from keys.decisions.evaluating import PLAIN, evaluate_batch
from keys.decisions.loading import organization_facts
from keys.decisions.searching import search_actions, search_resources, search_subjects
from keys.decisions.wire import (
    Batch,
    Semantic,
    action_search_of,
    batch_of,
    question_of,
    resource_search_of,
    subject_search_of,
)
from keys.serializers.decisions import (
    AccessActionSearch,
    AccessQuestion,
    AccessQuestions,
    AccessResourceSearch,
    AccessSubjectSearch,
    ConfigurationRecord,
    DecisionRecord,
    DecisionRecords,
    FoundActions,
    FoundEntities,
)

LONGEST_REQUEST_ID = 200


class DecisionView(ApiView):
    """What the routes share: who asks and where, the standard's statuses, the caller's own request id.

    Once somebody is who they say, an organization at rest or without a grant for them is no error but a "no".
    """

    def around(self) -> dict[str, Any]:
        """Who asks, and in which organization."""
        return {
            "caller": caller_of(self.admission),
            "organization": organization_facts(self.admission.organization),
        }

    def refusal(self) -> Any:
        """The answer of an organization that does not speak to the caller. Raises Invalid for what cannot be read."""
        raise NotImplementedError

    def handle_exception(self, exc: Exception) -> Response:
        if isinstance(exc, exceptions.UnsupportedMediaType):
            exc = Malformed("Send the body as application/json.")
        if isinstance(exc, Absent | OrganizationInactive):
            try:
                return Response(self.refusal())
            except Exception as error:  # noqa: BLE001 - it is answered like any other
                exc = error
        return super().handle_exception(exc)

    def finalize_response(self, request: Request, response: Response, *args: Any, **kwargs: Any) -> Response:
        """Echoes a request id of any spelling, as the standard asks; our log has its own for an odd one."""
        finished = super().finalize_response(request, response, *args, **kwargs)
        given = request.headers.get("X-Request-Id", "")
        if given and len(given) <= LONGEST_REQUEST_ID and given.isascii() and given.isprintable():
            finished.headers["X-Request-Id"] = given
        return finished


class Evaluation(DecisionView):
    """One decision."""

    access = {"POST": CALLER}

    @operation("evaluate_access", DecisionRecord, body=AccessQuestion)
    def post(self, request: Request) -> Response:
        """Whether a subject may do something with a resource, why, and for how long that may be remembered.

        Everybody may ask about themselves. About others may ask whoever holds `access:evaluate`.
        """
        batch = Batch([question_of(request.data)], Semantic.EXECUTE_ALL, single=True)
        return Response(evaluate_batch(batch, **self.around()))

    def refusal(self) -> Any:
        question_of(self.request.data)
        return PLAIN


class Evaluations(DecisionView):
    """Several decisions."""

    access = {"POST": CALLER}

    @operation("evaluate_accesses", DecisionRecords, body=AccessQuestions)
    def post(self, request: Request) -> Response:
        """The same for up to 1,000 questions, answered in order. One that cannot be read is denied by itself."""
        return Response(evaluate_batch(batch_of(request.data), **self.around()))

    def refusal(self) -> Any:
        batch = batch_of(self.request.data)
        return PLAIN if batch.single else {"evaluations": [PLAIN for _ in batch.items]}


class SubjectSearch(DecisionView):
    """Who."""

    access = {"POST": CALLER}

    @operation("search_subjects", FoundEntities, body=AccessSubjectSearch)
    def post(self, request: Request) -> Response:
        """The subjects of a type that may do something with a resource, as far as the caller may know of them."""
        return Response(search_subjects(subject_search_of(request.data), **self.around()))

    def refusal(self) -> Any:
        subject_search_of(self.request.data)
        return nothing_found()


class ResourceSearch(DecisionView):
    """With what."""

    access = {"POST": CALLER}

    @operation("search_resources", FoundEntities, body=AccessResourceSearch)
    def post(self, request: Request) -> Response:
        """The resources of a type that a subject may do something with, as far as the caller may know of them."""
        return Response(search_resources(resource_search_of(request.data), **self.around()))

    def refusal(self) -> Any:
        resource_search_of(self.request.data)
        return nothing_found()


class ActionSearch(DecisionView):
    """What."""

    access = {"POST": CALLER}

    @operation("search_actions", FoundActions, body=AccessActionSearch)
    def post(self, request: Request) -> Response:
        """What a subject may do with a resource."""
        return Response(search_actions(action_search_of(request.data), **self.around()))

    def refusal(self) -> Any:
        action_search_of(self.request.data)
        return nothing_found()


def nothing_found() -> dict[str, Any]:
    """An empty page."""
    return {"page": {"next_token": "", "count": 0}, "results": []}


class Configuration(ApiView):
    """Where the decision point is."""

    access = {"GET": PUBLIC}

    @operation("get_authzen_configuration", ConfigurationRecord)
    def get(self, request: Request) -> Response:
        """The addresses of the decision point, for clients that know only its host."""
        routes = {
            "access_evaluation_endpoint": "access-evaluation",
            "access_evaluations_endpoint": "access-evaluations",
            "search_subject_endpoint": "access-search-subject",
            "search_resource_endpoint": "access-search-resource",
            "search_action_endpoint": "access-search-action",
        }
        addresses = {name: settings.TENANTRY_URL + reverse(route) for name, route in routes.items()}
        return Response({"policy_decision_point": settings.TENANTRY_URL, **addresses})
