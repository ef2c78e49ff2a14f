"""Verifies an export of the audit log without Tenantry: python verify_audit.py [FOLDER] [KEPT …]

FOLDER is the unpacked archive; each KEPT is a checkpoint that you kept elsewhere, as it was answered or downloaded
(a list of them, too), or a key set (/.well-known/jwks.json) of the day on which you kept one.
Needs PyJWT (`pip install pyjwt[crypto]`) and Python 3.11.
"""

import csv
import json
import sys
from hashlib import sha256
from pathlib import Path

import jwt


def require(holds, words):
    return holds or sys.exit(words)


def once(pairs):
    return require(len(dict(pairs)) == len(pairs), f"A record says something twice: {pairs}.") and dict(pairs)


load = json.JSONDecoder(object_pairs_hook=once).decode


def lines(folder):
    csv.field_size_limit(2**31 - 1)
    jsonl, table = folder / "records.jsonl", folder / "records.csv"
    require(jsonl.exists() != table.exists(), "Leave one file of records beside this program: the one it came with.")
    yield from map(load, jsonl.open(encoding="utf-8") if jsonl.exists() else [])
    rows = csv.reader(table.open(encoding="utf-8", newline="")) if table.exists() else iter([[]])
    names = next(rows)
    for cells in filter(None, rows):
        row = once([*zip(names, (cell.removeprefix("'") for cell in cells), strict=True)])
        who = {of: {part: row.pop(f"{of}_{part}") for part in ("kind", "id", "label")} for of in ("actor", "target")}
        yield row | who | {"sequence": int(row["sequence"]), "data": load(row["data"]), "ip": row["ip"] or None}


def signed(statement, keys):
    header = jwt.get_unverified_header(statement)
    words = "This is no checkpoint, or no key set has its key: name the key set of its day too."
    require(header.get("typ") == "audit-checkpoint+jwt" and header.get("kid") in keys, words)
    return jwt.decode(statement, keys[header["kid"]], algorithms=["EdDSA"], options={"verify_iat": False})


def verify(folder, kept):
    manifest, keys = (load((folder / name).read_text("utf-8")) for name in ("manifest.json", "keys.json"))
    own = [load(line) for line in (folder / "checkpoints.jsonl").read_text("utf-8").splitlines()]
    given = [one for name in kept for file in [load(Path(name).read_text("utf-8"))] for one in file.get("data", [file])]
    keys = {key.key_id: key for one in [keys, *given] if "keys" in one for key in jwt.PyJWKSet.from_dict(one).keys}
    statements = [signed(one["statement"], keys) for one in [*own, *given] if "keys" not in one]
    whose, first = manifest["organization"], manifest["range"]["first"]
    require({one["organization"] for one in statements} == {whose}, f"A checkpoint is not of {whose}.")
    said = [(0, sha256(whose.encode()).hexdigest()), *((one["sequence"], one["digest"]) for one in statements)]
    place, digest = first - 1, bytes.fromhex(manifest["range"]["digest_before"])
    before = {other for sequence, other in said if sequence == place}
    require(before <= {digest.hex()}, f"What lies before number {first} is not what was sealed.")
    for place, record in enumerate(lines(folder), first):
        require(record.pop("sequence") == place, f"Number {place} is missing: {record['id']} stands in its place.")
        sealed = record.pop("digest")
        text = json.dumps(record, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
        digest = sha256(digest + text.encode()).digest()
        require(digest.hex() == sealed, f"Number {place}, {record['id']}, is not what was sealed.")
        there = {other for sequence, other in said if sequence == place}
        require(there <= {sealed}, f"A checkpoint says otherwise of number {place}: all before it was written anew.")
    words = f"This export ends at number {place}, but a checkpoint says that the log went on to number {max(said)[0]}."
    return require(max(said)[0] == place, words) and f"Numbers {first} to {place} of {whose} are as they were sealed."


print(verify(Path(sys.argv[1] if len(sys.argv) > 1 else "."), sys.argv[2:]))
