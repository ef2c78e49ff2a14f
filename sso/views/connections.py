"""Dashboard pages of connections: the list, a new one, one of them, and what is changed of it."""

from functools import cached_property
from typing import Any

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.utils import timezone

from config.kernel.access import Admission, organization
from config.kernel.errors import Absent
from config.kernel.pages import EditPage, FormPage, Page
from config.kernel.permissions import Permission
from orgs.forms.confirmation import TypedConfirmation
from orgs.forms.role_choice import role_arguments
from orgs.models import CustomRole, EmailDomain, SignInPolicy
from sso import addresses
from sso.forms.connections import (
    ConnectionSettingsForm,
    GroupForm,
    NewConnectionForm,
    OidcForm,
    SamlForm,
)
from sso.models import Configuration, Connection, ConnectionLogEntry, GroupMapping
from sso.providers import provider_of
from sso.services import connections, group_mappings
from sso.services.authority import locked_connection
from sso.services.configurations import change_configuration, discard_draft
from sso.services.metadata import last_certificate, threshold_of

MANAGER = organization(Permission.MANAGE_SSO)
LATEST = 5


def to_connection(admission: Admission, connection: Connection) -> HttpResponse:
    """A redirect to the connection's page."""
    return redirect("sso:connection", admission.organization.slug, connection.public_id)


def addresses_of(connection: Connection) -> list[tuple[str, str, str]]:
    """What belongs into the identity provider: its usual names there, a short one, and the address."""
    if connection.protocol == Connection.Protocol.OIDC:
        return [
            ("Redirect URI (callback, sign-in redirect)", "redirect URI", addresses.redirect_uri(connection)),
            ("Back-channel logout URI", "logout URI", addresses.back_channel_logout_url(connection)),
            ("Initiate login URI (start)", "start address", addresses.start_url(connection)),
        ]
    return [
        ("ACS URL (single sign-on URL, reply URL)", "ACS URL", addresses.acs_url(connection)),
        ("Entity ID (audience, identifier)", "entity ID", addresses.sp_entity_id(connection)),
        ("Metadata", "metadata address", addresses.metadata_url(connection)),
        ("Sign-in address (start)", "start address", addresses.start_url(connection)),
    ]


def warnings_of(connection: Connection) -> dict[str, Any]:
    """What somebody should know of a live configuration, read `with_configurations`: `ends`, `is_over`, `failure`."""
    live = connection.live
    last = last_certificate(live) if live else None
    now = timezone.now()
    return {
        "connection": connection,
        "ends": last.not_after if last and threshold_of(last, now) is not None else None,
        "is_over": bool(last and last.not_after <= now),
        "failure": live.metadata_failure if live else "",
    }


def warned_connections() -> list[dict[str, Any]]:
    """The enabled connections of the organization in scope that need somebody, with why. Three queries at most."""
    rows = Connection.objects.filter(is_enabled=True).with_configurations().order_by("name")
    found = [warnings_of(connection) for connection in rows]
    return [warning for warning in found if warning["ends"] or warning["failure"]]


class ConnectionList(Page):
    """The connections; while there is none, what to do first."""

    access = {"GET": MANAGER}
    template_name = "sso/connections.html"
    navigation = "sign-in"

    def get(self, request: HttpRequest, **kwargs: Any) -> HttpResponse:
        listed = self.listed(Connection.objects.with_configurations())
        now = timezone.now()
        has_domain = EmailDomain.objects.proven().exists() if not listed["rows"] else True
        lines = [(row, warnings_of(row)) for row in listed["rows"]]
        return self.show({"tab": "connections", **listed, "lines": lines, "has_domain": has_domain, "now": now})


class ConnectionPanel(Page):
    """A fragment for the organization's overview: connections that need somebody, or nothing."""

    access = {"GET": MANAGER}
    template_name = "sso/connections_panel.html"

    def get(self, request: HttpRequest, **kwargs: Any) -> HttpResponse:
        return self.show({"warnings": warned_connections()})


