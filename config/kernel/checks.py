"""Start-up checks of the house's own rules."""

from typing import Any

from django.core.checks import CheckMessage, Error, register

from config.kernel.access import Access
from config.kernel.routes import all_routes


@register("access")
def check_access(app_configs: Any, **_kwargs: Any) -> list[CheckMessage]:
    """Default deny: a routed view that declares no access stops the program."""
    problems: list[CheckMessage] = []
    for route in all_routes():
        methods = route.methods()
        if not methods or not all(isinstance(access, Access) for access in methods.values()):
            problems.append(
                Error(
                    f"{route.path} ({route.view}) declares no access.",
                    hint="Set `access` on the view; for a view that others wrote, name it in config/access.py.",
                    id="access.E001",
                )
            )
    return problems
