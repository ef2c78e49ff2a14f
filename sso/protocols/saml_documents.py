"""What we write in SAML 2.0: the request that a sign-in begins with, and our metadata."""

import base64
import secrets
import zlib
from dataclasses import dataclass
from datetime import UTC, datetime
from urllib.parse import urlencode

from lxml import etree

from sso.addresses import acs_url, sp_entity_id
from sso.models import Configuration, Connection

ASSERTION = "urn:oasis:names:tc:SAML:2.0:assertion"
PROTOCOL = "urn:oasis:names:tc:SAML:2.0:protocol"
METADATA = "urn:oasis:names:tc:SAML:2.0:metadata"
SIGNATURE = "http://www.w3.org/2000/09/xmldsig#"
POST_BINDING = "urn:oasis:names:tc:SAML:2.0:bindings:HTTP-POST"
UNSPECIFIED = "urn:oasis:names:tc:SAML:1.1:nameid-format:unspecified"


@dataclass(frozen=True)
class AuthnRequest:
    """One request: its id, which the answer must name, and where the browser takes it."""

    id: str
    url: str


def authn_request(connection: Connection, configuration: Configuration, *, fresh: bool = False) -> AuthnRequest:
    """A request by the redirect binding (SAML bindings, 3.4). `fresh` asks the person to prove themselves again."""
    # 160 random bits, and a first character that an XML id may have (SAML core, 1.3.4).
    request_id = f"_{secrets.token_hex(20)}"
    root = etree.Element(f"{{{PROTOCOL}}}AuthnRequest", nsmap={"samlp": PROTOCOL, "saml": ASSERTION})
    root.attrib.update(
        {
            "ID": request_id,
            "Version": "2.0",
            "IssueInstant": datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
            "Destination": configuration.sso_url,
            "ProtocolBinding": POST_BINDING,
            "AssertionConsumerServiceURL": acs_url(connection),
        }
    )
    if fresh:
        root.set("ForceAuthn", "true")
    etree.SubElement(root, f"{{{ASSERTION}}}Issuer").text = sp_entity_id(connection)
    etree.SubElement(root, f"{{{PROTOCOL}}}NameIDPolicy", Format=UNSPECIFIED, AllowCreate="true")
    deflated = zlib.compress(etree.tostring(root), wbits=-zlib.MAX_WBITS)
    query = urlencode({"SAMLRequest": base64.b64encode(deflated).decode()})
    address = configuration.sso_url
    return AuthnRequest(id=request_id, url=f"{address}{'&' if '?' in address else '?'}{query}")


def our_metadata(connection: Connection) -> bytes:
    """What an identity provider reads of us (SAML metadata, 2.4): names, the address for answers, the certificate."""
    root = etree.Element(f"{{{METADATA}}}EntityDescriptor", nsmap={"md": METADATA, "ds": SIGNATURE})
    root.set("entityID", sp_entity_id(connection))
    role = etree.SubElement(root, f"{{{METADATA}}}SPSSODescriptor", protocolSupportEnumeration=PROTOCOL)
    role.set("AuthnRequestsSigned", "false")
    role.set("WantAssertionsSigned", "true")
    if connection.sp_certificate:
        key = etree.SubElement(role, f"{{{METADATA}}}KeyDescriptor", use="encryption")
        data = etree.SubElement(etree.SubElement(key, f"{{{SIGNATURE}}}KeyInfo"), f"{{{SIGNATURE}}}X509Data")
        lines = [line for line in connection.sp_certificate.splitlines() if "-----" not in line]
        etree.SubElement(data, f"{{{SIGNATURE}}}X509Certificate").text = "".join(lines)
    etree.SubElement(role, f"{{{METADATA}}}NameIDFormat").text = UNSPECIFIED
    etree.SubElement(
        role,
        f"{{{METADATA}}}AssertionConsumerService",
        Binding=POST_BINDING,
        Location=acs_url(connection),
        index="0",
        isDefault="true",
    )
    return etree.tostring(root, xml_declaration=True, encoding="utf-8", pretty_print=True)
