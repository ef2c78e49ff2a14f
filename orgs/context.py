"""What every dashboard page needs: the organization in hand, the switcher's list, the viewer's permissions."""

from typing import Any

from django.http import HttpRequest
from django.utils.functional import SimpleLazyObject

from orgs.selectors import memberships_of

THEMES = ("light", "dark")


def dashboard(request: HttpRequest) -> dict[str, Any]:
    """Context processor. The list is fetched when a template first uses it."""
    admission = getattr(request, "admission", None)
    theme = request.COOKIES.get("theme", "")
    user = getattr(request, "user", None)
    context: dict[str, Any] = {"theme": theme if theme in THEMES else "system"}
    if user is not None and user.is_authenticated:
        context["organizations"] = SimpleLazyObject(lambda: [m.organization for m in memberships_of(user.id)])
    if admission is not None:
        context |= {
            "organization": admission.organization,
            "project": admission.project,
            "permissions": {str(permission) for permission in admission.permissions},
            "organization_permissions": {str(permission) for permission in admission.organization_permissions},
        }
    return context
