"""Verifies an audit log without Tenantry: python verify_audit.py KEYS CHECKPOINT PAGES

KEYS is the key set that you kept (/.well-known/jwks.json), CHECKPOINT one of audit-checkpoints as it was answered,
PAGES the answers of audit-events, one a line. Needs PyJWT (`pip install pyjwt[crypto]`) and Python 3.11.
"""

import hashlib
import json
import sys
from datetime import UTC, datetime
from pathlib import Path

import jwt

FIELDS = ("id", "organization_id", "event", "actor", "target", "result", "data", "ip", "user_agent", "request_id")


def canonical(record):
    moment = datetime.fromisoformat(record["created_at"]).astimezone(UTC)
    whole = {name: record[name] for name in FIELDS}
    whole["created_at"] = moment.isoformat(timespec="microseconds").replace("+00:00", "Z")
    return json.dumps(whole, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()


def verify(keys, checkpoint, records):
    statement = checkpoint["statement"]
    header = jwt.get_unverified_header(statement)
    if header.get("typ") != "audit-checkpoint+jwt":
        raise SystemExit("This is no checkpoint.")
    key = next((key for key in jwt.PyJWKSet.from_dict(keys).keys if key.key_id == header["kid"]), None)
    if key is None:
        raise SystemExit("The key set does not have the key that signed the checkpoint.")
    signed = jwt.decode(statement, key, algorithms=["EdDSA"], options={"verify_iat": False})
    records = sorted((record for record in records if record["sealed"]), key=lambda record: record["sequence"])
    digest = hashlib.sha256(signed["organization"].encode()).digest()
    for place, record in enumerate(records[: signed["sequence"]], start=1):
        if record["sequence"] != place:
            raise SystemExit(f"Record {place} is missing.")
        digest = hashlib.sha256(digest + canonical(record)).digest()
    if len(records) < signed["sequence"]:
        raise SystemExit(f"The log ends at {len(records)}; the checkpoint says {signed['sequence']}.")
    if digest.hex() != signed["digest"]:
        raise SystemExit("The records are not those that were sealed.")
    return signed


if __name__ == "__main__":
    keys, checkpoint = (json.loads(Path(name).read_text()) for name in sys.argv[1:3])
    pages = [json.loads(line) for line in Path(sys.argv[3]).read_text().splitlines()]
    found = verify(keys, checkpoint, [record for page in pages for record in page["data"]])
    print(f"{found['sequence']} records of {found['organization']} are as they were sealed, at {found['sealed_at']}.")
