"""DRF's exception handler: everything becomes one of our errors, then problem details."""

from typing import Any

from django.core.exceptions import PermissionDenied, RequestDataTooBig
from django.http import Http404, UnreadablePostError
from rest_framework import exceptions
from rest_framework.response import Response

from config.kernel.access import access_for
from config.kernel.denials import Asked, note_rule_broken
from config.kernel.errors import (
    Absent,
    AuthFailure,
    Forbidden,
    Invalid,
    Malformed,
    MethodNotAllowed,
    RateLimited,
    TenantryError,
    TooLarge,
    UnsupportedMediaType,
)
from config.kernel.problems import PROBLEM_TYPE, problem_headers


def handle(error: Exception, context: dict[str, Any]) -> Response | None:
    """The answer to an exception of a REST view; None lets a fault of ours become a logged 500."""
    ours = as_ours(error)
    if ours is None:
        return None
    _note(ours, context)
    headers = problem_headers(ours)
    if isinstance(ours, MethodNotAllowed):
        headers["Allow"] = ", ".join(context["view"].allowed_methods)
    return Response(ours.problem(), status=ours.status, headers=headers, content_type=PROBLEM_TYPE)


def _note(error: TenantryError, context: dict[str, Any]) -> None:
    """What a service refused goes on record. The gates have their own refusals there, and set no admission for them."""
    view, request = context["view"], context["request"]
    admission = getattr(view, "admission", None)
    if admission is not None and request is not None:
        access = access_for(view.access, request.method or "")
        note_rule_broken(admission, Asked.of(request), access.permission if access else None, error)


def as_ours(error: Exception) -> TenantryError | None:  # noqa: PLR0911 - one line a class reads best
    """The member of our family that stands for `error`."""
    match error:
        case TenantryError():
            return error
        case exceptions.ValidationError():
            detail = error.detail if isinstance(error.detail, dict) else {"body": error.detail}
            return Invalid(errors=detail)
        case exceptions.ParseError() | UnreadablePostError():
            return Malformed()
        case exceptions.NotAuthenticated() | exceptions.AuthenticationFailed():
            return AuthFailure()
        case exceptions.UnsupportedMediaType():
            return UnsupportedMediaType()
        case exceptions.MethodNotAllowed():
            return MethodNotAllowed()
        case exceptions.Throttled():
            return RateLimited(int(getattr(error, "wait", None) or 1))
        case Http404() | exceptions.NotFound():
            return Absent()
        case PermissionDenied() | exceptions.PermissionDenied():
            return Forbidden()
        case RequestDataTooBig():
            return TooLarge()
    return None
