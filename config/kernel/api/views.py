"""The base of every REST view: declared access, strict input, pages by cursor, ETags."""

import hashlib
from collections.abc import Mapping
from contextlib import ExitStack
from typing import Any, ClassVar

from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponseBase
from rest_framework import serializers
from rest_framework.permissions import BasePermission
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from config.kernel.access import Access, Admission, access_for, admitted
from config.kernel.errors import MethodNotAllowed, PreconditionFailed
from config.kernel.paging import limit_of, page_of
from config.kernel.principals import ANONYMOUS, Principal


class DeclaredAccess(BasePermission):
    """DRF's door to the two gates: enters the scope that the view's declaration asks for."""

    def has_permission(self, request: Request, view: "ApiView") -> bool:  # type: ignore[override]
        access = access_for(view.access, request.method or "")
        if access is None:
            raise MethodNotAllowed
        view.admission = view.scopes.enter_context(
            admitted(access, principal=request.user, references=view.kwargs, headers=request.headers)
        )
        return True


class ApiView(APIView):
    """Subclasses declare `access` per method and write the methods; `admission` says who asks and about what.

    The tenant scope lasts until the method has returned, so answers must be plain data by then.
    """

    access: ClassVar[Mapping[str, Access]]
    permission_classes = [DeclaredAccess]
    admission: Admission
    scopes: ExitStack

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        for name in ("permission_classes", "check_permissions", "initial"):
            if name in cls.__dict__:
                raise TypeError(f"{cls.__name__} overrides {name}: access is declared, never decided in a view.")

    @property
    def allowed_methods(self) -> list[str]:
        return sorted(self.access)

    def dispatch(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        with ExitStack() as self.scopes:
            return super().dispatch(request, *args, **kwargs)

    def read(self, serializer_class: type[serializers.Serializer], *, partial: bool = False) -> dict[str, Any]:
        """The validated body. Raises DRF's ValidationError, rendered as `invalid`."""
        serializer = serializer_class(data=self.request.data, partial=partial)
        serializer.is_valid(raise_exception=True)
        return dict(serializer.validated_data)

    def page(self, rows: QuerySet, serializer_class: type[serializers.BaseSerializer]) -> Response:
        """`{"data": […], "next": cursor}` of the page that the query string asks for."""
        parameters = self.request.query_params
        page = page_of(rows, cursor=parameters.get("cursor"), limit=limit_of(parameters.get("limit")))
        return Response({"data": serializer_class(page.rows, many=True).data, "next": page.next})

    def answer(
        self, row: Any, serializer_class: type[serializers.BaseSerializer], *, status: int = 200, **extra: Any
    ) -> Response:
        """One record with its ETag; `extra` adds fields that are shown this once."""
        return Response({**serializer_class(row).data, **extra}, status=status, headers={"ETag": etag_of(row)})

    def require_match(self, row: Any) -> None:
        """Raises PreconditionFailed when If-Match names another version of `row` (RFC 9110, 13.1.1)."""
        wanted = self.request.headers.get("If-Match")
        if wanted is None or wanted.strip() == "*":
            return
        if etag_of(row) not in [tag.strip() for tag in wanted.split(",")]:
            raise PreconditionFailed


def anonymous() -> Principal:
    """DRF's UNAUTHENTICATED_USER."""
    return ANONYMOUS


def etag_of(row: Any) -> str:
    """A strong entity tag of a row's version."""
    version = f"{row.pk}:{row.updated_at.isoformat()}"
    return f'"{hashlib.sha256(version.encode()).hexdigest()[:32]}"'
