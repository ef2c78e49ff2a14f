"""The one body format that programs send."""

import json
from collections.abc import Mapping
from typing import IO, Any

from django.conf import settings
from rest_framework.parsers import BaseParser

from config.kernel.errors import Malformed, TooLarge


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
            return json.loads(body.decode("utf-8"), parse_constant=_refuse_constant)
        except (ValueError, RecursionError) as error:
            raise Malformed from error


def _refuse_constant(name: str) -> None:
    raise ValueError(f"{name} is not JSON (RFC 8259).")
