"""Forms of the pages of service grants."""

from typing import Any
from uuid import UUID

from django import forms

from config.kernel.permissions import GRANT_PERMISSIONS, PERSONAL_PERMISSIONS, Permission
from keys.forms.credentials import permission_choices
from orgs.models import ServiceAccount
from projects.forms.reference import ProjectReference


class GrantForm(forms.Form):
    """Which product may do what, and where. Offers what `holder` may grant; the service judges what comes back."""

    service_account = forms.ChoiceField(label="Product", widget=forms.RadioSelect)
    project = ProjectReference(
        label="Only in the project",
        help_text="Its slug or id. Without one the product may act in the whole organization, in every project.",
    )
    permissions = forms.MultipleChoiceField(
        label="It may",
        help_text="Grant no more than the product needs.",
        widget=forms.CheckboxSelectMultiple,
        choices=permission_choices(GRANT_PERMISSIONS),
    )

    def __init__(
        self, *args: Any, holder: frozenset[Permission], accounts: list[ServiceAccount], **kwargs: Any
    ) -> None:
        super().__init__(*args, **kwargs)
        self.accounts = {account.public_id: account for account in accounts}
        account_field: forms.ChoiceField = self.fields["service_account"]  # type: ignore[assignment]
        account_field.choices = [
            (reference, f"{account.name}: {account.description}" if account.description else account.name)
            for reference, account in self.accounts.items()
        ]
        permission_field: forms.MultipleChoiceField = self.fields["permissions"]  # type: ignore[assignment]
        permission_field.widget.choices = permission_choices(GRANT_PERMISSIONS - (PERSONAL_PERMISSIONS - holder))

    def chosen_account(self) -> UUID:
        """The id of the account."""
        return self.accounts[self.cleaned_data["service_account"]].id
