"""The one assertion of a response whose signature held, as values."""

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from onelogin.saml2.errors import OneLogin_Saml2_ValidationError as Fault
from onelogin.saml2.response import OneLogin_Saml2_Response as Response

from sso.causes import SUBJECT_MISSING, Known, SignInRefused
from sso.models import Configuration
from sso.protocols.received import Received, loggable, session_name
from sso.protocols.saml_documents import ASSERTION, PROTOCOL, SIGNATURE

NAMES = {"saml": ASSERTION, "samlp": PROTOCOL, "ds": SIGNATURE}
BEARER = "urn:oasis:names:tc:SAML:2.0:cm:bearer"
TRANSIENT = "urn:oasis:names:tc:SAML:2.0:nameid-format:transient"
SOAP = "http://schemas.xmlsoap.org"
MICROSOFT = "http://schemas.microsoft.com/ws/2008/06/identity/claims"
# Under what names providers send these, the first found counts. The others are those of LDAP (RFC 4524, RFC 2798).
EMAIL = (
    "email",
    "mail",
    "emailaddress",
    f"{SOAP}/ws/2005/05/identity/claims/emailaddress",
    "urn:oid:0.9.2342.19200300.100.1.3",
    "urn:oid:1.2.840.113549.1.9.1",
)
NAME = (
    "displayname",
    "name",
    "http://schemas.microsoft.com/identity/claims/displayname",
    "urn:oid:2.16.840.1.113730.3.1.241",
    "cn",
    "urn:oid:2.5.4.3",
    f"{SOAP}/ws/2005/05/identity/claims/name",
)
GROUPS = ("groups", "group", "memberof", f"{MICROSOFT}/groups", f"{SOAP}/claims/group", f"{MICROSOFT}/role")


@dataclass(frozen=True)
class Confirmation:
    """One bearer confirmation: who may bring the assertion where, until when, in answer to what."""

    recipient: str | None
    not_on_or_after: datetime | None
    in_response_to: str | None


@dataclass(frozen=True)
class Assertion:
    """`audiences` has a list for each restriction, all of which must be met (SAML core, 2.5.1.4)."""

    id: str
    issuer: str
    issued_at: datetime
    not_before: datetime | None
    not_on_or_after: datetime | None
    audiences: list[list[str]]
    confirmations: list[Confirmation]
    name_id: str
    name_id_format: str
    authenticated_at: datetime | None
    session: str
    attributes: dict[str, list[str]]

    @classmethod
    def of(cls, response: Response, *, signs_response_only: bool) -> "Assertion":
        """The assertion itself, looked up by the signature that was checked. Raises Fault, ValueError, IndexError."""
        root = response.get_xml_document()
        element = _only(root.findall("saml:Assertion", NAMES))
        signed = root if signs_response_only else element
        references = signed.findall("ds:Signature/ds:SignedInfo/ds:Reference", NAMES)
        if [each.get("URI") for each in references] != [f"#{signed.get('ID')}"]:
            raise Fault("The signature is not of the element that it stands in.", Fault.INVALID_SIGNED_ELEMENT)
        conditions = _only(element.findall("saml:Conditions", NAMES))
        statement = _only(element.findall("saml:AuthnStatement", NAMES))
        name_id = response.get_nameid_data()
        issued_at = moment(element.get("IssueInstant"))
        if issued_at is None or not element.get("ID"):
            raise Fault("The assertion has no ID or IssueInstant.", Fault.MISSING_ID)
        return cls(
            id=element.get("ID"),
            issuer=_text(_only(element.findall("saml:Issuer", NAMES))),
            issued_at=issued_at,
            not_before=moment(conditions.get("NotBefore")),
            not_on_or_after=moment(conditions.get("NotOnOrAfter")),
            audiences=[
                [_text(audience) for audience in restriction.findall("saml:Audience", NAMES)]
                for restriction in conditions.findall("saml:AudienceRestriction", NAMES)
            ],
            confirmations=_confirmations(element),
            name_id=name_id["Value"],
            name_id_format=name_id.get("Format") or "",
            authenticated_at=moment(statement.get("AuthnInstant")),
            session=session_name(statement.get("SessionIndex")),
            attributes=_attributes(response),
        )

    def received(self, configuration: Configuration) -> Received:
        """Who it is about. Raises SignInRefused for a subject that is another one each time."""
        known = self.known(configuration)
        if self.name_id_format == TRANSIENT:
            exactly = f"The NameID is {TRANSIENT}: set a persistent identifier or an e-mail address there."
            raise SignInRefused(SUBJECT_MISSING, exactly, known=known)
        groups = self._values(configuration.groups_attribute, GROUPS)
        return Received(
            issuer=self.issuer,
            subject=self.name_id,
            email=known.email,
            name=(self._values(configuration.name_attribute, NAME) or [""])[0],
            groups=tuple(groups) if groups is not None else None,
            provider_session=self.session,
            authenticated_at=self.authenticated_at,
            claims=known.claims,
        )

    def known(self, configuration: Configuration) -> Known:
        """For the log."""
        email = (self._values(configuration.email_attribute, EMAIL) or [""])[0]
        if not email and not configuration.email_attribute and "@" in self.name_id:
            email = self.name_id
        claims: dict[str, Any] = {"NameID": self.name_id, "NameID Format": self.name_id_format, "Issuer": self.issuer}
        claims |= {name: values[0] if len(values) == 1 else values for name, values in self.attributes.items()}
        return Known(email=email, subject=self.name_id, claims=loggable(claims))

    def _values(self, chosen: str, usual: tuple[str, ...]) -> list[str] | None:
        """The values of the attribute that the configuration names, or of the first usual one; None without any."""
        if chosen:
            return self.attributes.get(chosen)
        by_name = {name.lower(): values for name, values in reversed(self.attributes.items())}
        return next((by_name[name] for name in usual if name in by_name), None)


def _confirmations(element: Any) -> list[Confirmation]:
    found = []
    for confirmation in element.findall("saml:Subject/saml:SubjectConfirmation", NAMES):
        data = confirmation.find("saml:SubjectConfirmationData", NAMES)
        if confirmation.get("Method") == BEARER and data is not None and data.get("NotBefore") is None:
            end = moment(data.get("NotOnOrAfter"))
            found.append(Confirmation(data.get("Recipient"), end, data.get("InResponseTo")))
    return found


def _attributes(response: Response) -> dict[str, list[str]]:
    """Texts only, by name; a friendly name stands in where there is no such name."""
    named = {**response.get_friendlyname_attributes(), **response.get_attributes()}
    return {name: [value for value in values if isinstance(value, str)] for name, values in named.items()}


def _only(elements: list[Any]) -> Any:
    if len(elements) != 1:
        raise Fault(f"There are {len(elements)} elements where one is needed.", Fault.WRONG_NUMBER_OF_ASSERTIONS)
    return elements[0]


def _text(element: Any) -> str:
    """Without comments, which XML parsers read differently (CVE-2017-11427)."""
    return "" if len(element) else (element.text or "").strip()


def moment(text: str | None) -> datetime | None:
    """An xs:dateTime, in UTC where it names no zone (SAML core, 1.3.3). Raises ValueError."""
    if not text:
        return None
    parsed = datetime.fromisoformat(text)
    return parsed.replace(tzinfo=UTC) if parsed.tzinfo is None else parsed
