"""What an organization asks of sign-ins: the three states of single sign-on, who is affected, break-glass codes."""

from typing import Any

from django import forms
from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import redirect
from django.urls import reverse
from django.utils import timezone
from django.utils.http import urlencode

from config.kernel.access import organization
from config.kernel.api.views import etag_of
from config.kernel.errors import Absent, Forbidden
from config.kernel.pages import EditPage, FormPage
from config.kernel.permissions import Permission, Role
from keys.views.shown_once import SecretPage
from orgs.models import BreakGlassCode, Membership, SignInPolicy
from orgs.selectors import BreakGlassHolder, affected_by_single_sign_on, holders_of_break_glass_codes
from orgs.services import break_glass, sign_in_policies
from orgs.services.authority import lock_organization
from orgs.views.person import person_of
from sso.forms.policy import LATER, NOW, MakeCodesForm, PolicyForm, proposed_begin

MANAGER = organization(Permission.MANAGE_SSO)
# Beyond that pilots are chosen over REST.
MEMBERS_SHOWN = 500


def nobody_holds(holders: list[BreakGlassHolder]) -> bool:
    """Whether nobody of them has a code left."""
    return not any(holder.left for holder in holders)


class PolicyPage(EditPage):
    """The policy with all that is to be known before it is changed."""

    access = {"GET": MANAGER, "POST": MANAGER.after_recent_proof()}
    template_name = "sso/policy.html"
    navigation = "sign-in"
    form_class = PolicyForm

    def form_arguments(self) -> dict[str, Any]:
        self.policy = sign_in_policies.policy_in_scope()
        members = Membership.objects.with_people().filter(user__is_active=True).order_by("user__email")
        begin = self.policy.required_from
        return {
            "members": list(members[:MEMBERS_SHOWN]),
            "initial": {
                "enforcement": self.policy.enforcement,
                "pilots": [str(user_id) for user_id in sign_in_policies.pilots_in_scope()],
                "begin": NOW if begin and self.policy.has_begun(timezone.now()) else LATER,
                "required_from": begin or proposed_begin(timezone.now()),
                "guests": self.policy.guests,
                "session_hours": self.policy.session_hours,
                "require_second_factor": self.policy.require_second_factor,
            },
        }

    def form_context(self) -> dict[str, Any]:
        now = timezone.now()
        page = reverse("sso:policy", args=[self.admission.organization.slug])
        readiness = sign_in_policies.readiness_of(self.admission.principal)
        holders = holders_of_break_glass_codes()
        return {
            "tab": "policy",
            "policy": self.policy,
            "holds": self.policy.holds_at(now),
            "ended": self.policy.ended_by_itself(now),
            "readiness": readiness,
            "starts": [
                {"name": each.name, "address": f"{each.start_path}?{urlencode({'next': page})}"}
                for each in readiness.connections
            ],
            "affected": affected_by_single_sign_on(),
            "holders": holders,
            "nobody_holds_codes": nobody_holds(holders),
            "is_owner": self.admission.membership.role == Role.OWNER,
        }

    def lock(self) -> None:
        lock_organization()  # as every change of the policy does

    def version(self, form: forms.BaseForm) -> str:
        # What the form proposes moves with the clock; what is set does not.
        given = {name: value for name, value in form.initial.items() if name not in ("begin", "required_from")}
        return etag_of({**given, "set": self.policy.required_from}).strip('"')

    def save(self, form: PolicyForm) -> HttpResponse:
        wanted = form.wanted()
        # The form always names a time; one that is in force already is no new one.
        if self.policy.enforcement == SignInPolicy.Enforcement.REQUIRED == wanted["enforcement"]:
            unchanged = "required_from" not in form.changed_data and "begin" not in form.changed_data
            if unchanged:
                wanted.pop("required_from", None)
        actor = self.admission.principal
        try:
            policy = sign_in_policies.change_sign_in_policy(actor=actor, **wanted)
        except sign_in_policies.NotReady as refusal:
            sign_in_policies.note_not_ready(actor=actor, refusal=refusal)
            raise
        messages.success(self.request, SAVED[policy.enforcement])
        if policy.enforcement == SignInPolicy.Enforcement.REQUIRED and nobody_holds(holders_of_break_glass_codes()):
            messages.warning(self.request, "No owner holds break-glass codes: make some, for the day nothing works.")
        return redirect("sso:policy", self.admission.organization.slug)


SAVED = {
    "off": "The policy is saved. Single sign-on is not required.",
    "pilot": "The policy is saved. The chosen members sign in by single sign-on.",
    "required": "The policy is saved. Everybody concerned is told by mail.",
}


class BreakGlassCodesPage(SecretPage):
    """Makes codes for the viewer, an owner, which are shown this once."""

    access = MANAGER.after_recent_proof()
    template_name = "sso/break_glass_codes.html"
    made_template = "sso/break_glass_codes_made.html"
    sent_before_template = "sso/break_glass_codes_sent_before.html"
    navigation = "sign-in"
    form_class = MakeCodesForm

    def form_arguments(self) -> dict[str, Any]:
        if self.admission.membership.role != Role.OWNER:
            raise Forbidden("Break-glass codes are for owners: ask one of them to make theirs.")
        return {}

    def form_context(self) -> dict[str, Any]:
        mine = [h for h in holders_of_break_glass_codes() if h.user_id == self.admission.membership.user_id]
        return {"left": mine[0].left if mine else 0}

    def make(self, form: MakeCodesForm) -> tuple[list[str], str]:
        codes = break_glass.make_codes(actor=person_of(self.admission))
        return codes, "\n".join(codes)


class BreakGlassWithdraw(FormPage):
    """Says whose codes end, then ends them."""

    access = MANAGER.after_recent_proof()
    template_name = "sso/break_glass_withdraw.html"
    navigation = "sign-in"

    def form_arguments(self) -> dict[str, Any]:
        membership = Membership.objects.with_people().by_reference(self.kwargs["member"])
        if membership is None:
            raise Absent
        self.holder = membership
        return {}

    def form_context(self) -> dict[str, Any]:
        left = BreakGlassCode.objects.filter(user_id=self.holder.user_id, used_at=None).count()
        return {"holder": self.holder, "left": left}

    def save(self, form: Any) -> HttpResponse:
        break_glass.withdraw_codes(actor=self.admission.principal, user_id=self.holder.user_id)
        messages.success(self.request, f"No break-glass code of {self.holder.user.email} works any more.")
        return redirect("sso:policy", self.admission.organization.slug)
