"""Identity providers as admins name them, checked before anything is written: calls the provider where it has to.

Raises Invalid for the field that is wrong. Call it outside of transactions.
"""

from dataclasses import dataclass, field
from typing import Any

from config.kernel.addresses import AddressRefused, checked_url, require_encrypted
from config.kernel.errors import Invalid
from config.kernel.outbound import OutboundSession
from config.kernel.tenancy.scope import require_organization_id
from config.kernel.throttling import require_try
from sso.certificates import ParsedCertificate, UnfitCertificate, parse_certificates
from sso.discovery import UnfitProvider, discover
from sso.models import Configuration, Connection
from sso.saml_metadata import MOST_BYTES, ProviderMetadata, UnfitMetadata, read_metadata

LONGEST_ENTITY_ID = 500
OK = 200
# Whoever may configure a connection could otherwise let us knock at other parties' doors as often as they like.
LIMIT = "60/10minutes"


@dataclass(frozen=True)
class Provider:
    """How an identity provider is reached. `client_secret` None leaves the one that is there."""

    protocol: str
    issuer: str = ""
    client_id: str = ""
    client_secret: str | None = field(default=None, repr=False)
    entity_id: str = ""
    sso_url: str = ""
    metadata_url: str = ""
    signs_response_only: bool = False
    certificates: tuple[ParsedCertificate, ...] = ()
    email_attribute: str = ""
    name_attribute: str = ""
    groups_attribute: str = ""


def oidc_provider(
    *,
    issuer: str,
    client_id: str,
    client_secret: str | None,
    email_attribute: str = "",
    name_attribute: str = "",
    groups_attribute: str = "",
) -> Provider:
    """A provider of OpenID Connect, found by its discovery document. Raises Invalid, RateLimited."""
    issuer, client_id = issuer.strip(), client_id.strip()
    _count()
    try:
        discover(issuer)
    except UnfitProvider as error:
        raise Invalid.field("issuer", str(error)) from None
    return Provider(
        protocol=Connection.Protocol.OIDC,
        issuer=issuer,
        client_id=client_id,
        client_secret=client_secret,
        email_attribute=email_attribute,
        name_attribute=name_attribute,
        groups_attribute=groups_attribute,
    )


def saml_provider(
    *,
    entity_id: str = "",
    sso_url: str = "",
    certificates: list[str] | None = None,
    metadata_xml: str = "",
    metadata_url: str = "",
    signs_response_only: bool = False,
    email_attribute: str = "",
    name_attribute: str = "",
    groups_attribute: str = "",
) -> Provider:
    """A provider of SAML 2.0, by its fields, its metadata, or the address of these. Raises Invalid, RateLimited."""
    ways = [bool(metadata_url), bool(metadata_xml), bool(entity_id or sso_url or certificates)]
    if sum(ways) != 1:
        raise Invalid.field(
            "metadata_url",
            "Name the identity provider in one way: by metadata_url, by metadata_xml, or by entity_id, sso_url and "
            "certificates.",
        )
    if metadata_url:
        _count()
        found = metadata_at(metadata_url)
    elif metadata_xml:
        found = _read("metadata_xml", metadata_xml.strip().lstrip("\ufeff").encode())
    else:
        found = _by_fields(entity_id.strip(), sso_url.strip(), certificates or [])
    return Provider(
        protocol=Connection.Protocol.SAML,
        entity_id=found.entity_id,
        sso_url=found.sso_url,
        metadata_url=metadata_url,
        signs_response_only=signs_response_only,
        certificates=found.certificates,
        email_attribute=email_attribute,
        name_attribute=name_attribute,
        groups_attribute=groups_attribute,
    )


def metadata_at(url: str, *, entity_id: str = "") -> ProviderMetadata:
    """What the metadata at an address say; with `entity_id` of that provider alone. Calls it. Raises Invalid."""
    try:
        answer = OutboundSession(most_bytes=MOST_BYTES).get(url)
    except AddressRefused as error:
        raise Invalid.field("metadata_url", str(error)) from None
    if answer.status_code != OK:
        raise Invalid.field(
            "metadata_url",
            f"The address answered with status {answer.status_code}, not with metadata; redirects are not followed.",
        )
    return _read("metadata_url", answer.content, entity_id=entity_id)


