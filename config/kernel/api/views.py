"""The base of every REST view: declared access, strict input, pages by cursor, ETags."""

import hashlib
import json
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from typing import Any, ClassVar

from django.db import transaction
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponseBase
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from config.kernel.access import Access, Admission
from config.kernel.api.access import DeclaredAccess
from config.kernel.api.operations import Operation, operation_of
from config.kernel.api.serializers import Body
from config.kernel.errors import PreconditionFailed
from config.kernel.paging import DEFAULT_LIMIT, page_of

SAFE = ("GET", "HEAD")


class ApiView(APIView):
    """Subclasses declare `access` per method and write the methods, each with its `@operation` or `@listing`.

    `admission` says who asks and about what, `query` holds the parameters of the query string. The tenant scope
    lasts until the method has returned, so answers must be plain data by then.
    """

    access: ClassVar[Mapping[str, Access]]
    permission_classes = [DeclaredAccess]
    admission: Admission
    scopes: ExitStack
    query: dict[str, Any]

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        for name in ("permission_classes", "check_permissions", "initial"):
            if name in cls.__dict__:
                raise TypeError(f"{cls.__name__} overrides {name}: access is declared, never decided in a view.")

    @property
    def allowed_methods(self) -> list[str]:
        return sorted({*self.access, *(["HEAD"] if "GET" in self.access else [])})

    @property
    def operation(self) -> Operation | None:
        """What the method in hand declares."""
        return operation_of(self, self.request.method or "")

    def dispatch(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        with ExitStack() as self.scopes:
            return super().dispatch(request, *args, **kwargs)

    def initial(self, request: Request, *args: Any, **kwargs: Any) -> None:
        """Access first, then the query string, then that no body came where none is read."""
        super().initial(request, *args, **kwargs)
        self.query = {}
        if self.operation is None:
            return
        self.query = validated(self.operation.query, single_values(request))
        if self.operation.body is None and request.method not in SAFE:
            self.read(Body)

    def finalize_response(self, request: Request, response: Response, *args: Any, **kwargs: Any) -> Response:
        """What a program reads is kept out of every cache on the way: some of it is shown once."""
        finished = super().finalize_response(request, response, *args, **kwargs)
        finished.headers.setdefault("Cache-Control", "no-store")
        return finished

    def prepare(self) -> None:
        """What an idempotent POST does before its transaction begins: it calls other parties here, or nowhere."""

    def read(self, serializer_class: type[serializers.Serializer] | None = None) -> dict[str, Any]:
        """The validated body, by default of the class that the method declares.

        Raises DRF's ValidationError, rendered as `invalid`.
        """
        declared = self.operation.body if self.operation else None
        return validated(serializer_class or declared or Body, self.request.data)

    def page(
        self,
        rows: QuerySet,
        serializer_class: type[serializers.BaseSerializer],
        *,
        tell: Callable[[list[Any]], None] | None = None,
    ) -> Response:
        """`{"data": […], "next": cursor}` of the page of `rows` that the query string asks for.

        `tell` tells those rows, all at once, what their record shows and no query set fetches.
        """
        page = page_of(rows, cursor=self.query.get("cursor"), limit=self.query.get("limit", DEFAULT_LIMIT))
        if tell:
            tell(page.rows)
        return Response({"data": serializer_class(page.rows, many=True).data, "next": page.next})

    def answer(
        self, row: Any, serializer_class: type[serializers.BaseSerializer], *, status: int = 200, **extra: Any
    ) -> Response:
        """One record with its ETag; `extra` adds fields that are shown this once."""
        record = serializer_class(row).data
        return Response({**record, **extra}, status=status, headers={"ETag": version_of(serializer_class, record)})

    @contextmanager
    def matching(self, lock: Callable[[], Any], serializer_class: type[serializers.BaseSerializer]) -> Iterator[None]:
        """A transaction for a change, in which If-Match holds to the end (RFC 9110, 13.1.1).

        `lock` fetches the row locked, and raises Absent before the body is looked at. Raises PreconditionFailed when
        If-Match names another version of its record.
        """
        with transaction.atomic():
            row = lock()
            wanted = self.request.headers.get("If-Match", "*").strip()
            if wanted != "*" and version_of(serializer_class, serializer_class(row).data) not in map(
                str.strip, wanted.split(",")
            ):
                raise PreconditionFailed
            yield


def validated(serializer_class: type[serializers.Serializer], data: Any) -> dict[str, Any]:
    """What `data` holds by that class. Raises DRF's ValidationError."""
    serializer = serializer_class(data=data)
    serializer.is_valid(raise_exception=True)
    return dict(serializer.validated_data)


def single_values(request: Request) -> dict[str, Any]:
    """The query string. A parameter that comes twice is handed on as a list, which no field accepts."""
    return {name: values[0] if len(values) == 1 else values for name, values in request.query_params.lists()}


def version_of(serializer_class: type[serializers.BaseSerializer], record: Mapping[str, Any]) -> str:
    """The entity tag of a record, without what use alone changes."""
    uncounted = getattr(serializer_class, "uncounted", ())
    return etag_of({name: value for name, value in record.items() if name not in uncounted})


def etag_of(record: Mapping[str, Any]) -> str:
    """A strong entity tag: the same record has the same, however it was read."""
    text = json.dumps(record, sort_keys=True, separators=(",", ":"), default=str)
    return f'"{hashlib.sha256(text.encode()).hexdigest()[:32]}"'
