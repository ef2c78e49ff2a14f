"""Icons of Lucide in pages."""

from functools import lru_cache

from django.template import Library
from lucide.templatetags.lucide import lucide

register = Library()


@register.simple_tag
def icon(name: str, size: str | int, classes: str) -> str:
    """The SVG of a Lucide icon, decorative: hidden from screen readers. `size` in pixels."""
    return _drawn(str(name), int(size), str(classes))


# A page has dozens of the same few, and drawing one parses and writes XML.
@lru_cache(maxsize=1024)
def _drawn(name: str, size: int, classes: str) -> str:
    return lucide(name, size=size, **{"class": classes}, aria_hidden="true", focusable="false")
