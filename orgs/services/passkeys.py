"""Passkeys (W3C Web Authentication, Level 3, sections 7.1 and 7.2), checked with python-fido2.

Every passkey can be found by its device without a name (it is discoverable) and every use verifies the person, by
fingerprint, face or PIN, so that one use is two factors. Challenges are kept by the edges, in the person's session.
"""

import hmac
import ipaddress
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

import structlog
from cryptography.exceptions import UnsupportedAlgorithm
from django.conf import settings
from django.db import IntegrityError, transaction
from django.utils import timezone
from fido2 import cbor
from fido2.cose import CoseKey, UnsupportedKey
from fido2.server import Fido2Server
from fido2.utils import websafe_decode
from fido2.webauthn import (
    Aaguid,
    AttestedCredentialData,
    AuthenticationResponse,
    PublicKeyCredentialRpEntity,
    PublicKeyCredentialUserEntity,
    RegistrationResponse,
    ResidentKeyRequirement,
    UserVerificationRequirement,
)

from audit.services import record
from config.kernel.errors import Conflict, Invalid
from config.kernel.principals import UserPrincipal
from config.kernel.sign_in import SecondFactor
from config.kernel.tenancy.scope import INSTALLATION_ID
from orgs import events
from orgs.models import Passkey, User
from orgs.services.factor_notices import Notice, tell
from orgs.services.targets import user_target

NAME = "Tenantry"
MOST = 20
DEFAULT_PORTS = {"http": 80, "https": 443}
# What reading an answer of a browser raises that is not one.
UNREADABLE = (
    ValueError, TypeError, KeyError, AttributeError, IndexError, AssertionError, NotImplementedError,
    RecursionError, OverflowError, UnsupportedAlgorithm,
)  # fmt: skip
VERIFIED = UserVerificationRequirement.REQUIRED

log = structlog.get_logger(__name__)


class PasskeyRefused(Invalid):
    """What a browser sent for a passkey. The `cause` is for the ledger; whoever sent it is told nothing of it."""

    code = "passkey_refused"
    status = 422
    title = "Passkey refused"
    detail = "This passkey was not accepted: try again, or choose another way."

    def __init__(self, cause: str) -> None:
        super().__init__()
        self.cause = cause


@dataclass(frozen=True)
class RelyingParty:
    """Who we are to browsers: `id` is a host name, `origin` the one whose pages may use passkeys of it."""

    id: str
    origin: str


@dataclass(frozen=True)
class Ceremony:
    """What a browser is asked: `options` in JSON for it, and the `challenge` to keep for its answer."""

    options: dict[str, Any]
    challenge: str


def relying_party() -> RelyingParty | None:
    """By TENANTRY_URL; None where that is an IP address of elsewhere, for which browsers make no passkeys.

    This machine's own addresses stand for `localhost`, under whose name the same server answers.
    """
    url = urlsplit(settings.TENANTRY_URL)
    host = url.hostname or ""
    try:
        if not ipaddress.ip_address(host).is_loopback:
            return None
        host = "localhost"
    except ValueError:
        pass
    port = f":{url.port}" if url.port and url.port != DEFAULT_PORTS.get(url.scheme) else ""
    return RelyingParty(host, f"{url.scheme}://{host}{port}")


def has_usable_passkey(user: User) -> bool:
    """Whether this person has a passkey, at an address under which browsers use it."""
    return relying_party() is not None and Passkey.objects.filter(user=user).exists()


def begin_registration(*, user: User) -> Ceremony:
    """Asks a person's browser for a new passkey. Raises Conflict where there can be none."""
    known = list(Passkey.objects.filter(user=user))
    if len(known) >= MOST:
        raise Conflict(f"You have {MOST} passkeys: remove one that you no longer use.", code="too_many_passkeys")
    options, state = _server().register_begin(
        PublicKeyCredentialUserEntity(id=user.id.bytes, name=user.email, display_name=user.display_name),
        credentials=[_credential(passkey) for passkey in known],
        resident_key_requirement=ResidentKeyRequirement.REQUIRED,
        user_verification=VERIFIED,
    )
    return Ceremony(dict(options), state["challenge"])


