"""SAML 2.0 responses, by the POST binding of the web browser profile (SAML profiles, section 4.1).

Written on python3-saml's Response, which parses, decrypts and checks signatures and the structure of what is signed.
allauth's views around it are left out: they read the id of the request from where nobody signs it, take the same
assertion twice, keep each anonymous POST as a session and answer what is no XML with an error of the server. What
python3-saml leaves optional or compares by halves is asked for here, on the very element whose signature held.
"""

import base64
import binascii
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from urllib.parse import urlsplit

import xmlsec
from django.utils import timezone
from lxml import etree
from onelogin.saml2.errors import OneLogin_Saml2_Error as ToolkitError
from onelogin.saml2.errors import OneLogin_Saml2_ValidationError as Fault
from onelogin.saml2.response import OneLogin_Saml2_Response as Response
from onelogin.saml2.settings import OneLogin_Saml2_Settings as Settings

from orgs.encryption import unseal
from sso.addresses import acs_url, sp_entity_id
from sso.causes import (
    ALGORITHM_REFUSED,
    ASSERTION_AMBIGUOUS,
    AUDIENCE_MISMATCH,
    CERTIFICATE_EXPIRED,
    CLAIM_MISSING,
    DECRYPTION_FAILED,
    EXPIRED,
    ISSUER_MISMATCH,
    MALFORMED,
    NOT_YET_VALID,
    PROVIDER_REFUSED,
    RECIPIENT_MISMATCH,
    SIGNATURE_INVALID,
    SIGNATURE_MISSING,
    Cause,
    SignInRefused,
)
from sso.models import Configuration, Connection
from sso.protocols.received import CLOCK_SKEW, Received
from sso.protocols.saml_assertions import Assertion, moment
from sso.protocols.saml_documents import ASSERTION, POST_BINDING, PROTOCOL, UNSPECIFIED

MOST_CHARACTERS = 256 * 1024
# However long an assertion says that it is good for. So used ones need not be remembered for longer.
LONGEST_LIFE = timedelta(hours=1)
REDIRECT_BINDING = "urn:oasis:names:tc:SAML:2.0:bindings:HTTP-Redirect"

_CAUSES: dict[int, Cause] = {
    Fault.STATUS_CODE_IS_NOT_SUCCESS: PROVIDER_REFUSED,
    Fault.WRONG_NUMBER_OF_ASSERTIONS: ASSERTION_AMBIGUOUS,
    Fault.WRONG_SIGNED_ELEMENT: ASSERTION_AMBIGUOUS,
    Fault.DUPLICATED_ID_IN_SIGNED_ELEMENTS: ASSERTION_AMBIGUOUS,
    Fault.INVALID_SIGNED_ELEMENT: ASSERTION_AMBIGUOUS,
    Fault.DUPLICATED_REFERENCE_IN_SIGNED_ELEMENTS: ASSERTION_AMBIGUOUS,
    Fault.UNEXPECTED_SIGNED_ELEMENTS: ASSERTION_AMBIGUOUS,
    Fault.WRONG_NUMBER_OF_SIGNATURES_IN_RESPONSE: ASSERTION_AMBIGUOUS,
    Fault.WRONG_NUMBER_OF_SIGNATURES_IN_ASSERTION: ASSERTION_AMBIGUOUS,
    Fault.WRONG_NUMBER_OF_SIGNATURES: ASSERTION_AMBIGUOUS,
    Fault.ASSERTION_TOO_EARLY: NOT_YET_VALID,
    Fault.ASSERTION_EXPIRED: EXPIRED,
    Fault.SESSION_EXPIRED: EXPIRED,
    Fault.WRONG_DESTINATION: RECIPIENT_MISMATCH,
    Fault.EMPTY_DESTINATION: RECIPIENT_MISMATCH,
    Fault.WRONG_AUDIENCE: AUDIENCE_MISMATCH,
    Fault.WRONG_ISSUER: ISSUER_MISMATCH,
    Fault.ISSUER_MULTIPLE_IN_RESPONSE: ASSERTION_AMBIGUOUS,
    Fault.NO_SIGNED_MESSAGE: SIGNATURE_MISSING,
    Fault.NO_SIGNED_ASSERTION: SIGNATURE_MISSING,
    Fault.NO_SIGNATURE_FOUND: SIGNATURE_MISSING,
    Fault.INVALID_SIGNATURE: SIGNATURE_INVALID,
    Fault.DEPRECATED_SIGNATURE_METHOD: ALGORITHM_REFUSED,
    Fault.DEPRECATED_DIGEST_METHOD: ALGORITHM_REFUSED,
    Fault.MISSING_CONDITIONS: CLAIM_MISSING,
    Fault.WRONG_NUMBER_OF_AUTHSTATEMENTS: CLAIM_MISSING,
    Fault.NO_NAMEID: CLAIM_MISSING,
    Fault.EMPTY_NAMEID: CLAIM_MISSING,
}


