"""DRF's exception handler: everything becomes one of our errors, then problem details."""

from typing import Any

from django.core.exceptions import PermissionDenied, RequestDataTooBig
from django.http import Http404, UnreadablePostError
from rest_framework import exceptions
from rest_framework.response import Response

from config.kernel.denials import note_rule_broken
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
    admission = getattr(context["view"], "admission", None)
    if admission is not None:  # else the gates refused, who have that on record by themselves
        note_rule_broken(admission, ours)
    headers = problem_headers(ours)
    if isinstance(ours, MethodNotAllowed):
        headers["Allow"] = ", ".join(context["view"].allowed_methods)
    return Response(ours.problem(), status=ours.status, headers=headers, content_type=PROBLEM_TYPE)


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
