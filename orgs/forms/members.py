"""Members: filter them, hand the organization over."""

from django import forms

from config.kernel.permissions import Role


class MemberFilterForm(forms.Form):
    """What a list of members is narrowed to."""

    q = forms.CharField(max_length=254, required=False)
    role = forms.ChoiceField(required=False, choices=[(role.value, role.value) for role in Role])


class TransferForm(forms.Form):
    """Who becomes an owner, and what the owner is afterwards."""

    email = forms.EmailField(
        max_length=254,
        label="New owner",
        help_text="The e-mail address of a member.",
        widget=forms.EmailInput(attrs={"autocomplete": "off"}),
    )
    own_role = forms.ChoiceField(
        label="Your role afterwards",
        choices=[(role.value, role.value.capitalize()) for role in (Role.ADMIN, Role.DEVELOPER, Role.VIEWER)],
    )
