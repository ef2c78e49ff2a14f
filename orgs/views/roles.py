"""Roles: what each may do, and the ones that the organization wrote itself."""

from functools import cached_property
from typing import Any

from django import forms
from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect

from config.kernel.access import organization
from config.kernel.errors import Absent, Forbidden
from config.kernel.pages import EditPage, FormPage, Page
from config.kernel.permissions import DESCRIPTIONS, PERSONAL_PERMISSIONS, ROLE_PERMISSIONS, Permission, may_assign
from orgs.forms.roles import CustomRoleForm
from orgs.models import CustomRole
from orgs.selectors import holders_of, role_uses
from orgs.services.authority import lock_organization
from orgs.services.roles import create_role, delete_role, update_role

BUILT_IN_NAMES = [role.value.capitalize() for role in ROLE_PERMISSIONS]
# Each permission with its words and, role by role from the highest, whether that has it.
MATRIX = [
    (permission.value, words, [permission in held for held in ROLE_PERMISSIONS.values()])
    for permission, words in DESCRIPTIONS.items()
    if permission in PERSONAL_PERMISSIONS
]


class RolesPage(Page):
    """The table of built-in roles, and the custom ones with their use."""

    access = {"GET": organization(Permission.VIEW_ORG)}
    template_name = "orgs/roles.html"
    navigation = "roles"

    def get(self, request: HttpRequest, **kwargs: str) -> HttpResponse:
        held = self.admission.permissions
        manages = Permission.MANAGE_MEMBERS in held
        uses = [(use, manages and may_assign(holder=held, assigned=use.role.permission_set)) for use in role_uses()]
        return self.show({"built_in": BUILT_IN_NAMES, "matrix": MATRIX, "uses": uses})


class RoleCreatePage(FormPage):
    """A new custom role."""

    access = organization(Permission.MANAGE_MEMBERS)
    form_class = CustomRoleForm
    template_name = "orgs/role_form.html"
    navigation = "roles"

    def form_arguments(self) -> dict[str, Any]:
        return {"holder": self.admission.permissions}

    def save(self, form: forms.Form) -> HttpResponse:
        role = create_role(actor=self.admission.principal, **form.cleaned_data)
        messages.success(self.request, f"The role {role.name} is ready to be given.")
        return redirect("orgs:roles", self.admission.organization.slug)


class RolePage(FormPage):
    """Base of the pages about one custom role. Shows nothing to whoever has less than the role."""

    access = organization(Permission.MANAGE_MEMBERS)
    navigation = "roles"

    @cached_property
    def role(self) -> CustomRole:
        """The role that the address names. Raises Absent."""
        role = CustomRole.objects.by_reference(self.kwargs["role"])
        if role is None:
            raise Absent
        return role

    def form_context(self) -> dict[str, Any]:
        if not may_assign(holder=self.admission.permissions, assigned=self.role.permission_set):
            raise Forbidden("That role may do more than yours: ask somebody with a higher role.")
        return {"role": self.role, "holders": holders_of(self.role)}


class RoleEditPage(RolePage, EditPage):
    """Changes a custom role, for everybody who has it."""

    form_class = CustomRoleForm
    template_name = "orgs/role_form.html"

    def form_arguments(self) -> dict[str, Any]:
        initial = {
            "name": self.role.name,
            "description": self.role.description,
            "permissions": self.role.permissions,
        }
        return {"holder": self.admission.permissions, "initial": initial}

    def lock(self) -> None:
        lock_organization()  # as every change of roles does

    def save(self, form: forms.Form) -> HttpResponse:
        role = update_role(actor=self.admission.principal, role_id=self.role.id, **form.cleaned_data)
        messages.success(self.request, f"The role {role.name} is saved.")
        return redirect("orgs:roles", self.admission.organization.slug)


class RoleDeletePage(RolePage):
    """Deletes a custom role, after showing who has it."""

    template_name = "orgs/role_delete.html"

    def save(self, form: forms.Form) -> HttpResponse:
        delete_role(actor=self.admission.principal, role_id=self.role.id)
        messages.success(self.request, f"The role {self.role.name} is deleted.")
        return redirect("orgs:roles", self.admission.organization.slug)
