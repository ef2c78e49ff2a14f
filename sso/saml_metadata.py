"""SAML metadata of identity providers (saml-metadata-2.0-os), as we need it: who, where, and signed by what.

What comes here was written by strangers: nothing in it is fetched or expanded, and a document type is refused.
"""

from dataclasses import dataclass
from datetime import datetime
from xml.parsers import expat

from django.utils import timezone
from django.utils.dateparse import parse_datetime
from lxml import etree

from sso.certificates import ParsedCertificate, UnfitCertificate, parse_certificates

MOST_BYTES = 512 * 1024
METADATA = "{urn:oasis:names:tc:SAML:2.0:metadata}"
SIGNATURE = "{http://www.w3.org/2000/09/xmldsig#}"
REDIRECT = "urn:oasis:names:tc:SAML:2.0:bindings:HTTP-Redirect"


class UnfitMetadata(ValueError):
    """Metadata that cannot be used. The message is a sentence."""


@dataclass(frozen=True)
class ProviderMetadata:
    """What an identity provider says of itself."""

    entity_id: str
    sso_url: str
    certificates: tuple[ParsedCertificate, ...]


def read_metadata(xml: bytes, *, entity_id: str = "") -> ProviderMetadata:
    """The one identity provider in `xml`; with `entity_id` the one of that name. Raises UnfitMetadata."""
    root = _parsed(xml)
    _require_current(root)
    entities = [root] if root.tag == f"{METADATA}EntityDescriptor" else list(root.iter(f"{METADATA}EntityDescriptor"))
    if not entities:
        raise UnfitMetadata("These are no SAML metadata: there is no EntityDescriptor in them.")
    providers = [
        (entity, role) for entity in entities if (role := entity.find(f"{METADATA}IDPSSODescriptor")) is not None
    ]
    if not providers and any(entity.find(f"{METADATA}SPSSODescriptor") is not None for entity in entities):
        raise UnfitMetadata("These metadata are of a service provider: take those of the identity provider.")
    if entity_id:
        providers = [(entity, role) for entity, role in providers if entity.get("entityID") == entity_id]
        if not providers:
            raise UnfitMetadata(f"The metadata no longer name the identity provider {entity_id}.")
    if not providers:
        raise UnfitMetadata("The metadata name no identity provider (IDPSSODescriptor).")
    if len(providers) > 1:
        raise UnfitMetadata("The metadata name several identity providers: take those of one.")
    entity, role = providers[0]
    _require_current(entity)
    name = (entity.get("entityID") or "").strip()
    if not name:
        raise UnfitMetadata("The identity provider has no entityID in its metadata.")
    return ProviderMetadata(name, _sso_url(role), _certificates(role))


def _parsed(xml: bytes) -> etree._Element:
    if len(xml) > MOST_BYTES:
        raise UnfitMetadata(f"Metadata have at most {MOST_BYTES // 1024} KiB: take those of the one identity provider.")
    # Before anything that knows entities sees it: a document type can name files, addresses, and billions of laughs.
    scanner = expat.ParserCreate()
    scanner.StartDoctypeDeclHandler = _refuse_document_type
    try:
        scanner.Parse(xml, True)  # noqa: FBT003 - expat takes it by place alone
    except UnfitMetadata:
        raise
    except expat.ExpatError as error:
        raise UnfitMetadata(f"This is no XML: it cannot be read beyond line {error.lineno}.") from None
    except (ValueError, LookupError):
        raise UnfitMetadata("This is no XML in an encoding that we read: send it in UTF-8.") from None
    parser = etree.XMLParser(
        resolve_entities=False, no_network=True, load_dtd=False, huge_tree=False, remove_comments=True, remove_pis=True
    )
    try:
        return etree.fromstring(xml, parser)
    except etree.XMLSyntaxError as error:
        raise UnfitMetadata(f"This is no XML that we read: it cannot be read beyond line {error.lineno}.") from None


def _refuse_document_type(*_parts: object) -> None:
    raise UnfitMetadata("Metadata with a document type (<!DOCTYPE …>) are not read: take it out.")


def _require_current(element: etree._Element) -> None:
    text = element.get("validUntil")
    if not text:
        return
    try:
        until: datetime | None = parse_datetime(text)
    except ValueError:
        until = None
    if until is None:
        raise UnfitMetadata("The metadata's validUntil is no time.")
    if (until if until.tzinfo else until.replace(tzinfo=timezone.get_default_timezone())) < timezone.now():
        raise UnfitMetadata(f"The metadata ended on {until:%-d %B %Y} (validUntil): take the current ones.")


def _sso_url(role: etree._Element) -> str:
    services = role.findall(f"{METADATA}SingleSignOnService")
    for service in services:
        if service.get("Binding") == REDIRECT and service.get("Location"):
            return str(service.get("Location")).strip()
    raise UnfitMetadata("The metadata name no address for signing in by HTTP-Redirect (SingleSignOnService).")


def _certificates(role: etree._Element) -> tuple[ParsedCertificate, ...]:
    texts = [
        certificate.text or ""
        for key in role.findall(f"{METADATA}KeyDescriptor")
        if key.get("use") in (None, "signing")
        for certificate in key.iter(f"{SIGNATURE}X509Certificate")
    ]
    if not texts:
        raise UnfitMetadata("The metadata name no signing certificate (KeyDescriptor).")
    try:
        return parse_certificates(texts)
    except UnfitCertificate as error:
        raise UnfitMetadata(f"In the metadata: {error}") from None