def _read(name: str, xml: bytes, *, entity_id: str = "") -> ProviderMetadata:
    try:
        found = read_metadata(xml, entity_id=entity_id)
    except UnfitMetadata as error:
        raise Invalid.field(name, str(error)) from None
    _require_entity_id(name, found.entity_id)
    _require_sign_in_address(name, found.sso_url)
    return found


def _by_fields(entity_id: str, sso_url: str, certificates: list[str]) -> ProviderMetadata:
    _require_entity_id("entity_id", entity_id)
    _require_sign_in_address("sso_url", sso_url)
    try:
        parsed = parse_certificates(certificates)
    except UnfitCertificate as error:
        raise Invalid.field("certificates", str(error)) from None
    return ProviderMetadata(entity_id, sso_url, parsed)


def _require_entity_id(name: str, entity_id: str) -> None:
    if not entity_id or len(entity_id) > LONGEST_ENTITY_ID or not entity_id.isprintable():
        raise Invalid.field(name, f"An entity id is one line of 1 to {LONGEST_ENTITY_ID} characters.")


def _require_sign_in_address(name: str, sso_url: str) -> None:
    try:
        checked_url(sso_url)
        require_encrypted(sso_url)
    except AddressRefused as error:
        raise Invalid.field(name, f"The address for signing in: {error}") from None


def _count() -> None:
    require_try("sso provider", str(require_organization_id()), limit=LIMIT)


OIDC_FIELDS = frozenset({"issuer", "client_id", "client_secret"})
SAML_FIELDS = frozenset({"entity_id", "sso_url", "certificates", "metadata_xml", "metadata_url", "signs_response_only"})
ATTRIBUTES = frozenset({"email_attribute", "name_attribute", "groups_attribute"})
OF_METADATA = ("entity_id", "sso_url", "certificates", "metadata_xml", "metadata_url")


def provider_of(protocol: str, given: dict[str, Any], *, before: Configuration | None = None) -> Provider:
    """The provider that `given` names: fields of REST or of a form. What it leaves out is as in `before`.

    Raises Invalid for fields of the other protocol and for those that are missing, RateLimited.
    """
    is_oidc = protocol == Connection.Protocol.OIDC
    foreign = sorted(set(given) & (SAML_FIELDS if is_oidc else OIDC_FIELDS))
    if foreign:
        sentence = f"This field is of {'SAML' if is_oidc else 'OpenID Connect'}: leave it out."
        raise Invalid(f"{foreign[0]}: {sentence}", errors={name: [sentence] for name in foreign})
    attributes = {name: given.get(name, getattr(before, name) if before else "") for name in ATTRIBUTES}
    if is_oidc:
        fields = {name: given.get(name, getattr(before, name) if before else "") for name in ("issuer", "client_id")}
        _require_all({**fields, **({} if before else {"client_secret": given.get("client_secret", "")})})
        return oidc_provider(**fields, client_secret=given.get("client_secret"), **attributes)
    signs_response_only = given.get("signs_response_only", before.signs_response_only if before else False)
    ways = {name: given[name] for name in OF_METADATA if given.get(name)}
    if before is not None and not {"metadata_xml", "metadata_url"} & set(ways):
        if not ways and before.metadata_url:
            ways = {"metadata_url": before.metadata_url}
        else:
            pems = [row.pem for row in before.certificates.order_by("id")]
            ways = {"entity_id": before.entity_id, "sso_url": before.sso_url, "certificates": pems, **ways}
    if not {"metadata_xml", "metadata_url"} & set(ways):
        _require_all({name: ways.get(name) for name in ("entity_id", "sso_url", "certificates")})
    return saml_provider(**ways, signs_response_only=signs_response_only, **attributes)


def _require_all(fields: dict[str, Any]) -> None:
    missing = [name for name, value in fields.items() if not value]
    if missing:
        raise Invalid(f"Name {', '.join(missing)}.", errors={name: ["This field is needed."] for name in missing})
