"""What may name an organization or a project in an address."""

import pytest

from config.kernel.errors import Invalid
from config.kernel.slugs import RESERVED_SLUGS, require_slug


@pytest.mark.parametrize("slug", ["a", "7", "acme", "acme-2", "a--b", "x" * 48])
def test_good_slugs(slug: str):
    require_slug(slug)


@pytest.mark.parametrize(
    "slug",
    [
        "",
        "-a",
        "a-",
        "A",
        "a_b",
        "a b",
        "acme\n",
        "\nacme",
        "ä",
        "a/b",
        "..",
        "x" * 49,
        "a\x00",
        *sorted(RESERVED_SLUGS),
    ],
)
def test_bad_slugs(slug: str):
    with pytest.raises(Invalid):
        require_slug(slug)
