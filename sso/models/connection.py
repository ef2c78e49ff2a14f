"""Connections to identity providers: what they are called and for whom, and how they are reached."""

from typing import ClassVar

from django.db import models

from config.kernel.identifiers import parse_public_id, public_id
from config.kernel.sealed import SealedField
from config.kernel.tenancy.models import TenantForeignKey, TenantManager, TenantModel, TenantQuerySet
from orgs.models.membership import RoleHolder, custom_role_agrees


class ConnectionQuerySet(TenantQuerySet["Connection"]):
    """Reads of connections."""

    def by_reference(self, reference: str) -> "Connection | None":
        """By public id; None for what does not parse, as for what does not exist."""
        connection_id = parse_public_id("con", reference)
        return self.filter(id=connection_id).first() if connection_id else None

    def with_configurations(self) -> "ConnectionQuerySet":
        """With what `live` and `draft` look at, in a query each for configurations and certificates."""
        current = Configuration.objects.filter(state__in=[Configuration.State.LIVE, Configuration.State.DRAFT])
        return self.select_related("custom_role").prefetch_related(
            models.Prefetch("configurations", current.prefetch_related("certificates"))
        )


class Connection(RoleHolder, TenantModel):
    """An organization's way in through one identity provider. `role` is what a newcomer gets.

    How the provider is reached is its live Configuration. A changed one is a draft until a test of it passed.
    """

    class Protocol(models.TextChoices):
        """What the two sides speak."""

        OIDC = "oidc", "OpenID Connect"
        SAML = "saml", "SAML 2.0"

    name = models.CharField(max_length=120)
    protocol = models.CharField(max_length=10, choices=Protocol.choices)
    is_enabled = models.BooleanField("enabled", default=False)
    allow_idp_initiated = models.BooleanField(default=False)
    sp_private_key = SealedField(null=True, help_text="With which encrypted assertions are opened (PEM).")
    sp_certificate = models.TextField(blank=True, help_text="Its public half, which our metadata publish (PEM).")
    last_sign_in_at = models.DateTimeField(null=True, blank=True)

    objects: ClassVar = TenantManager.from_queryset(ConnectionQuerySet)()

    class Meta:
        db_table = "sso_connection"
        constraints = [
            models.UniqueConstraint(fields=["org_id", "name"], name="sso_connection_name"),
            custom_role_agrees("sso_connection_custom_role_agrees"),
            models.CheckConstraint(condition=~models.Q(role="owner"), name="sso_connection_makes_no_owner"),
        ]

    def __str__(self) -> str:
        return self.name

    @property
    def public_id(self) -> str:
        """`con_…`."""
        return public_id("con", self.id)

    @property
    def live(self) -> "Configuration | None":
        """The configuration in force, of a connection read `with_configurations`."""
        return self._in_state(Configuration.State.LIVE)

    @property
    def draft(self) -> "Configuration | None":
        """The changed configuration that waits for its test, of a connection read `with_configurations`."""
        return self._in_state(Configuration.State.DRAFT)

    def _in_state(self, state: str) -> "Configuration | None":
        return next((row for row in self.configurations.all() if row.state == state), None)


