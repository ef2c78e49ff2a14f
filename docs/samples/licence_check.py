"""Verifies an entitlement token of Tenantry without asking for it: only the public keys are fetched, and kept.

Python 3.11 or newer with PyJWT and cryptography (`pip install "pyjwt[crypto]"`):

    python licence_check.py https://tenantry.example.com prj_… shop.example.com < token

Writes the claims, and ends with 1 when the token is not to be believed.
"""

import json
import sys

import jwt

TYPE = "entitlement+jwt"
REQUIRED = ["iss", "aud", "sub", "exp", "iat", "org", "domain", "plan", "features", "limits", "downgraded"]


class LicenceChecker:
    """For one project of one Tenantry. Keeps the key set for five minutes, and fetches it anew for an unknown key."""

    def __init__(self, tenantry: str, project: str) -> None:
        self._issuer, self._project = tenantry.rstrip("/"), project
        self._keys = jwt.PyJWKClient(f"{self._issuer}/.well-known/jwks.json", lifespan=300, timeout=10)

    def claims(self, token: str, domain: str) -> dict[str, object]:
        """What the token says about `domain`. Raises jwt.PyJWTError when it is not to be believed."""
        key = self._keys.get_signing_key_from_jwt(token)
        decoded = jwt.decode_complete(
            token,
            key,
            algorithms=["EdDSA"],
            issuer=self._issuer,
            audience=self._project,
            leeway=5,
            options={"require": REQUIRED},
        )
        # Other tokens are signed with the same keys: the type tells them apart.
        if decoded["header"].get("typ") != TYPE:
            raise jwt.InvalidTokenError("This is a token of another purpose.")
        if decoded["payload"]["domain"] != domain:
            raise jwt.InvalidTokenError("This is the token of another domain.")
        return decoded["payload"]


def main() -> int:
    """The command described above."""
    tenantry, project, domain = sys.argv[1:]
    try:
        claims = LicenceChecker(tenantry, project).claims(sys.stdin.read().strip(), domain)
    except jwt.PyJWTError as error:
        sys.stderr.write(f"Refused: {error}\n")
        return 1
    sys.stdout.write(json.dumps(claims) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