def add_passkey(*, actor: UserPrincipal, user: User, name: str, challenge: str, answer: Mapping[str, Any]) -> Passkey:
    """The passkey that a browser made for this challenge. Raises PasskeyRefused, Conflict for one too many."""
    server = _server()
    try:
        client = RegistrationResponse.from_dict(answer).response.client_data
        data = server.register_complete(_state(challenge), answer)
        credential = data.credential_data
    except UNREADABLE as error:
        raise _refused("registration", error) from error
    if client.cross_origin or credential is None or isinstance(credential.public_key, UnsupportedKey):
        raise PasskeyRefused("unsuitable")
    with transaction.atomic():
        user = User.objects.select_for_update().get(id=user.id)
        if Passkey.objects.filter(user=user).count() >= MOST:
            raise Conflict(f"You have {MOST} passkeys: remove one that you no longer use.", code="too_many_passkeys")
        try:
            with transaction.atomic():
                passkey = Passkey.objects.create(
                    user=user,
                    name=name,
                    credential_id=credential.credential_id,
                    public_key=cbor.encode(dict(credential.public_key)),
                    sign_count=data.counter,
                    last_challenge=websafe_decode(challenge),
                )
        except IntegrityError:
            raise PasskeyRefused("known") from None
        record(
            events.USER_SECOND_FACTOR_ADDED,
            actor=actor,
            target=user_target(user),
            data={"factor": SecondFactor.PASSKEY.value, "name": name},
            org_id=INSTALLATION_ID,
        )
        tell(user, Notice.PASSKEY_ADDED, name)
    return passkey


def begin_use(*, user: User | None = None) -> Ceremony:
    """Asks a browser for one of the person's passkeys, or, of nobody in particular, for any. Raises Conflict."""
    known = [_credential(passkey) for passkey in Passkey.objects.filter(user=user)] if user else None
    options, state = _server().authenticate_begin(credentials=known, user_verification=VERIFIED)
    return Ceremony(dict(options), state["challenge"])


def use_passkey(*, challenge: str, answer: Mapping[str, Any], user: User | None = None) -> Passkey:
    """The passkey, with its person, that signed this challenge. Raises PasskeyRefused.

    With `user` it must be one of theirs; without, the answer itself says whose it is, and must say so rightly.
    """
    server = _server()
    try:
        read = AuthenticationResponse.from_dict(answer)
    except UNREADABLE as error:
        raise _refused("use", error) from error
    with transaction.atomic():
        rows = Passkey.objects.select_for_update(of=("self",)).select_related("user")
        passkey = rows.filter(credential_id=read.raw_id).first()
        if passkey is None:
            raise PasskeyRefused("unknown")
        owner = read.response.user_handle
        if (owner is None and user is None) or (owner is not None and not _same(owner, passkey.user_id.bytes)):
            raise PasskeyRefused("foreign")
        if user is not None and passkey.user_id != user.id:
            raise PasskeyRefused("foreign")
        try:
            server.authenticate_complete(_state(challenge), [_credential(passkey)], answer)
            signed = websafe_decode(challenge)
        except UNREADABLE as error:
            raise _refused("use", error) from error
        if read.response.client_data.cross_origin:
            raise PasskeyRefused("unsuitable")
        # Two requests at the same moment could bring the same answer before the session forgets its challenge.
        if passkey.last_challenge is not None and _same(bytes(passkey.last_challenge), signed):
            raise PasskeyRefused("replayed")
        count = read.response.authenticator_data.counter
        if (count or passkey.sign_count) and count <= passkey.sign_count:
            raise PasskeyRefused("counter")
        passkey.sign_count, passkey.last_challenge, passkey.last_used_at = count, signed, timezone.now()
        passkey.save(update_fields=["sign_count", "last_challenge", "last_used_at"])
    return passkey


def _server() -> Fido2Server:
    party = relying_party()
    if party is None:
        raise Conflict("Passkeys need a host name: ask the operator to give Tenantry one.", code="no_passkeys_here")
    entity = PublicKeyCredentialRpEntity(id=party.id, name=NAME)
    return Fido2Server(entity, verify_origin=lambda origin: origin == party.origin)


def _state(challenge: str) -> dict[str, Any]:
    return {"challenge": challenge, "user_verification": VERIFIED}


def _credential(passkey: Passkey) -> AttestedCredentialData:
    key: Any = cbor.decode(bytes(passkey.public_key))
    return AttestedCredentialData.create(Aaguid.NONE, bytes(passkey.credential_id), CoseKey.parse(key))


def _refused(ceremony: str, error: BaseException) -> PasskeyRefused:
    log.info("passkey_refused", ceremony=ceremony, error=f"{type(error).__name__}: {error}")
    return PasskeyRefused("invalid")


def _same(one: bytes, other: bytes) -> bool:
    return hmac.compare_digest(one, other)
