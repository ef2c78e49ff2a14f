"""Slugs: how organizations and projects are named in addresses."""

import re

from django.core.validators import RegexValidator

from config.kernel.errors import Invalid

SLUG_LENGTH = 48
SLUG = re.compile(r"[a-z0-9](?:[a-z0-9-]{0,46}[a-z0-9])?\Z")
SLUG_SENTENCE = "Use up to 48 lower-case letters, digits and hyphens, beginning and ending with a letter or digit."
# Words that stand where a slug stands in an address of the dashboard, today or soon.
RESERVED_SLUGS = frozenset({"new", "admin", "api", "login", "logout", "settings", "static", "health", "sso", "me"})

validate_slug = RegexValidator(SLUG, SLUG_SENTENCE)


def require_slug(slug: str) -> None:
    """Raises Invalid for a malformed or reserved slug."""
    if not SLUG.match(slug):
        raise Invalid.field("slug", SLUG_SENTENCE)
    if slug in RESERVED_SLUGS:
        raise Invalid.field("slug", "This word is reserved: choose another one.")
