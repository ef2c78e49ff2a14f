"""Where a person arrives, and the organizations they have."""

from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect

from config.kernel.access import SIGNED_IN
from config.kernel.pages import FormPage, Page
from orgs.forms.organizations import OrganizationForm
from orgs.models import Organization
from orgs.selectors import memberships_of, offers_to, proposed_slug
from orgs.services.organizations import create_organization
from orgs.views.person import person_of

# The session's key of the organization that was looked at last.
LAST_ORGANIZATION = "organization"


class OrganizationsPage(Page):
    """The organizations of a person; the first steps for somebody who has none."""

    access = {"GET": SIGNED_IN}
    navigation = "home"

    def get(self, request: HttpRequest, **kwargs: str) -> HttpResponse:
        person = person_of(self.admission)
        belongings = memberships_of(person.user_id)
        context = {"belongings": belongings, "offers": offers_to(person.user_id)}
        if belongings:
            return self.show(context, template="orgs/organizations.html")
        return self.show({"form": OrganizationForm(), **context}, template="orgs/welcome.html")


class Home(OrganizationsPage):
    """Leads into the organization that was used last, or into the only one."""

    def get(self, request: HttpRequest, **kwargs: str) -> HttpResponse:
        belongings = memberships_of(person_of(self.admission).user_id)
        organizations = [
            belonging.organization
            for belonging in belongings
            if belonging.organization.status != Organization.Status.DISABLED
        ]
        last = request.session.get(LAST_ORGANIZATION)
        chosen = [organization for organization in organizations if str(organization.id) == last]
        if not chosen and len(belongings) == 1:
            chosen = organizations
        if chosen:
            return redirect("orgs:overview", chosen[0].slug)
        return super().get(request, **kwargs)


class CreatePage(FormPage):
    """A new organization, owned by whoever makes it."""

    access = {"GET": SIGNED_IN, "POST": SIGNED_IN}
    form_class = OrganizationForm
    template_name = "orgs/create.html"
    navigation = "home"

    def save(self, form: OrganizationForm) -> HttpResponse:
        name = form.cleaned_data["name"]
        slug = form.cleaned_data["slug"] or proposed_slug(name)
        organization = create_organization(actor=person_of(self.admission), name=name, slug=slug)
        return redirect("orgs:overview", organization.slug)
