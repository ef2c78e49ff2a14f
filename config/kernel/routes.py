"""Every route of the installation with the access it declares: what the start-up check, the tests and the docs walk."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from django.conf import settings
from django.urls import URLPattern, URLResolver, get_resolver

from config.kernel.access import Access, Declaration


@dataclass(frozen=True)
class Route:
    """`path` is the pattern as written, `view` the dotted name, `declaration` None when nothing is declared."""

    path: str
    name: str
    view: str
    callback: Any
    declaration: Declaration | None

    def methods(self) -> dict[str, Access]:
        """The access of each method; "*" when one declaration holds for all."""
        if self.declaration is None:
            return {}
        return {"*": self.declaration} if isinstance(self.declaration, Access) else dict(self.declaration)


def all_routes(urlconf: str | None = None) -> list[Route]:
    """Every URL pattern, in order."""
    return list(_walk(get_resolver(urlconf), "/", ""))


def _walk(resolver: URLResolver, prefix: str, namespace: str) -> Iterator[Route]:
    for entry in resolver.url_patterns:
        path = prefix + str(entry.pattern).removeprefix("^").removesuffix("$").removesuffix("\\Z")
        if isinstance(entry, URLResolver):
            inner = ":".join(filter(None, [namespace, entry.namespace]))
            yield from _walk(entry, path, inner)
        elif isinstance(entry, URLPattern):
            yield _route(entry, path, namespace)


def _route(pattern: URLPattern, path: str, namespace: str) -> Route:
    callback = pattern.callback
    owner = owner_of(callback)
    view = f"{owner.__module__}.{getattr(owner, '__qualname__', type(owner).__name__)}"
    name = ":".join(filter(None, [namespace, pattern.name]))
    declaration = getattr(owner, "access", None)
    if declaration is None:
        declaration = _declared_for_others(view, name, namespace)
    return Route(path, name, view, callback, declaration)


def owner_of(callback: Any) -> Any:
    """The class behind a view, or the function that is one."""
    return getattr(callback, "view_class", None) or getattr(callback, "cls", None) or callback


def _declared_for_others(view: str, name: str, namespace: str) -> Declaration | None:
    """Views that others wrote are declared in TENANTRY_ACCESS: by route name, dotted name, or `namespace:*`."""
    table = settings.TENANTRY_ACCESS
    return table.get(name) or table.get(view) or table.get(f"{namespace}:*")