class Configuration(TenantModel):
    """How one identity provider is reached. Never changed once it is live: a change is a new row, with a new number."""

    class State(models.TextChoices):
        """What it is good for."""

        DRAFT = "draft"
        LIVE = "live"
        RETIRED = "retired"

    connection = TenantForeignKey(Connection, models.CASCADE, related_name="configurations")
    number = models.PositiveIntegerField(help_text="Counts the configurations of a connection.")
    state = models.CharField(max_length=10, choices=State.choices, default=State.DRAFT)
    # OpenID Connect
    issuer = models.CharField(max_length=500, blank=True)
    client_id = models.CharField(max_length=255, blank=True)
    client_secret = SealedField(null=True)
    # SAML 2.0
    entity_id = models.CharField(max_length=500, blank=True)
    sso_url = models.CharField(max_length=500, blank=True)
    metadata_url = models.CharField(max_length=500, blank=True)
    metadata_read_at = models.DateTimeField(null=True, blank=True, help_text="When they last could be read.")
    metadata_tried_at = models.DateTimeField(null=True, blank=True, help_text="When we last tried to read them.")
    metadata_failure = models.CharField(
        max_length=1000, blank=True, db_default="", help_text="Why they could not be read then; empty when they could."
    )
    signs_response_only = models.BooleanField(
        default=False, help_text="The provider signs the whole response and not the assertion in it."
    )
    email_attribute = models.CharField(max_length=255, blank=True, help_text="Empty: looked for under its usual names.")
    name_attribute = models.CharField(max_length=255, blank=True)
    groups_attribute = models.CharField(max_length=255, blank=True)
    tested_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        db_table = "sso_configuration"
        constraints = [
            models.UniqueConstraint(fields=["org_id", "connection", "number"], name="sso_configuration_number"),
            models.UniqueConstraint(
                fields=["org_id", "connection"], condition=models.Q(state="live"), name="sso_configuration_one_live"
            ),
            models.UniqueConstraint(
                fields=["org_id", "connection"], condition=models.Q(state="draft"), name="sso_configuration_one_draft"
            ),
        ]
        indexes = [
            models.Index(
                fields=["metadata_tried_at"],
                condition=models.Q(state="live") & ~models.Q(metadata_url=""),
                name="sso_configuration_to_refresh",
            )
        ]

    def __str__(self) -> str:
        return f"{self.connection_id} #{self.number}"

    @property
    def public_id(self) -> str:
        """`cfg_…`."""
        return public_id("cfg", self.id)


class Certificate(TenantModel):
    """A certificate by which an identity provider signs. Two at a time may be in force, so that it can change them."""

    configuration = TenantForeignKey(Configuration, models.CASCADE, related_name="certificates")
    pem = models.TextField()
    fingerprint = models.CharField(max_length=64, help_text="SHA-256, in hexadecimal.")
    not_before = models.DateTimeField()
    not_after = models.DateTimeField()
    warned_days = models.PositiveIntegerField(
        null=True, blank=True, help_text="How many days before its end the last warning was about."
    )

    class Meta:
        db_table = "sso_certificate"
        constraints = [
            models.UniqueConstraint(fields=["org_id", "configuration", "fingerprint"], name="sso_certificate_once")
        ]
        indexes = [models.Index(fields=["not_after"], name="sso_certificate_by_end")]

    def __str__(self) -> str:
        return self.fingerprint


class GroupMappingQuerySet(TenantQuerySet["GroupMapping"]):
    """Reads of mappings."""

    def by_reference(self, reference: str) -> "GroupMapping | None":
        """By public id; None for what does not parse, as for what does not exist."""
        mapping_id = parse_public_id("sgm", reference)
        return self.filter(id=mapping_id).first() if mapping_id else None


class GroupMapping(RoleHolder, TenantModel):
    """Whoever the identity provider counts to this group gets this role."""

    connection = TenantForeignKey(Connection, models.CASCADE, related_name="group_mappings")
    group = models.CharField(max_length=255)

    objects: ClassVar = TenantManager.from_queryset(GroupMappingQuerySet)()

    class Meta:
        db_table = "sso_group_mapping"
        constraints = [
            models.UniqueConstraint(fields=["org_id", "connection", "group"], name="sso_group_mapping_once"),
            custom_role_agrees("sso_group_mapping_custom_role_agrees"),
            models.CheckConstraint(condition=~models.Q(role="owner"), name="sso_group_mapping_makes_no_owner"),
        ]

    def __str__(self) -> str:
        return self.group

    @property
    def public_id(self) -> str:
        """`sgm_…`."""
        return public_id("sgm", self.id)
