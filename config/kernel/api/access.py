"""DRF's door to the two gates. Apart from the views, since DRF loads its defaults while it makes its own views."""

from typing import Any

from rest_framework.permissions import BasePermission
from rest_framework.request import Request

from config.kernel.access import access_for, admitted
from config.kernel.denials import Asked
from config.kernel.errors import MethodNotAllowed
from config.kernel.principals import ANONYMOUS, Principal


class DeclaredAccess(BasePermission):
    """Enters the scope that the view's declaration asks for, until the view has answered."""

    def has_permission(self, request: Request, view: Any) -> bool:
        access = access_for(view.access, request.method or "")
        if access is None:
            raise MethodNotAllowed
        view.admission = view.scopes.enter_context(
            admitted(
                access,
                principal=principal_of(request),
                references=view.kwargs,
                headers=request.headers,
                asked=Asked.of(request),
            )
        )
        return True


def principal_of(request: Request) -> Principal:
    """Who asks. Our authentication sets principals where DRF's typing knows Django's users."""
    principal: Any = request.user
    return principal


def anonymous() -> Principal:
    """DRF's UNAUTHENTICATED_USER."""
    return ANONYMOUS
