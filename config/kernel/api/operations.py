"""What one method of a REST view reads and answers, declared once for the view and for the OpenAPI document."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any, TypeVar

from django.http.response import HttpResponseBase
from rest_framework.serializers import Serializer

from config.kernel.api.serializers import Body, PagedQuery, Query
from config.kernel.errors import TenantryError

Method = TypeVar("Method", bound=Callable[..., HttpResponseBase])


@dataclass(frozen=True)
class Operation:
    """`name` is the operation's id in the document. Without `answer` the method answers 204, `body` none reads none.

    `refusals` are the errors beyond those that follow from access, body and headers; `matches` says that If-Match
    is obeyed, `paged` that the answer is a list of `answer`, `file` that it is a file of that media type.
    """

    name: str
    answer: type[Serializer] | None = None
    body: type[Body] | None = None
    query: type[Query] = Query
    status: int = HTTPStatus.OK
    refusals: tuple[type[TenantryError], ...] = ()
    matches: bool = False
    paged: bool = False
    file: str = ""


def operation(
    name: str,
    answer: type[Serializer] | None = None,
    *,
    body: type[Body] | None = None,
    query: type[Query] = Query,
    status: int | None = None,
    refusals: Iterable[type[TenantryError]] = (),
    matches: bool = False,
) -> Callable[[Method], Method]:
    """Declares what a method of a view reads and answers."""
    default = HTTPStatus.OK if answer else HTTPStatus.NO_CONTENT
    return _declaring(Operation(name, answer, body, query, status or default, tuple(refusals), matches))


def listing(name: str, record: type[Serializer], *, query: type[Query] = PagedQuery) -> Callable[[Method], Method]:
    """Declares a method that answers `{"data": [record, …], "next": cursor}`."""
    return _declaring(Operation(name, record, query=query, paged=True))


def download(
    name: str, media_type: str, *, query: type[Query] = Query, refusals: Iterable[type[TenantryError]] = ()
) -> Callable[[Method], Method]:
    """Declares a method that answers with a file."""
    return _declaring(Operation(name, query=query, refusals=tuple(refusals), file=media_type))


def _declaring(declared: Operation) -> Callable[[Method], Method]:
    def decorate(method: Method) -> Method:
        method.operation = declared  # type: ignore[attr-defined] # functions carry attributes; typing has no word for it
        return method

    return decorate


def operation_of(view: Any, method: str) -> Operation | None:
    """What a view declares for a method; HEAD reads like GET."""
    name = "get" if method == "HEAD" else method.lower()
    return getattr(getattr(view, name, None), "operation", None)
