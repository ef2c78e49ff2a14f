"""Forms of the project pages."""

from typing import Any, cast

from django import forms
from django.http import QueryDict
from django.utils.text import slugify

from config.kernel.permissions import ROLE_PERMISSIONS, Permission
from config.kernel.slugs import SLUG_LENGTH
from orgs.models import Membership
from orgs.models.user import normalize_email
from projects.models import PROJECT_ROLES, Project

NAME_LENGTH = Project._meta.get_field("name").max_length


class ProjectFilter(forms.Form):
    """What the list is narrowed to; `status` is active unless said otherwise."""

    q = forms.CharField(required=False, max_length=NAME_LENGTH, label="Name or slug")
    status = forms.ChoiceField(required=False, choices=Project.Status.choices)


class ProjectForm(forms.Form):
    """Name and slug. A slug that is left out is made from the name."""

    name = forms.CharField(max_length=NAME_LENGTH, widget=forms.TextInput(attrs={"autocomplete": "off"}))
    slug = forms.CharField(
        required=False,
        max_length=SLUG_LENGTH,
        help_text="Part of the project's address: lower-case letters, digits and hyphens. Made from the name if empty.",
        # Scripts propose the slug while the name is written.
        widget=forms.TextInput(
            attrs={"autocomplete": "off", "autocapitalize": "off", "spellcheck": "false", "data-slug-of": "id_name"}
        ),
    )

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean() or {}
        if not cleaned.get("slug") and cleaned.get("name"):
            slug = slugify(cleaned["name"]).replace("_", "-")[:SLUG_LENGTH].strip("-")
            if not slug:
                self.add_error("slug", "The name has no letters for a slug: write one.")
                return cleaned
            cleaned["slug"] = slug
            # Shown in the field, so that a slug which is taken can be changed.
            data = cast("QueryDict", self.data).copy()
            data["slug"] = slug
            self.data = data
        return cleaned


class ProjectSettingsForm(ProjectForm):
    """Name, slug, and what pages of unregistered domains get. What is left out stays as it is."""

    unregistered_domains = forms.ChoiceField(
        required=False,
        label="Pages of domains that are not registered",
        choices=[
            (Project.UnregisteredDomains.DOWNGRADE, "get the features of the free plan, and are listed as seen"),
            (Project.UnregisteredDomains.REJECT, "are refused"),
        ],
        help_text="With a publishable key of this project.",
    )

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean()
        cleaned["unregistered_domains"] = cleaned.get("unregistered_domains") or None
        return cleaned


class ProjectRoleForm(forms.Form):
    """A member, by address, and the role they get in the project. `holder` is what the viewer may do."""

    member = forms.EmailField(
        label="Email address of the member",
        widget=forms.EmailInput(attrs={"autocomplete": "off", "list": "people"}),
    )
    role = forms.ChoiceField(
        label="Role in this project", help_text="In place of the role they have in the organization."
    )

    def __init__(self, *args: Any, holder: frozenset[Permission], **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        roles = [role for role in PROJECT_ROLES if ROLE_PERMISSIONS[role] <= holder]
        self.fields["role"].choices = [(role.value, role.value.capitalize()) for role in roles]  # type: ignore[attr-defined]

    def clean_member(self) -> Membership:
        email = normalize_email(self.cleaned_data["member"])
        membership = Membership.objects.with_people().filter(user__email=email).first()
        if membership is None:
            raise forms.ValidationError("No member of this organization has this address: invite them first.")
        return membership