class ConnectionCreate(FormPage):
    """A name, a protocol, a role; the next page shows the addresses and asks for the provider."""

    access = {"GET": MANAGER, "POST": MANAGER.after_recent_proof()}
    template_name = "sso/connection_create.html"
    navigation = "sign-in"
    form_class = NewConnectionForm

    def form_arguments(self) -> dict[str, Any]:
        return {"holder": self.admission.permissions, "custom_roles": CustomRole.objects.order_by("name")}

    def form_context(self) -> dict[str, Any]:
        return {"tab": "connections"}

    def save(self, form: NewConnectionForm) -> HttpResponse:
        made = connections.create_connection(
            actor=self.admission.principal,
            name=form.cleaned_data["name"],
            protocol=form.cleaned_data["protocol"],
            **role_arguments(form.cleaned_data["role"]),
        )
        return redirect("sso:connection-configure", self.admission.organization.slug, made.public_id)


class OfConnection(Page):
    """Base of what is about one connection."""

    navigation = "sign-in"

    @cached_property
    def connection(self) -> Connection:
        """The connection that the address names. Raises Absent."""
        found = Connection.objects.with_configurations().by_reference(self.kwargs["connection"])
        if found is None:
            raise Absent
        return found

    def context(self) -> dict[str, Any]:
        """What every page of a connection shows."""
        return {"tab": "connections", "connection": self.connection, "addresses": addresses_of(self.connection)}


class ConnectionDetail(OfConnection):
    """One connection with all that belongs to it."""

    access = {"GET": MANAGER}
    template_name = "sso/connection.html"

    def get(self, request: HttpRequest, **kwargs: Any) -> HttpResponse:
        mappings = GroupMapping.objects.filter(connection=self.connection).select_related("custom_role")
        log = ConnectionLogEntry.objects.filter(connection=self.connection).order_by("-id")[:LATEST]
        policy = SignInPolicy.objects.of_organization(self.connection.org_id)
        context = {
            **self.context(),
            "warning": warnings_of(self.connection),
            "mappings": mappings.order_by("group"),
            "latest": log,
            "enforcement": policy.enforcement if policy else SignInPolicy.Enforcement.OFF,
            "now": timezone.now(),
        }
        return self.show(context)


class ConnectionConfigure(OfConnection, FormPage):
    """How the identity provider is reached, beside the addresses that belong into it."""

    access = {"GET": MANAGER, "POST": MANAGER.after_recent_proof()}
    template_name = "sso/connection_configure.html"

    @cached_property
    def before(self) -> Configuration | None:
        """The draft, or else the live configuration."""
        return self.connection.draft or self.connection.live

    @property
    def form_class(self) -> Any:  # type: ignore[override] # depends on the protocol
        """Of the connection's protocol."""
        return OidcForm if self.connection.protocol == Connection.Protocol.OIDC else SamlForm

    def form_arguments(self) -> dict[str, Any]:
        return {"before": self.before}

    def form_context(self) -> dict[str, Any]:
        return {**self.context(), "before": self.before}

    def save(self, form: OidcForm | SamlForm) -> HttpResponse:
        provider = provider_of(self.connection.protocol, form.given(), before=self.before)
        made = change_configuration(actor=self.admission.principal, connection_id=self.connection.id, provider=provider)
        if made.state == Configuration.State.DRAFT:
            messages.success(self.request, "Saved as a draft. It goes live as soon as a test of it passed.")
        else:
            messages.success(self.request, "Saved. Test the connection, then enable it in its settings.")
        return to_connection(self.admission, self.connection)


class ConnectionDiscard(OfConnection):
    """Throws the draft away."""

    access = {"POST": MANAGER.after_recent_proof()}

    def post(self, request: HttpRequest, **kwargs: Any) -> HttpResponse:
        discard_draft(actor=self.admission.principal, connection_id=self.connection.id)
        messages.success(request, "The draft is discarded. What is live stays.")
        return to_connection(self.admission, self.connection)


