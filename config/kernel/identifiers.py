"""Public ids: TypeIDs (https://github.com/jetify-com/typeid), a prefix naming the kind and a UUIDv7 in base 32."""

from uuid import UUID

from typeid import TypeID, base32
from typeid.errors import TypeIDException

from config.kernel.errors import Absent

LONGEST = 80
TYPE_ID = "[0-7][0-9a-hjkmnp-tv-z]{25}"  # a UUID in the base 32 of TypeIDs


def public_id(prefix: str, value: UUID) -> str:
    """`org_01h455vb4pex5vsknk084sn02q` for prefix "org" and a UUID."""
    return f"{prefix}_{base32.encode(value.bytes)}"


def public_id_of_text(prefix: str, value: str) -> str:
    """The same of a UUID that is a text already, as PostgreSQL writes it."""
    return f"{prefix}_{base32.encode(bytes.fromhex(value.replace('-', '')))}"


def parse_public_id(prefix: str, text: str) -> UUID | None:
    """The UUID behind a public id; None when it is not one of this kind, which callers answer like an absent one."""
    if not isinstance(text, str) or not text.startswith(f"{prefix}_") or len(text) > LONGEST:
        return None
    try:
        parsed = TypeID.from_string(text)
        return UUID(str(parsed.uuid)) if parsed.prefix == prefix else None
    except (TypeIDException, ValueError):
        return None


def required_id(prefix: str, text: str) -> UUID:
    """The UUID behind a public id. Raises Absent when it is not one of this kind."""
    found = parse_public_id(prefix, text)
    if found is None:
        raise Absent
    return found