@dataclass(frozen=True)
class SamlAnswer:
    """A response that holds. `request_id` is the request that it answers, None when it came unasked.

    `assertion_id` is good once, and needs to be remembered until `good_until`.
    """

    received: Received
    assertion_id: str
    request_id: str | None
    good_until: datetime


def claimed_request_id(encoded: str) -> str:
    """The request that a response says it answers, before anything of it is checked. Raises SignInRefused."""
    with _malformed():
        return _parsed(_decoded(encoded)).get("InResponseTo", "")


def read_response(connection: Connection, configuration: Configuration, encoded: str) -> SamlAnswer:
    """The response in the form field SAMLResponse, checked in everything but the browser. Raises SignInRefused."""
    now = timezone.now()
    certificates = list(configuration.certificates.filter(not_after__gt=now).order_by("-not_after"))
    if not certificates:
        ends = ", ".join(
            f"{each.fingerprint[:16]}… on {each.not_after:%Y-%m-%d}" for each in configuration.certificates.all()
        )
        raise SignInRefused(CERTIFICATE_EXPIRED, f"Every signing certificate has expired: {ends or 'there is none'}.")
    text = _decoded(encoded)
    settings = Settings(_settings(connection, configuration, [each.pem for each in certificates]))
    with _malformed():
        _require_one_root(_parsed(text))
        response = Response(settings, encoded)
        try:
            response.is_valid(_request_data(acs_url(connection)), raise_exceptions=True)
        except Fault as error:
            raise _named(error, response, acs_url(connection), now) from None
        assertion = Assertion.of(response, signs_response_only=configuration.signs_response_only)
        return _answer(connection, configuration, response, assertion, now)


def _answer(
    connection: Connection, configuration: Configuration, response: Response, assertion: Assertion, now: datetime
) -> SamlAnswer:
    """What python3-saml does not ask for, or not exactly."""
    known = assertion.known(configuration)
    here, entity = acs_url(connection), sp_entity_id(connection)
    if any(entity not in audiences for audiences in assertion.audiences) or not assertion.audiences:
        exactly = f"The audience is {assertion.audiences!r}, not {entity!r}."
        raise SignInRefused(AUDIENCE_MISMATCH, exactly, known=known)
    destination = response.document.get("Destination")
    if destination != here and (destination is not None or configuration.signs_response_only):
        raise SignInRefused(RECIPIENT_MISMATCH, f"The Destination is {destination!r}, not {here!r}.", known=known)
    confirmations = [each for each in assertion.confirmations if each.recipient == here]
    if not confirmations:
        recipients = [each.recipient for each in assertion.confirmations]
        raise SignInRefused(RECIPIENT_MISMATCH, f"The Recipient is {recipients!r}, not {here!r}.", known=known)
    ends = [each.not_on_or_after for each in confirmations if each.not_on_or_after is not None]
    if assertion.not_on_or_after is None or len(ends) != len(confirmations):
        raise SignInRefused(CLAIM_MISSING, "Conditions or SubjectConfirmationData lack NotOnOrAfter.", known=known)
    end = min([assertion.not_on_or_after, *ends, assertion.issued_at + LONGEST_LIFE])
    if now >= end + CLOCK_SKEW:
        exactly = f"It was good from {assertion.issued_at.isoformat()} to {end.isoformat()}; it is {now.isoformat()}."
        raise SignInRefused(EXPIRED, exactly, known=known)
    begins = max(filter(None, (assertion.not_before, assertion.issued_at)))
    if now < begins - CLOCK_SKEW:
        exactly = f"It is good from {begins.isoformat()} on; it is {now.isoformat()} here."
        raise SignInRefused(NOT_YET_VALID, exactly, known=known)
    # The id of the request counts where it is signed: the response around it may not be.
    requests = {each.in_response_to for each in confirmations}
    if requests != {response.document.get("InResponseTo")}:
        raise SignInRefused(
            ASSERTION_AMBIGUOUS,
            f"InResponseTo is {sorted(map(str, requests))} in the assertion, "
            f"{response.document.get('InResponseTo')!r} in the response.",
            known=known,
        )
    return SamlAnswer(
        received=assertion.received(configuration),
        assertion_id=assertion.id,
        request_id=requests.pop(),
        good_until=end + CLOCK_SKEW,
    )


