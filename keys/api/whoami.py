"""Who the caller is."""

from typing import Any

from rest_framework.request import Request
from rest_framework.response import Response

from config.kernel.access import SIGNED_IN
from config.kernel.api.operations import operation
from config.kernel.api.views import ApiView
from config.kernel.paging import MAXIMUM_LIMIT
from config.kernel.principals import KeyPrincipal, UserPrincipal
from keys.api.tokens import token_in_hand
from keys.models import Key
from keys.serializers.callers import CallerRecord
from orgs.access import admissions_of
from orgs.api.people import person


class WhoAmI(ApiView):
    """The caller, whatever credential."""

    access = {"GET": SIGNED_IN}

    @operation("whoami", CallerRecord)
    def get(self, request: Request) -> Response:
        """The caller: the person or key behind the credential, its organizations, project and permissions."""
        principal = self.admission.principal
        caller: dict[str, Any] = {
            "kind": principal.kind,
            "id": principal.id,
            **dict.fromkeys(("user", "token", "key", "project", "permissions")),
        }
        if isinstance(principal, KeyPrincipal):
            caller["key"] = Key.objects.select_related("project").get(id=principal.key_id)
            caller |= {"project": caller["key"].project, "permissions": principal.permissions}
        else:
            caller["token"] = token_in_hand(person(self.admission)).select_related("user").get()
            caller |= {"user": caller["token"].user, "permissions": person(self.admission).allowed}
        if self.admission.organization:
            caller["organizations"] = [self.admission]
        elif isinstance(principal, UserPrincipal):
            caller["organizations"] = admissions_of(principal, limit=MAXIMUM_LIMIT).rows
        return Response(CallerRecord(caller).data)
