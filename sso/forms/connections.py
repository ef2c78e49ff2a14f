"""Forms of the pages of connections."""

from typing import Any

from django import forms

from config.kernel.permissions import Role
from orgs.forms.role_choice import RoleChoiceForm, RoleField
from sso.certificates import split_blocks
from sso.models import Configuration, Connection, ConnectionLogEntry
from sso.saml_metadata import MOST_BYTES

LONGEST_ADDRESS = 500
LONGEST_NAME = 255
LONGEST_SECRET = 2048
AS_TYPED = {"autocomplete": "off", "autocapitalize": "none", "spellcheck": "false"}
ATTRIBUTES = ("email_attribute", "name_attribute", "groups_attribute")


def address_field(label: str, help_text: str) -> forms.CharField:
    """One line for an address. What is wrong with it the service says."""
    return forms.CharField(
        label=label,
        help_text=help_text,
        max_length=LONGEST_ADDRESS,
        widget=forms.TextInput(attrs=AS_TYPED),
    )


class AssignedRoleForm(RoleChoiceForm):
    """A role that an identity provider may give: any but owner."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        field: RoleField = self.fields["role"]  # type: ignore[assignment]
        field.widget.choices = [choice for choice in field.widget.choices if choice[0] != Role.OWNER]


class NewConnectionForm(AssignedRoleForm):
    """The beginning of a connection, which gives it its addresses."""

    name = forms.CharField(
        max_length=Connection._meta.get_field("name").max_length,
        help_text="People choose by it when there are several: the provider's name, such as Okta.",
        widget=forms.TextInput(attrs={"autocomplete": "off"}),
    )
    protocol = forms.ChoiceField(choices=Connection.Protocol.choices, widget=forms.RadioSelect, initial="oidc")
    role = RoleField(
        label="Role of newcomers",
        initial=Role.VIEWER.value,
        help_text="What people get who come in for the first time, unless a group of theirs has a role.",
    )
    field_order = ("name", "protocol", "role")


class ConnectionSettingsForm(AssignedRoleForm):
    """What is not part of the configuration."""

    name = forms.CharField(
        max_length=Connection._meta.get_field("name").max_length, widget=forms.TextInput(attrs={"autocomplete": "off"})
    )
    enabled = forms.BooleanField(
        required=False, help_text="People can sign in through it. Otherwise it rests, and only tests work."
    )
    allow_idp_initiated = forms.BooleanField(
        required=False,
        label="Allow sign-ins that begin at the provider",
        help_text="From its portal of applications. Whoever can send somebody a link can then sign them in as somebody "
        "else, so leave it off unless you need it.",
    )
    role = RoleField(
        label="Role of newcomers",
        help_text="What people get who come in for the first time, unless a group of theirs has a role.",
    )
    field_order = ("name", "enabled", "allow_idp_initiated", "role")

    def __init__(self, *args: Any, is_saml: bool, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if not is_saml:
            del self.fields["allow_idp_initiated"]


class AttributeFields(forms.Form):
    """Where the provider tells who somebody is, if not in the usual place."""

    email_attribute = forms.CharField(
        label="E-mail address", required=False, max_length=LONGEST_NAME, widget=forms.TextInput(attrs=AS_TYPED)
    )
    name_attribute = forms.CharField(
        label="Name", required=False, max_length=LONGEST_NAME, widget=forms.TextInput(attrs=AS_TYPED)
    )
    groups_attribute = forms.CharField(
        label="Groups",
        required=False,
        max_length=LONGEST_NAME,
        widget=forms.TextInput(attrs=AS_TYPED),
    )

    def attributes(self) -> dict[str, str]:
        """As `provider_of` takes them."""
        return {name: self.cleaned_data[name].strip() for name in ATTRIBUTES}


class OidcForm(AttributeFields):
    """A provider of OpenID Connect."""

    issuer = address_field("Issuer", "Exactly as the provider writes it, such as https://acme.okta.com.")
    client_id = forms.CharField(label="Client ID", max_length=LONGEST_NAME, widget=forms.TextInput(attrs=AS_TYPED))
    client_secret = forms.CharField(
        label="Client secret",
        max_length=LONGEST_SECRET,
        strip=False,
        widget=forms.PasswordInput(attrs={**AS_TYPED, "autocomplete": "new-password"}),
        help_text="Kept encrypted and never shown again.",
    )

    def __init__(self, *args: Any, before: Configuration | None, **kwargs: Any) -> None:
        kwargs["initial"] = (
            {name: getattr(before, name) for name in ("issuer", "client_id", *ATTRIBUTES)} if before else {}
        )
        super().__init__(*args, **kwargs)
        if before:
            self.fields["client_secret"].required = False
            self.fields["client_secret"].help_text = "Leave it empty to keep the present one."

    def given(self) -> dict[str, Any]:
        """As `provider_of` takes it."""
        found = {name: self.cleaned_data[name] for name in ("issuer", "client_id")}
        secret = self.cleaned_data["client_secret"]
        return {**found, **({"client_secret": secret} if secret else {}), **self.attributes()}


class SamlForm(AttributeFields):
    """A provider of SAML 2.0, named in one of three ways."""

    URL, XML, FIELDS = "url", "xml", "fields"
    WAYS = (
        (URL, "The address of its metadata: read every day, so that new certificates get here by themselves"),
        (XML, "The text of its metadata"),
        (FIELDS, "Field by field"),
    )

    NEEDED = {URL: ("metadata_url",), XML: ("metadata_xml",), FIELDS: ("entity_id", "sso_url", "certificates")}

    way = forms.ChoiceField(label="How to name the provider", choices=WAYS, widget=forms.RadioSelect, initial=URL)
    metadata_url = address_field("Address of the metadata", "Begins with https://.")
    metadata_xml = forms.CharField(
        label="Metadata (XML)",
        max_length=MOST_BYTES,
        widget=forms.Textarea(attrs={**AS_TYPED, "rows": 8}),
    )
    entity_id = address_field("Entity ID of the provider", "Also called issuer; often looks like an address.")
    sso_url = address_field("Sign-in address", "For the binding HTTP-Redirect.")
    certificates = forms.CharField(
        max_length=MOST_BYTES,
        label="Signing certificates",
        help_text="PEM, one below the other: the new one beside the old one while the provider changes them.",
        widget=forms.Textarea(attrs={**AS_TYPED, "rows": 8}),
    )
    signs_response_only = forms.BooleanField(
        required=False,
        label="The provider signs only the whole response",
        help_text="Otherwise the assertion in it must be signed, as most providers do.",
    )

    def __init__(self, *args: Any, before: Configuration | None, **kwargs: Any) -> None:
        kwargs["initial"] = self._initial(before) if before else {}
        super().__init__(*args, **kwargs)
        if self.is_bound:
            chosen = self.NEEDED.get(self.data.get("way", ""), ())
            for name in {name for names in self.NEEDED.values() for name in names}:
                self.fields[name].required = name in chosen

    def _initial(self, before: Configuration) -> dict[str, Any]:
        fields = ("entity_id", "sso_url", "metadata_url", "signs_response_only", *ATTRIBUTES)
        return {
            **{name: getattr(before, name) for name in fields},
            "way": self.URL if before.metadata_url else self.FIELDS,
            "certificates": "\n".join(row.pem for row in before.certificates.order_by("id")),
        }

    def given(self) -> dict[str, Any]:
        """As `provider_of` takes it: what belongs to the way that was chosen, and nothing of the others."""
        cleaned = self.cleaned_data
        common = {"signs_response_only": cleaned["signs_response_only"], **self.attributes()}
        if cleaned["way"] != self.FIELDS:
            (name,) = self.NEEDED[cleaned["way"]]
            return {name: cleaned[name].strip(), **common}
        return {
            "entity_id": cleaned["entity_id"],
            "sso_url": cleaned["sso_url"],
            "certificates": split_blocks(cleaned["certificates"]),
            **common,
        }


class GroupForm(AssignedRoleForm):
    """A group and its role."""

    group = forms.CharField(
        max_length=LONGEST_NAME,
        help_text="As the provider names it; with Entra ID that is the group's object id.",
        widget=forms.TextInput(attrs=AS_TYPED),
    )
    field_order = ("group", "role")


class LogFilter(forms.Form):
    """What the log is narrowed to."""

    outcome = forms.ChoiceField(
        required=False, choices=[("", "Everything"), *ConnectionLogEntry.Outcome.choices], label="What happened"
    )
    email = forms.EmailField(required=False, label="E-mail address")