def _named(fault: Fault, response: Response, here: str, now: datetime) -> SignInRefused:
    """A fault by its cause. Looks closer at what python3-saml tells only in general; nothing of it is believed."""
    root = response.get_xml_document()
    if fault.code == Fault.STATUS_CODE_IS_NOT_SUCCESS:
        said = [each.get("Value", "").rpartition(":")[2] for each in root.iter(f"{{{PROTOCOL}}}StatusCode")]
        # Some providers write the message as an attribute.
        said += [each.text or each.get("Value") or "" for each in root.iter(f"{{{PROTOCOL}}}StatusMessage")]
        return SignInRefused(PROVIDER_REFUSED, f"The identity provider answered {' '.join(said)[:500]}")
    if fault.code == Fault.WRONG_SUBJECTCONFIRMATION:
        found = list(root.iter(f"{{{ASSERTION}}}SubjectConfirmationData"))
        recipients = [each.get("Recipient") for each in found]
        if here not in recipients:
            return SignInRefused(RECIPIENT_MISMATCH, f"The Recipient is {recipients!r}, not {here!r}.")
        ends = [end for each in found if (end := moment(each.get("NotOnOrAfter")))]
        if ends and max(ends) <= now:
            return SignInRefused(EXPIRED, f"It was good until {max(ends).isoformat()}; it is {now.isoformat()} here.")
        return SignInRefused(ASSERTION_AMBIGUOUS, "No SubjectConfirmation of the assertion is a bearer's that fits.")
    return SignInRefused(_CAUSES.get(fault.code, MALFORMED), str(fault))


@contextmanager
def _malformed() -> Iterator[None]:
    """Whatever the parsers raise, as one of our causes."""
    try:
        yield
    except Fault as error:
        raise SignInRefused(_CAUSES.get(error.code, MALFORMED), str(error)) from None
    except xmlsec.Error as error:
        raise SignInRefused(DECRYPTION_FAILED, f"The assertion cannot be decrypted: {error}.") from None
    except ToolkitError as error:
        cause = DECRYPTION_FAILED if error.code == ToolkitError.PRIVATE_KEY_NOT_FOUND else MALFORMED
        raise SignInRefused(cause, str(error)) from None
    except (etree.LxmlError, ValueError, OverflowError, TypeError, LookupError, AttributeError) as error:
        raise SignInRefused(MALFORMED, f"The response is no SAML response: {type(error).__name__}.") from None


def _decoded(encoded: str) -> bytes:
    if not encoded or len(encoded) > MOST_CHARACTERS:
        raise SignInRefused(MALFORMED, f"SAMLResponse has {len(encoded)} characters; 1 to {MOST_CHARACTERS} are read.")
    try:
        text = base64.b64decode("".join(encoded.split()), validate=True)
    except (binascii.Error, ValueError):
        raise SignInRefused(MALFORMED, "SAMLResponse is not in base64.") from None
    # No encoding that hides this: anything but ASCII's superset of XML is refused by what follows.
    if b"<!DOCTYPE" in text or b"<!ENTITY" in text:
        raise SignInRefused(MALFORMED, "The response has a document type, which SAML does not use.")
    return text


def _parsed(text: bytes) -> Any:
    parser = etree.XMLParser(resolve_entities=False, no_network=True, load_dtd=False, huge_tree=False)
    root = etree.fromstring(text, parser)
    if root.getroottree().docinfo.doctype:
        raise SignInRefused(MALFORMED, "The response has a document type, which SAML does not use.")
    return root


def _require_one_root(root: Any) -> None:
    if root.tag != f"{{{PROTOCOL}}}Response":
        raise SignInRefused(MALFORMED, f"The root is {root.tag}, not a Response.")
    ids = [element.get("ID") for element in root.iter() if element.get("ID") is not None]
    if len(ids) != len(set(ids)):
        raise SignInRefused(ASSERTION_AMBIGUOUS, "Two elements have the same ID.")


def _settings(connection: Connection, configuration: Configuration, certificates: list[str]) -> dict[str, Any]:
    """Fixed for everybody: nothing of python3-saml's own settings is up to customers."""
    key = unseal(connection, "sp_private_key") if connection.sp_private_key else ""
    return {
        "strict": True,
        "debug": False,
        "sp": {
            "entityId": sp_entity_id(connection),
            "assertionConsumerService": {"url": acs_url(connection), "binding": POST_BINDING},
            "NameIDFormat": UNSPECIFIED,
            "privateKey": key,
        },
        "idp": {
            "entityId": configuration.entity_id,
            "singleSignOnService": {"url": configuration.sso_url, "binding": REDIRECT_BINDING},
            "x509certMulti": {"signing": certificates, "encryption": certificates[:1]},
        },
        "security": {
            "wantAssertionsSigned": not configuration.signs_response_only,
            "wantMessagesSigned": configuration.signs_response_only,
            "rejectDeprecatedAlgorithm": True,
            "wantAttributeStatement": False,
            "requestedAuthnContext": False,
            "allowRepeatAttributeName": True,
            # For identity providers inside the operator's network.
            "allowSingleLabelDomains": True,
        },
    }


def _request_data(address: str) -> dict[str, Any]:
    """Our own address as configured, whatever the request's Host says."""
    parts = urlsplit(address)
    return {
        "https": "on" if parts.scheme == "https" else "off",
        "http_host": parts.netloc,
        "script_name": parts.path,
        "get_data": {},
        "post_data": {},
    }
