"""`POST /api/v1/keys/verify` from memory. Judges by the very functions of the full path (keys/verification.py)."""

import hashlib
import ipaddress
import time
from functools import lru_cache
from typing import Any

import orjson

from config.kernel.hot import OK, Answer
from config.kernel.permissions import Permission
from keys.credentials import could_be_ours
from keys.facts import KeyFacts
from keys.hot.cache import cache
from keys.hot.callers import calling_key
from keys.verification import PASSED, Code, Question, Verdict, judge

LONGEST_KEY = 1000
MARKS_OF_A_KEY = 4
LONGEST_ORIGIN = 300
LARGEST_COST = 1_000_000
VERIFY = Permission.KEYS_VERIFY.value
PERMISSIONS = frozenset(permission.value for permission in Permission)
FIELDS = frozenset({"key", "origin", "ip", "permission", "cost"})

HEADS = {
    code.value: orjson.dumps({"valid": code == Code.VALID, "code": code.value})[:-1] + b',"key_id":"'
    for code in list(Code)
}
NO_LIMITS = b',"expires_at":null,"ratelimit":null,"remaining":null}'
NOT_FOUND = orjson.dumps(
    {
        "valid": False,
        "code": Code.NOT_FOUND.value,
        **dict.fromkeys(("key_id", "organization_id", "project_id", "kind", "mode")),
        "permissions": [],
        "plan": None,
        "metadata": {},
        **dict.fromkeys(("expires_at", "ratelimit", "remaining")),
    }
)


def verify_key(environ: dict[str, Any], body: bytes) -> Answer | None:
    """The answer to one question, or None for the full path."""
    question = read(body)
    if question is None:
        return None
    now = time.time()
    caller = calling_key(environ, VERIFY, now)
    if caller is None:
        return None
    digest = hashlib.sha256(question.key.encode()).digest()
    key = cache.kept(digest)
    if key is None and could_be_ours(question.key):
        key = cache.get(digest)
    if key is None or key.project.organization.id != caller.project.organization.id:
        return OK, NOT_FOUND, []
    if key.terms.is_imported and not could_be_ours(question.key):  # the full path asks before it looks
        return OK, NOT_FOUND, []
    return OK, told(key, judge(key, question, now)), []


def read(body: bytes) -> Question | None:
    """The question of a body of the expected form: one flat object without escapes. None for every other body."""
    try:
        data = orjson.loads(body)
    except orjson.JSONDecodeError:
        return None
    if type(data) is not dict or b"\\" in body:
        return None
    key = data.get("key")
    if type(key) is not str or len(key) > LONGEST_KEY or not key.isprintable():
        return None
    # Each name and each text has two quotation marks; were there more, a name would come twice, which orjson accepts.
    marks = body.count(b'"')
    if marks == MARKS_OF_A_KEY:
        return Question(key) if len(data) == 1 else None
    texts = sum(type(value) is str for value in data.values())
    if marks != 2 * (len(data) + texts) or not data.keys() <= FIELDS:
        return None
    return _with_conditions(data)


def _with_conditions(data: dict[str, Any]) -> Question | None:
    origin, ip, permission, cost = data.get("origin"), data.get("ip"), data.get("permission"), data.get("cost", 1)
    if origin is not None and (type(origin) is not str or len(origin) > LONGEST_ORIGIN or not origin.isprintable()):
        return None
    if permission is not None and (type(permission) is not str or permission not in PERMISSIONS):
        return None
    if type(cost) is not int or not 1 <= cost <= LARGEST_COST:
        return None
    if origin is not None and (not origin or origin != origin.strip()):
        return None
    if ip is not None:
        ip = _address(ip) if type(ip) is str else None
        if ip is None:
            return None
    return Question(data["key"], origin, ip, permission, cost)


@lru_cache(maxsize=4096)
def _address(text: str) -> str | None:
    try:
        return str(ipaddress.ip_address(text)) if "%" not in text else None
    except ValueError:
        return None


def told(key: KeyFacts, verdict: Verdict) -> bytes:
    """The verdict as JSON, with the fields of VerificationRecord."""
    tail = NO_LIMITS if verdict is PASSED and key.terms.expires_at is None else _tail(key, verdict)
    return b"".join((HEADS[verdict.code._value_], key.public_id.encode(), key.family.told, key.terms.metadata, tail))


def _tail(key: KeyFacts, verdict: Verdict) -> bytes:
    expires_at = key.terms.expires_at
    expires = b"null" if expires_at is None else expires_at.strftime('"%Y-%m-%dT%H:%M:%S.%fZ"').encode()
    rate = b"null" if verdict.rate is None else orjson.dumps(verdict.rate.told())
    remaining = b"null" if verdict.remaining is None else b"%d" % verdict.remaining
    return b"".join((b',"expires_at":', expires, b',"ratelimit":', rate, b',"remaining":', remaining, b"}"))
