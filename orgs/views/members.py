"""Members: list, change a role, remove, leave, hand over."""

from dataclasses import dataclass
from functools import cached_property
from typing import Any

from django import forms
from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect

from config.kernel.access import organization
from config.kernel.errors import Absent, Forbidden, Invalid
from config.kernel.pages import FormPage, Page
from config.kernel.permissions import Permission, Role, may_assign
from orgs.forms.members import MemberFilterForm, TransferForm
from orgs.forms.role_choice import RoleChoiceForm, role_arguments
from orgs.models import Membership
from orgs.models.user import normalize_email
from orgs.selectors import custom_roles, end_of_membership
from orgs.services.members import change_role, leave, remove_member, transfer_ownership
from orgs.views.person import person_of

ROLE_FILTERS = [(role.value, "Custom role" if role == Role.CUSTOM else role.value.capitalize()) for role in Role]


@dataclass(frozen=True)
class MemberRow:
    """A line of the list. `manageable` when the viewer may change and remove this member."""

    membership: Membership
    is_self: bool
    manageable: bool


class MembersPage(Page):
    """Everybody in the organization, newest first."""

    access = {"GET": organization(Permission.VIEW_ORG)}
    template_name = "orgs/members.html"
    navigation = "members"

    def get(self, request: HttpRequest, **kwargs: str) -> HttpResponse:
        filters = MemberFilterForm(request.GET)
        if not filters.is_valid():
            raise Invalid("Search with other words, or choose a role of the list.")
        text, role = filters.cleaned_data["q"], filters.cleaned_data["role"]
        rows = Membership.objects.with_people().with_second_factor()
        if text:
            rows = rows.matching(text)
        if role:
            rows = rows.filter(role=role)
        context = self.listed(rows)
        context["rows"] = [self._row(membership) for membership in context["rows"]]
        return self.show({**context, "text": text, "role": role, "role_filters": ROLE_FILTERS})

    def _row(self, membership: Membership) -> MemberRow:
        held = self.admission.permissions
        return MemberRow(
            membership,
            is_self=membership.id == self.admission.membership.id,
            manageable=Permission.MANAGE_MEMBERS in held and may_assign(holder=held, assigned=membership.permissions),
        )


class MemberPage(FormPage):
    """Base of the pages about one other member. Shows nothing to whoever has no authority over them."""

    access = organization(Permission.MANAGE_MEMBERS)
    navigation = "members"

    @cached_property
    def member(self) -> Membership:
        """The member that the address names. Raises Absent."""
        membership = Membership.objects.with_people().by_reference(self.kwargs["member"])
        if membership is None:
            raise Absent
        return membership

    def form_context(self) -> dict[str, Any]:
        if not may_assign(holder=self.admission.permissions, assigned=self.member.permissions):
            raise Forbidden("This member may do more than you: ask somebody with a higher role.")
        return {"member": self.member}


class MemberRolePage(MemberPage):
    """Another role."""

    form_class = RoleChoiceForm
    template_name = "orgs/member_role.html"

    def form_arguments(self) -> dict[str, Any]:
        custom_role = self.member.custom_role
        return {
            "holder": self.admission.permissions,
            "custom_roles": custom_roles(),
            "initial": {"role": custom_role.public_id if custom_role else self.member.role},
        }

    def save(self, form: RoleChoiceForm) -> HttpResponse:
        changed = change_role(
            actor=self.admission.principal, user_id=self.member.user_id, **role_arguments(form.cleaned_data["role"])
        )
        messages.success(self.request, f"{changed.user.display_name} now has the role {changed.role_name}.")
        return redirect("orgs:members", self.admission.organization.slug)


class MemberRemovePage(MemberPage):
    """The end of a membership, with what it stops. Whoever names themselves leaves."""

    template_name = "orgs/member_remove.html"

    def get(self, request: HttpRequest, **kwargs: str) -> HttpResponse:
        if self.member.id == self.admission.membership.id:
            return redirect("orgs:leave", self.admission.organization.slug)
        return super().get(request, **kwargs)

    def form_context(self) -> dict[str, Any]:
        return {**super().form_context(), "end": end_of_membership(self.member)}

    def save(self, form: forms.Form) -> HttpResponse:
        remove_member(actor=self.admission.principal, user_id=self.member.user_id)
        messages.success(self.request, f"{self.member.user.display_name} is no longer a member.")
        if self.member.id == self.admission.membership.id:
            return redirect("orgs:home")
        return redirect("orgs:members", self.admission.organization.slug)


class LeavePage(FormPage):
    """The end of one's own membership, with what it stops."""

    access = organization(Permission.VIEW_ORG)
    template_name = "orgs/leave.html"
    navigation = "members"

    def form_context(self) -> dict[str, Any]:
        return {"end": end_of_membership(self.admission.membership)}

    def save(self, form: forms.Form) -> HttpResponse:
        leave(actor=person_of(self.admission))
        messages.success(self.request, f"You left {self.admission.organization.name}.")
        return redirect("orgs:home")


class TransferPage(FormPage):
    """An owner hands the organization to another member."""

    access = organization(Permission.DELETE_ORG)
    form_class = TransferForm
    template_name = "orgs/transfer.html"
    navigation = "settings"

    def form_arguments(self) -> dict[str, Any]:
        chosen = Membership.objects.with_people().by_reference(self.request.GET.get("to", ""))
        return {"initial": {"email": chosen.user.email}} if chosen else {}

    def save(self, form: TransferForm) -> HttpResponse:
        email = normalize_email(form.cleaned_data["email"])
        chosen = Membership.objects.filter(user__email=email).first()
        if chosen is None:
            raise Invalid.field("email", "No member has this address: invite the person first.")
        theirs = transfer_ownership(
            actor=person_of(self.admission), to_user_id=chosen.user_id, own_role=form.cleaned_data["own_role"]
        )
        messages.success(self.request, f"{theirs.user.display_name} is an owner now.")
        return redirect("orgs:members", self.admission.organization.slug)
