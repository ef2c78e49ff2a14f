"""Certificates by which identity providers sign, and the one with which ours are encrypted."""

import base64
import binascii
from dataclasses import dataclass
from datetime import datetime, timedelta

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.x509.oid import NameOID
from django.utils import timezone

LONGEST = 16_384
MOST = 10
SMALLEST_RSA_KEY = 2048
OWN_KEY_BITS = 3072
OWN_YEARS = 20
BEGIN, END = "-----BEGIN CERTIFICATE-----", "-----END CERTIFICATE-----"


class UnfitCertificate(ValueError):
    """No certificate that signatures can be checked with. The message is a sentence."""


@dataclass(frozen=True)
class ParsedCertificate:
    """`pem` as we write it; `fingerprint` is the SHA-256 of the certificate, in hexadecimal."""

    pem: str
    fingerprint: str
    not_before: datetime
    not_after: datetime

    def is_usable(self, now: datetime) -> bool:
        """Whether it is in its time."""
        return self.not_before <= now <= self.not_after


def parse_certificate(text: str) -> ParsedCertificate:
    """A certificate in PEM, or its bare base64 as in SAML metadata. Raises UnfitCertificate."""
    if len(text) > LONGEST:
        raise UnfitCertificate(f"A certificate has at most {LONGEST} characters.")
    if "PRIVATE KEY" in text:
        raise UnfitCertificate(
            "This is a private key, which belongs to the identity provider alone: send its certificate instead, and "
            "consider the key as leaked."
        )
    try:
        certificate = x509.load_der_x509_certificate(_der_of(text))
        key = certificate.public_key()
    except (ValueError, UnsupportedAlgorithm):
        raise UnfitCertificate(
            "This is no certificate: send it as PEM, from -----BEGIN CERTIFICATE----- to -----END CERTIFICATE-----."
        ) from None
    if isinstance(key, rsa.RSAPublicKey):
        if key.key_size < SMALLEST_RSA_KEY:
            raise UnfitCertificate(
                f"The key of this certificate has {key.key_size} bits: ask for one of {SMALLEST_RSA_KEY} or more."
            )
    elif not isinstance(key, ec.EllipticCurvePublicKey):
        raise UnfitCertificate("This certificate is for a kind of key that SAML does not sign with: use RSA or EC.")
    return ParsedCertificate(
        pem=certificate.public_bytes(serialization.Encoding.PEM).decode(),
        fingerprint=certificate.fingerprint(hashes.SHA256()).hex(),
        not_before=certificate.not_valid_before_utc,
        not_after=certificate.not_valid_after_utc,
    )


def parse_certificates(texts: list[str]) -> tuple[ParsedCertificate, ...]:
    """Each certificate once, in the order given. Raises UnfitCertificate, also where none of them is in its time."""
    found: dict[str, ParsedCertificate] = {}
    for number, text in enumerate(texts, start=1):
        try:
            parsed = parse_certificate(text)
        except UnfitCertificate as error:
            raise UnfitCertificate(f"Certificate {number}: {error}" if len(texts) > 1 else str(error)) from None
        found.setdefault(parsed.fingerprint, parsed)
    if not found:
        raise UnfitCertificate("Name the certificate by which the identity provider signs.")
    if len(found) > MOST:
        raise UnfitCertificate(f"Name at most {MOST} certificates.")
    now = timezone.now()
    if not any(certificate.is_usable(now) for certificate in found.values()):
        last = max(certificate.not_after for certificate in found.values())
        state = f"has ended on {last:%-d %B %Y}" if last < now else "is not valid yet"
        raise UnfitCertificate(f"The certificate {state}: ask the identity provider's admin for the current one.")
    return tuple(found.values())


def split_blocks(text: str) -> list[str]:
    """The certificates in a text that holds several, such as a file or a form's field; a text without any as it is.

    In one pass over the text, which may be written to make a search by pattern slow.
    """
    begun = [piece[piece.rfind(BEGIN) :] + END for piece in text.split(END)[:-1] if BEGIN in piece]
    return begun or ([text] if text.strip() else [])


def make_own_pair(name: str) -> tuple[str, str]:
    """A key with which assertions for us can be encrypted, and its certificate, both PEM. Takes a tenth of a second."""
    key = rsa.generate_private_key(public_exponent=65537, key_size=OWN_KEY_BITS)
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    now = timezone.now()
    certificate = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=365 * OWN_YEARS))
        .sign(key, hashes.SHA256())
    )
    pem = serialization.Encoding.PEM
    private = key.private_bytes(pem, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    return private.decode(), certificate.public_bytes(pem).decode()


def _der_of(text: str) -> bytes:
    """Raises ValueError for what is not one block of base64."""
    inner = text.strip()
    if "-----" in inner:
        blocks = split_blocks(inner)
        if len(blocks) != 1:
            raise ValueError("not one certificate")
        inner = blocks[0].removeprefix(BEGIN).removesuffix(END)
    try:
        return base64.b64decode("".join(inner.split()), validate=True)
    except binascii.Error as error:
        raise ValueError(str(error)) from None
