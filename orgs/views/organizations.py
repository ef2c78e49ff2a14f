"""One organization: its overview and its settings."""

from typing import Any

from django.conf import settings
from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.utils import timezone

from config.kernel.access import organization
from config.kernel.pages import EditPage, FormPage, Page
from config.kernel.permissions import Permission
from orgs.forms.organizations import ConfirmationForm, SettingsForm
from orgs.models import EmailDomain, Invitation, Membership, Organization
from orgs.models.organization import erasure_time
from orgs.selectors import guide
from orgs.services.authority import lock_organization
from orgs.services.organizations import delete_organization, restore_organization, update_organization
from orgs.services.sign_in_policies import policy_in_scope
from orgs.views.home import LAST_ORGANIZATION

WAITING_SHOWN = 5


class OverviewPage(Page):
    """First steps, figures, who is waited for, and what happened last. Other apps' panels come by hx-get."""

    access = {"GET": organization(Permission.VIEW_ORG, while_inactive=True)}
    template_name = "orgs/overview.html"
    navigation = "overview"

    def get(self, request: HttpRequest, **kwargs: str) -> HttpResponse:
        current = self.admission.organization
        if request.session.get(LAST_ORGANIZATION) != str(current.id):
            request.session[LAST_ORGANIZATION] = str(current.id)
        if current.status == Organization.Status.DELETING:
            owners = Membership.objects.owners().with_people().order_by("user__email")
            return self.show({"owners": owners}, template="orgs/deleting.html")
        context: dict[str, Any] = {
            "guide": guide(),
            "address": settings.TENANTRY_URL,
            "members": Membership.objects.count(),
        }
        if Permission.MANAGE_MEMBERS in self.admission.permissions:
            waiting = Invitation.objects.in_state(Invitation.State.PENDING).with_roles()
            context["waiting"] = waiting.order_by("-id")[:WAITING_SHOWN]
            context["waiting_count"] = waiting.count()
        if Permission.MANAGE_SSO in self.admission.permissions:
            context["sso_ended"] = policy_in_scope().ended_by_itself(timezone.now())
            lost = EmailDomain.objects.filter(status=EmailDomain.Status.LOST)
            context["lost_domains"] = list(lost.order_by("-id").values_list("domain", flat=True))
        return self.show(context)


class SettingsPage(EditPage):
    """Name and slug, the plan, the danger zone. Whoever may not change them reads them."""

    access = {
        "GET": organization(Permission.VIEW_ORG, while_inactive=True),
        "POST": organization(Permission.MANAGE_BILLING),
    }
    form_class = SettingsForm
    template_name = "orgs/settings.html"
    navigation = "settings"

    def get(self, request: HttpRequest, **kwargs: str) -> HttpResponse:
        if self.admission.organization.status == Organization.Status.DELETING:
            return redirect("orgs:overview", self.admission.organization.slug)
        return super().get(request, **kwargs)

    def form_arguments(self) -> dict[str, Any]:
        current = self.admission.organization
        return {"initial": {"name": current.name, "slug": current.slug}}

    def lock(self) -> None:
        lock_organization()
        self.admission.organization.refresh_from_db()

    def save(self, form: SettingsForm) -> HttpResponse:
        changed = update_organization(actor=self.admission.principal, **form.cleaned_data)
        messages.success(self.request, "The settings are saved.")
        return redirect("orgs:settings", changed.slug)


class DeletePage(FormPage):
    """Deletion, with what it stops, confirmed by the typed slug."""

    access = organization(Permission.DELETE_ORG).after_recent_proof()
    form_class = ConfirmationForm
    template_name = "orgs/delete.html"
    navigation = "settings"

    def form_context(self) -> dict[str, Any]:
        return {"members": Membership.objects.count(), "erasure": erasure_time()}

    def save(self, form: ConfirmationForm) -> HttpResponse:
        deleted = delete_organization(actor=self.admission.principal, confirmation=form.cleaned_data["confirm"])
        return redirect("orgs:overview", deleted.slug)


class RestorePage(Page):
    """Takes a deletion back."""

    access = {"POST": organization(Permission.DELETE_ORG, while_inactive=True)}

    def post(self, request: HttpRequest, **kwargs: str) -> HttpResponse:
        restored = restore_organization(actor=self.admission.principal)
        messages.success(request, f"{restored.name} is restored. Everything works again.")
        return redirect("orgs:overview", restored.slug)
