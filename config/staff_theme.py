"""How Django admin looks to staff (django-unfold)."""

from typing import Any

from django.templatetags.static import static

STAFF_THEME: dict[str, Any] = {
    "SITE_TITLE": "Tenantry staff",
    "SITE_HEADER": "Tenantry",
    "SITE_SUBHEADER": "Staff",
    "SITE_SYMBOL": "shield_person",
    "SITE_FAVICONS": [
        {"rel": "icon", "type": "image/svg+xml", "href": lambda _request: static("tenantry/logo.svg")},
    ],
    "SHOW_HISTORY": False,
    "SHOW_VIEW_ON_SITE": False,
    "COLORS": {
        "primary": {
            "50": "oklch(97.5% .012 220)",
            "100": "oklch(94% .025 220)",
            "200": "oklch(88% .05 221)",
            "300": "oklch(80% .08 222)",
            "400": "oklch(71% .1 224)",
            "500": "oklch(60% .1 227)",
            "600": "oklch(47.5% .085 230)",
            "700": "oklch(42% .075 231)",
            "800": "oklch(36% .063 232)",
            "900": "oklch(31% .053 232)",
            "950": "oklch(23% .04 233)",
        },
    },
}