class ConnectionSettings(OfConnection, EditPage):
    """Name, state, role of newcomers, and what disabling would mean."""

    access = {"GET": MANAGER, "POST": MANAGER.after_recent_proof()}
    template_name = "sso/connection_settings.html"
    form_class = ConnectionSettingsForm

    def form_arguments(self) -> dict[str, Any]:
        row = self.connection
        return {
            "holder": self.admission.permissions,
            "custom_roles": CustomRole.objects.order_by("name"),
            "is_saml": row.protocol == Connection.Protocol.SAML,
            "initial": {
                "name": row.name,
                "enabled": row.is_enabled,
                "allow_idp_initiated": row.allow_idp_initiated,
                "role": row.custom_role.public_id if row.custom_role else row.role,
            },
        }

    def form_context(self) -> dict[str, Any]:
        return {**self.context(), "ending": connections.preview_ending(self.connection)}

    def lock(self) -> None:
        locked_connection(self.connection.id)
        self.connection.refresh_from_db()

    def save(self, form: ConnectionSettingsForm) -> HttpResponse:
        changes = form.cleaned_data
        # A role above the viewer's own is not theirs to give, but keeping it changes nothing.
        role = role_arguments(changes["role"]) if "role" in form.changed_data else {}
        connections.update_connection(
            actor=self.admission.principal,
            connection_id=self.connection.id,
            name=changes["name"],
            enabled=changes["enabled"],
            allow_idp_initiated=changes.get("allow_idp_initiated"),
            **role,
        )
        messages.success(self.request, "Saved.")
        return to_connection(self.admission, self.connection)


class ConnectionGroups(OfConnection, FormPage):
    """A form for one more group."""

    access = {"GET": MANAGER, "POST": MANAGER.after_recent_proof()}
    template_name = "sso/connection_group.html"
    form_class = GroupForm

    def form_arguments(self) -> dict[str, Any]:
        return {"holder": self.admission.permissions, "custom_roles": CustomRole.objects.order_by("name")}

    def form_context(self) -> dict[str, Any]:
        return self.context()

    def save(self, form: GroupForm) -> HttpResponse:
        mapping = group_mappings.map_group(
            actor=self.admission.principal,
            connection_id=self.connection.id,
            group=form.cleaned_data["group"],
            **role_arguments(form.cleaned_data["role"]),
        )
        messages.success(self.request, f"People in {mapping.group} are {mapping.role_name} from their next sign-in on.")
        return to_connection(self.admission, self.connection)


class ConnectionGroupRemove(OfConnection):
    """A group gives no role any more."""

    access = {"POST": MANAGER.after_recent_proof()}

    def post(self, request: HttpRequest, mapping: str, **kwargs: Any) -> HttpResponse:
        found = GroupMapping.objects.filter(connection=self.connection).by_reference(mapping)
        if found is None:
            raise Absent
        group_mappings.unmap_group(
            actor=self.admission.principal, connection_id=self.connection.id, mapping_id=found.id
        )
        messages.success(request, f"{found.group} gives no role any more.")
        return to_connection(self.admission, self.connection)


class ConnectionDelete(OfConnection, FormPage):
    """Says who signs in through it, then deletes a connection."""

    access = {"GET": MANAGER, "POST": MANAGER.after_recent_proof()}
    template_name = "sso/connection_delete.html"
    form_class = TypedConfirmation

    def form_arguments(self) -> dict[str, Any]:
        return {"words": self.connection.name}

    def form_context(self) -> dict[str, Any]:
        return {**self.context(), "ending": connections.preview_ending(self.connection)}

    def save(self, form: TypedConfirmation) -> HttpResponse:
        connections.delete_connection(actor=self.admission.principal, connection_id=self.connection.id)
        messages.success(self.request, f"{self.connection.name} is deleted.")
        return redirect("sso:connections", self.admission.organization.slug)
