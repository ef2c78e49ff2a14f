"""The one body format that programs send."""

import json
import math
from collections.abc import Mapping
from typing import IO, Any

from django.conf import settings
from rest_framework.parsers import BaseParser

from config.kernel.errors import Malformed, TooLarge

DEEPEST = 20


class JSONParser(BaseParser):
    """Strict JSON in UTF-8, at most DATA_UPLOAD_MAX_MEMORY_SIZE bytes also when no length was declared."""

    media_type = "application/json"

    def parse(
        self, stream: IO[Any], media_type: str | None = None, parser_context: Mapping[str, Any] | None = None
    ) -> Any:
        body = stream.read(settings.DATA_UPLOAD_MAX_MEMORY_SIZE + 1)
        if len(body) > settings.DATA_UPLOAD_MAX_MEMORY_SIZE:
            raise TooLarge
        try:
            return strict_json(body.decode("utf-8"))
        except (ValueError, RecursionError) as error:
            raise Malformed from error


def strict_json(text: str) -> Any:
    """What a JSON text says. Raises ValueError (json.JSONDecodeError where it is no JSON), RecursionError."""
    data = json.loads(text, object_pairs_hook=_unique, parse_constant=_refuse_constant, parse_float=_finite)
    require_shallow(data)
    if "\\u" in text:
        json.dumps(data, ensure_ascii=False).encode()  # a lone surrogate cannot be written again
    return data


def require_shallow(data: Any) -> None:
    """Raises ValueError for what is nested more than DEEPEST levels deep."""
    level = [data]
    for _ in range(DEEPEST):
        nested = [item for item in level if isinstance(item, dict | list)]
        level = [child for item in nested for child in (item.values() if isinstance(item, dict) else item)]
        if not level:
            return
    raise ValueError(f"Nested more than {DEEPEST} levels deep.")


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError("A name comes twice (RFC 8259, 4).")
    return found


def _refuse_constant(name: str) -> None:
    raise ValueError(f"{name} is not JSON (RFC 8259).")


def _finite(text: str) -> float:
    number = float(text)
    if not math.isfinite(number):
        raise ValueError(f"{text[:40]} is beyond every number that we can keep.")
    return number
