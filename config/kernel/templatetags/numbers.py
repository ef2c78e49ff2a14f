"""Numbers for people."""

from django.template import Library

register = Library()


@register.filter
def thousands(number: int) -> str:
    """`1,234,567`."""
    return f"{number:,}"
