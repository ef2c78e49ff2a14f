"""Verifies an export of the audit log without Tenantry: python verify_audit.py [FOLDER] [KEPT …]

FOLDER is the unpacked archive; each KEPT is a checkpoint that you kept elsewhere, as it was answered or downloaded,
or a key set (/.well-known/jwks.json) of the day on which you kept one.
Needs PyJWT (`pip install pyjwt[crypto]`) and Python 3.11.
"""

import csv
import hashlib
import json
import sys
from pathlib import Path

import jwt

FIELDS = ["id", "organization_id", "created_at", "event", "actor", "target", "result", "data"]
FIELDS += ["ip", "user_agent", "request_id"]


def lines(folder):
    if (folder / "records.jsonl").exists():
        yield from map(json.loads, (folder / "records.jsonl").open(encoding="utf-8"))
        return
    for harmless in csv.DictReader((folder / "records.csv").open(encoding="utf-8", newline="")):
        row = {name: text[1:] if text.startswith("'") else text for name, text in harmless.items()}
        for side in ("actor", "target"):
            row[side] = {part: row[f"{side}_{part}"] for part in ("kind", "id", "label")}
        yield row | {"sequence": int(row["sequence"]), "data": json.loads(row["data"]), "ip": row["ip"] or None}


def signed(statement, keys):
    header = jwt.get_unverified_header(statement)
    key = next((key for key in keys if key.key_id == header["kid"]), None)
    if header.get("typ") != "audit-checkpoint+jwt" or key is None:
        sys.exit(
            "This is no checkpoint, or the key that signed it is not in keys.json: name the key set of its day too."
        )
    return jwt.decode(statement, key, algorithms=["EdDSA"], options={"verify_iat": False})


def verify(folder, kept):
    manifest, keys = (json.loads((folder / name).read_text("utf-8")) for name in ("manifest.json", "keys.json"))
    own = [json.loads(line) for line in (folder / "checkpoints.jsonl").read_text("utf-8").splitlines()]
    given = [json.loads(Path(name).read_text("utf-8")) for name in kept]
    sets = [*(one for one in given if "keys" in one), keys]
    keys = [key for one in sets for key in jwt.PyJWKSet.from_dict(one).keys]
    statements = [signed(one["statement"], keys) for one in [*own, *given] if "keys" not in one]
    organization, first = manifest["organization"], manifest["range"]["first"]
    if any(statement["organization"] != organization for statement in statements):
        sys.exit(f"A checkpoint is not of {organization}.")
    said = [(statement["sequence"], statement["digest"]) for statement in statements]
    digest = bytes.fromhex(manifest["range"]["digest_before"])
    start = hashlib.sha256(organization.encode()).hexdigest() if first == 1 else digest.hex()
    if any(other != digest.hex() for other in [start, *(other for place, other in said if place == first - 1)]):
        sys.exit(f"What lies before number {first} is not what was sealed.")
    place, proven = first - 1, None
    for record in lines(folder):
        place += 1
        if record["sequence"] != place:
            sys.exit(f"Number {place} is missing, or not in its place: {record['id']} stands there.")
        content = {name: record[name] for name in FIELDS}
        text = json.dumps(content, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
        digest = hashlib.sha256(digest + text.encode()).digest()
        if digest.hex() != record["digest"]:
            sys.exit(f"Number {place}, {record['id']}, is not what was sealed.")
        if any(digest.hex() != other for sequence, other in said if sequence == place):
            sys.exit(f"A checkpoint says otherwise of number {place}: what lies before it was written anew.")
        proven = place if any(sequence == place for sequence, _ in said) else proven
    ahead = max(sequence for sequence, _ in said)
    if ahead > place or proven != place:
        sys.exit(f"This export ends at number {place}, but a checkpoint says that the log went on to number {ahead}.")
    return f"Numbers {first} to {place} of {organization} are as they were sealed."


if __name__ == "__main__":
    print(verify(Path(sys.argv[1] if len(sys.argv) > 1 else "."), sys.argv[2:]))
