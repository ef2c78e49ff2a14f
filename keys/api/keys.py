"""Keys of a project."""

from datetime import timedelta

from rest_framework.request import Request
from rest_framework.response import Response

from config.kernel.access import project
from config.kernel.api.idempotency import idempotent
from config.kernel.api.operations import listing, operation
from config.kernel.api.views import ApiView
from config.kernel.errors import Absent, Conflict
from config.kernel.permissions import Permission
from keys.models import Key
from keys.serializers.keys import IssuedKey, KeyChanges, KeyQuery, KeyRecord, NewKey, Rotation
from keys.services import key_changes
from keys.services import keys as services


class Keys(ApiView):
    """The keys of a project."""

    access = {"GET": project(Permission.VIEW_ORG), "POST": project(Permission.MANAGE_KEYS)}

    @listing("list_keys", KeyRecord, query=KeyQuery)
    def get(self, request: Request, organization: str, project: str) -> Response:
        """The keys, newest first, also those that have ended."""
        rows = Key.objects.of_project(self.admission.project.id).with_use()
        rows = rows.matching(mode=self.query.get("mode", ""), kind=self.query.get("kind", ""))
        if "state" in self.query:
            rows = rows.in_state(self.query["state"])
        return self.page(rows, KeyRecord)

    @idempotent
    @operation("create_key", IssuedKey, body=NewKey, status=201, refusals=[Conflict])
    def post(self, request: Request, organization: str, project: str) -> Response:
        """Makes a key and answers with its plaintext, `key`.

        Nobody gives a key a permission of people that they lack themselves.
        """
        key, plaintext = services.create_key(
            actor=self.admission.principal,
            holder=self.admission.permissions,
            project_id=self.admission.project.id,
            **self.read(),
        )
        return self.answer(key, KeyRecord, status=201, key=plaintext)


class OneKey(ApiView):
    """One key."""

    access = {"GET": project(Permission.VIEW_ORG), "PATCH": project(Permission.MANAGE_KEYS)}

    @operation("get_key", KeyRecord)
    def get(self, request: Request, organization: str, project: str, key: str) -> Response:
        """One key."""
        found = Key.objects.of_project(self.admission.project.id).with_use().by_reference(key)
        if found is None:
            raise Absent
        return self.answer(found, KeyRecord)

    @operation("update_key", KeyRecord, body=KeyChanges, matches=True)
    def patch(self, request: Request, organization: str, project: str, key: str) -> Response:
        """Changes the key. All but name and note needs whatever making such a key needs."""
        project_id = self.admission.project.id
        with self.matching(lambda: services.locked_key(project_id=project_id, reference=key), KeyRecord):
            updated = key_changes.update_key(
                actor=self.admission.principal,
                holder=self.admission.permissions,
                project_id=project_id,
                key=key,
                **self.read(),
            )
        return self.answer(updated, KeyRecord)


class KeyRotation(ApiView):
    """Replacing a key."""

    access = {"POST": project(Permission.MANAGE_KEYS)}

    @idempotent
    @operation("rotate_key", IssuedKey, body=Rotation, status=201, refusals=[Conflict])
    def post(self, request: Request, organization: str, project: str, key: str) -> Response:
        """Makes a key like this one and answers with its plaintext, `key`; the old one ends after the overlap.

        The uses that are left go over to the new key. One that was replaced already is not rotated again.
        """
        wanted = self.read()
        new, plaintext = services.rotate_key(
            actor=self.admission.principal,
            holder=self.admission.permissions,
            project_id=self.admission.project.id,
            key=key,
            overlap=timedelta(seconds=wanted["overlap_seconds"]),
            expires_at=wanted.get("expires_at"),
        )
        return self.answer(new, KeyRecord, status=201, key=plaintext)


class KeyRevocation(ApiView):
    """Ending a key."""

    access = {"POST": project(Permission.MANAGE_KEYS)}

    @operation("revoke_key", KeyRecord)
    def post(self, request: Request, organization: str, project: str, key: str) -> Response:
        """Ends a key at once. Doing so twice is no error."""
        revoked = services.revoke_key(actor=self.admission.principal, project_id=self.admission.project.id, key=key)
        return self.answer(revoked, KeyRecord)


class KeyRelease(ApiView):
    """Taking a key out of quarantine."""

    access = {"POST": project(Permission.MANAGE_KEYS)}

    @operation("release_key", KeyRecord, refusals=[Conflict])
    def post(self, request: Request, organization: str, project: str, key: str) -> Response:
        """Lets a key in quarantine work again. Doing so twice is no error."""
        released = services.release_key(
            actor=self.admission.principal,
            holder=self.admission.permissions,
            project_id=self.admission.project.id,
            key=key,
        )
        return self.answer(released, KeyRecord)
