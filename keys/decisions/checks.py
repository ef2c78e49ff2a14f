"""Start-up check of the decision maker: with one that cannot be made, everything would be denied."""

from typing import Any

from django.conf import settings
from django.core.checks import CheckMessage, Error, register

from keys.decisions.maker import decision_maker


@register("decisions")
def check_decision_maker(app_configs: Any, **_kwargs: Any) -> list[CheckMessage]:
    """TENANTRY_DECISION_MAKER names a class without arguments that decides."""
    name = settings.TENANTRY_DECISION_MAKER
    try:
        usable = callable(getattr(decision_maker(), "decide", None))
    except Exception as error:  # noqa: BLE001 - whatever importing or making it raises
        return [_unusable(f"{name} cannot be made: {type(error).__name__}: {error}")]
    return [] if usable else [_unusable(f"{name} has no method `decide`.")]


def _unusable(words: str) -> CheckMessage:
    hint = "Set TENANTRY_DECISION_MAKER to a class as docs/decisions.md describes it, or leave it out."
    return Error(words, hint=hint, id="decisions.E001")
