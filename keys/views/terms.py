"""Dashboard pages of what a key may and how often, of its quarantine, and of what the organization demands."""

from typing import Any

from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import redirect

from config.kernel.access import organization, project
from config.kernel.pages import EditPage, FormPage
from config.kernel.permissions import PERSONAL_PERMISSIONS, Permission
from keys.forms.terms import KeyPolicyForm, TermsForm
from keys.models import Key, KeyPolicy
from keys.services.key_changes import update_key
from keys.services.key_policies import set_key_policy
from keys.services.keys import release_key
from keys.views.keys import KeyEditPage, key_of, to_key

UNFIT_SHOWN = 20


class KeyTerms(KeyEditPage):
    """What a key may, from where, how often and until when."""

    access = project(Permission.MANAGE_KEYS)
    template_name = "keys/terms.html"
    navigation = "projects"
    form_class = TermsForm

    def form_arguments(self) -> dict[str, Any]:
        self.key = key_of(self.admission, self.kwargs["key"])
        return {"key": self.key, "holder": self.admission.permissions}

    def form_context(self) -> dict[str, Any]:
        beyond = (self.key.permission_set & PERSONAL_PERMISSIONS) - self.admission.permissions
        return {
            "section": "keys",
            "key": self.key,
            "beyond": sorted(beyond),
            "ended": self.key.state in (Key.State.REVOKED, Key.State.EXPIRED),
            "policy": KeyPolicy.objects.current(),
        }

    def save(self, form: TermsForm) -> HttpResponse:
        changed = update_key(
            actor=self.admission.principal,
            holder=self.admission.permissions,
            project_id=self.admission.project.id,
            key=self.key.public_id,
            **form.changes(),
        )
        messages.success(self.request, f"{changed.name} was saved.")
        return to_key(self.admission, changed)


class KeyRelease(FormPage):
    """Says what happens, then takes the key out of quarantine."""

    access = project(Permission.MANAGE_KEYS)
    template_name = "keys/release.html"
    navigation = "projects"

    def form_arguments(self) -> dict[str, Any]:
        self.key = key_of(self.admission, self.kwargs["key"])
        return {}

    def form_context(self) -> dict[str, Any]:
        return {"section": "keys", "key": self.key}

    def save(self, form: Any) -> HttpResponse:
        released = release_key(
            actor=self.admission.principal,
            holder=self.admission.permissions,
            project_id=self.admission.project.id,
            key=self.key.public_id,
        )
        messages.success(self.request, f"{released.name} works again.")
        return to_key(self.admission, released)


class KeyPolicyPage(EditPage):
    """What the organization demands, and which keys of before do not keep it. Set by those who manage members."""

    access = {"GET": organization(Permission.VIEW_ORG), "POST": organization(Permission.MANAGE_MEMBERS)}
    template_name = "keys/policy.html"
    navigation = "keys"
    form_class = KeyPolicyForm

    def form_arguments(self) -> dict[str, Any]:
        self.policy = KeyPolicy.objects.current()
        names = ("longest_lifetime_days", "is_expiry_required", "on_leak")
        return {"initial": {name: getattr(self.policy, name) for name in names}}

    def lock(self) -> None:
        KeyPolicy.objects.select_for_update().first()  # of two who make the first one at once, the later one's stands

    def form_context(self) -> dict[str, Any]:
        unfit = Key.objects.beyond(
            longest_lifetime=self.policy.longest_lifetime, is_expiry_required=self.policy.is_expiry_required
        )
        rows = list(unfit.select_related("project").order_by("-id")[: UNFIT_SHOWN + 1])
        return {"policy": self.policy, "unfit": rows[:UNFIT_SHOWN], "more": len(rows) > UNFIT_SHOWN}

    def save(self, form: KeyPolicyForm) -> HttpResponse:
        set_key_policy(actor=self.admission.principal, organization=self.admission.organization, **form.cleaned_data)
        messages.success(self.request, "The key policy is saved. It binds every key that is made from now on.")
        return redirect("keys:policy", self.admission.organization.slug)
