"""What people have in their hands: apps that show codes, and devices with passkeys, in software."""

import hashlib
import secrets
import time
from typing import Any

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from django_otp.oath import TOTP
from fido2.cose import ES256
from fido2.utils import websafe_decode, websafe_encode
from fido2.webauthn import Aaguid, AttestationObject, AttestedCredentialData, AuthenticatorData, CollectedClientData

from orgs.models import TOTPDevice
from orgs.services.passkeys import relying_party
from orgs.services.second_factor import seed_of

FLAG = AuthenticatorData.FLAG


def code_of(device: TOTPDevice, *, steps: int = 0) -> str:
    """The six digits that an authenticator shows now, or some steps later."""
    totp = TOTP(seed_of(device))
    totp.time = time.time() + steps * totp.step
    return f"{totp.token():06d}"


class PasskeyDevice:
    """A device that makes passkeys and signs with them. `verifies` its person, unless told not to."""

    def __init__(self, *, origin: str = "", verifies: bool = True, counts: bool = True) -> None:
        party = relying_party()
        assert party is not None
        self.origin, self.verifies, self.counts = origin or party.origin, verifies, counts
        self.keys: dict[bytes, ec.EllipticCurvePrivateKey] = {}
        self.owners: dict[bytes, bytes] = {}
        self.count = 0

    def create(self, options: dict[str, Any], **client: Any) -> dict[str, Any]:
        """A new passkey for what the server asks, as a browser answers."""
        asked = options["publicKey"]
        known = {websafe_decode(each["id"]) for each in asked.get("excludeCredentials") or []}
        assert not known & set(self.keys), "a browser refuses a second passkey on the same device"
        key, credential_id = ec.generate_private_key(ec.SECP256R1()), secrets.token_bytes(32)
        self.keys[credential_id], self.owners[credential_id] = key, websafe_decode(asked["user"]["id"])
        credential = AttestedCredentialData.create(
            Aaguid.NONE, credential_id, ES256.from_cryptography_key(key.public_key())
        )
        data = self._data(asked["rp"]["id"], FLAG.AT, credential)
        return self._answer(
            credential_id,
            clientDataJSON=self._client(CollectedClientData.TYPE.CREATE, asked["challenge"], **client),
            attestationObject=AttestationObject.create("none", data, {}),
        )

    def get(self, options: dict[str, Any], *, owner: bytes | None = None, **client: Any) -> dict[str, Any]:
        """What the device signs for what the server asks, with the newest passkey that fits."""
        asked = options["publicKey"]
        allowed = [websafe_decode(each["id"]) for each in asked.get("allowCredentials") or []]
        credential_id = next(known for known in reversed(self.keys) if known in allowed or not allowed)
        data = self._data(asked["rpId"])
        client_data = self._client(CollectedClientData.TYPE.GET, asked["challenge"], **client)
        signed = self.keys[credential_id].sign(data + hashlib.sha256(client_data).digest(), ec.ECDSA(hashes.SHA256()))
        return self._answer(
            credential_id,
            clientDataJSON=client_data,
            authenticatorData=data,
            signature=signed,
            userHandle=owner or self.owners[credential_id],
        )

    def _data(
        self, party: str, flags: int = 0, credential: AttestedCredentialData | bytes = b""
    ) -> AuthenticatorData:  # fmt: skip
        self.count += self.counts
        flags |= FLAG.UP | (FLAG.UV if self.verifies else 0)
        return AuthenticatorData.create(hashlib.sha256(party.encode()).digest(), flags, self.count, credential)

    def _client(self, kind: str, challenge: str, **client: Any) -> CollectedClientData:
        return CollectedClientData.create(kind, challenge, **{"origin": self.origin, **client})

    def _answer(self, credential_id: bytes, **parts: bytes) -> dict[str, Any]:
        return {
            "id": websafe_encode(credential_id),
            "rawId": websafe_encode(credential_id),
            "type": "public-key",
            "clientExtensionResults": {},
            "response": {name: websafe_encode(bytes(part)) for name, part in parts.items()},
        }
