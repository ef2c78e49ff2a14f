"""Choosing a role, which several forms do."""

from collections.abc import Iterable
from typing import Any
from uuid import UUID

from django import forms

from config.kernel.identifiers import parse_public_id
from config.kernel.permissions import ROLE_PERMISSIONS, Permission, Role, may_assign
from orgs.models import CustomRole


class RoleField(forms.ChoiceField):
    """A built-in role by name, or a custom one by id.

    It offers what `holder` may give, and reads every role of the organization: a role above that is the service's to
    refuse, with its reason.
    """

    def offer(self, *, holder: frozenset[Permission], custom_roles: Iterable[CustomRole]) -> None:
        """Fills the field for one viewer."""
        built_in = [
            (role.value, role.value.capitalize(), permissions) for role, permissions in ROLE_PERMISSIONS.items()
        ]
        own = [(role.public_id, role.name, role.permission_set) for role in custom_roles]
        self.choices = [(value, words) for value, words, _ in built_in + own]
        self.widget.choices = [
            (value, words)
            for value, words, permissions in built_in + own
            if may_assign(holder=holder, assigned=permissions)
        ]


class RoleChoiceForm(forms.Form):
    """A form with a role in it, or one that is nothing more."""

    role = RoleField(label="Role")

    def __init__(
        self, *args: Any, holder: frozenset[Permission], custom_roles: Iterable[CustomRole], **kwargs: Any
    ) -> None:
        super().__init__(*args, **kwargs)
        field: RoleField = self.fields["role"]  # type: ignore[assignment]
        field.offer(holder=holder, custom_roles=custom_roles)


def role_arguments(value: str) -> dict[str, Any]:
    """What services take for a RoleField's value: `role` and `custom_role_id`."""
    custom_role_id: UUID | None = parse_public_id("rol", value)
    return {"role": Role.CUSTOM if custom_role_id else value, "custom_role_id": custom_role_id}
