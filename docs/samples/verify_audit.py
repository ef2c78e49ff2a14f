"""Verifies an export of the audit log without Tenantry: python verify_audit.py [FOLDER] [KEPT …]

FOLDER is the unpacked archive; each KEPT is a checkpoint that you kept elsewhere, as it was answered or downloaded,
or a key set (/.well-known/jwks.json) of the day on which you kept one.
Needs PyJWT (`pip install pyjwt[crypto]`) and Python 3.11.
"""

import csv
import json
import sys
from hashlib import sha256
from pathlib import Path

import jwt


def require(holds, words):
    if not holds:
        sys.exit(words)


def lines(folder):
    if (folder / "records.jsonl").exists():
        yield from map(json.loads, (folder / "records.jsonl").open(encoding="utf-8"))
        return
    for harmless in csv.DictReader((folder / "records.csv").open(encoding="utf-8", newline="")):
        row = {name: text[1:] if text.startswith("'") else text for name, text in harmless.items()}
        who = {of: {part: row.pop(f"{of}_{part}") for part in ("kind", "id", "label")} for of in ("actor", "target")}
        yield row | who | {"sequence": int(row["sequence"]), "data": json.loads(row["data"]), "ip": row["ip"] or None}


def signed(statement, keys):
    header = jwt.get_unverified_header(statement)
    key = next((key for key in keys if key.key_id == header["kid"]), None)
    is_signed = key and header.get("typ") == "audit-checkpoint+jwt"
    require(is_signed, "This is no checkpoint, or no key set has its key: name the key set of its day too.")
    return jwt.decode(statement, key, algorithms=["EdDSA"], options={"verify_iat": False})


def verify(folder, kept):
    manifest, keys = (json.loads((folder / name).read_text("utf-8")) for name in ("manifest.json", "keys.json"))
    own = [json.loads(line) for line in (folder / "checkpoints.jsonl").read_text("utf-8").splitlines()]
    given = [json.loads(Path(name).read_text("utf-8")) for name in kept]
    keys = [key for one in [*given, keys] if "keys" in one for key in jwt.PyJWKSet.from_dict(one).keys]
    statements = [signed(one["statement"], keys) for one in [*own, *given] if "keys" not in one]
    organization, first = manifest["organization"], manifest["range"]["first"]
    require({one["organization"] for one in statements} == {organization}, f"A checkpoint is not of {organization}.")
    said = [(0, sha256(organization.encode()).hexdigest()), *((one["sequence"], one["digest"]) for one in statements)]
    place, digest = first - 1, bytes.fromhex(manifest["range"]["digest_before"])
    before = {other for sequence, other in said if sequence == place}
    require(before <= {digest.hex()}, f"What lies before number {first} is not what was sealed.")
    for record in lines(folder):
        place += 1
        require(record.pop("sequence") == place, f"Number {place} is missing: {record['id']} stands in its place.")
        sealed = record.pop("digest")
        text = json.dumps(record, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
        digest = sha256(digest + text.encode()).digest()
        require(digest.hex() == sealed, f"Number {place}, {record['id']}, is not what was sealed.")
        there = {other for sequence, other in said if sequence == place}
        require(there <= {sealed}, f"A checkpoint says otherwise of number {place}: all before it was written anew.")
    words = f"This export ends at number {place}, but a checkpoint says that the log went on to number {max(said)[0]}."
    require(max(said)[0] == place, words)
    return f"Numbers {first} to {place} of {organization} are as they were sealed."


if __name__ == "__main__":
    print(verify(Path(sys.argv[1] if len(sys.argv) > 1 else "."), sys.argv[2:]))
