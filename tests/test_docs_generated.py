"""The generated pages: up to date, complete, and noticed when they are not."""

import io
import json
import re
from pathlib import Path

import pytest
from django.conf import settings
from django.core.management import CommandError, call_command
from django.test import override_settings

from config.kernel.documentation import errors_page, events_page, pages, permissions_page, raised_codes, settings_page
from config.kernel.events import declared_events
from config.kernel.permissions import Permission
from config.kernel.routes import all_routes

ROOT = Path(__file__).resolve().parent.parent


def generate(*arguments: str) -> str:
    out, err = io.StringIO(), io.StringIO()
    call_command("generate_docs", *arguments, stdout=out, stderr=err, no_color=True)
    return out.getvalue() + err.getvalue()


def test_the_committed_pages_are_up_to_date():
    generate("--check")


def test_the_same_program_draws_the_same_pages():
    assert pages() == pages()


def test_stale_and_missing_pages_are_named_and_written_again(tmp_path: Path):
    with override_settings(BASE_DIR=tmp_path):
        with pytest.raises(CommandError, match=r"docs/access\.md, .*docs/openapi\.json"):
            generate("--check")
        assert not (tmp_path / "docs").exists(), "--check wrote"
        assert set(json.loads(generate("--json"))["written"]) == set(pages())
        generate("--check")
        (tmp_path / "docs" / "events.md").write_text("by hand")
        with pytest.raises(CommandError, match=r"Stale: docs/events\.md\. Run"):
            generate("--check")
        assert json.loads(generate("--json")) == {"written": ["events.md"]}


def test_every_route_is_on_the_page_of_access():
    text = pages()["access.md"]
    for route in all_routes():
        if not route.path.startswith("/admin/"):
            for method in route.methods():
                word = "every" if method == "*" else method
                path = route.path.replace("|", "\\|")
                assert f"| `{path}` | {word} |" in text


def test_every_event_and_permission_is_on_its_page():
    events, permissions = events_page(), permissions_page()
    assert all(f"| `{event.name}` | {event.description} |" in events for event in declared_events())
    assert all(f"| `{permission}` |" in permissions for permission in Permission)


def test_every_code_that_is_raised_is_on_the_page_of_errors():
    """The page reads the sources as syntax; this reads them as text, so that no other way to give a code slips by."""
    written = set()
    for app in ("audit", "config", "keys", "orgs", "projects", "sso", "webhooks"):
        for source in (ROOT / app).rglob("*.py"):
            written |= set(re.findall(r'\bcode="([a-z_]+)"', source.read_text()))
    assert written
    assert {code for _, code, _ in raised_codes()} == written
    page = errors_page()
    assert all(f"| `{code}` |" in page for code in written)


def test_every_variable_that_settings_read_is_on_the_page_of_settings():
    # Some of them are read in modules of their own.
    modules = ("settings.py", "encryption_keys.py", "outbound.py", "social.py")
    source = "".join((ROOT / "config" / name).read_text() for name in modules)
    read = set(re.findall(r'environment\.\w+\(\s*"([A-Z_]+)"', source))
    assert read == {setting.name for setting in settings.TENANTRY_ENVIRONMENT}
    assert not re.search(r"\bos\.environ|getenv", source)
    assert all(f"| `{name}` |" in settings_page() for name in read)


def test_no_page_tells_of_this_machine_or_its_secrets():
    text = "".join(pages().values())
    assert str(ROOT) not in text
    assert settings.SECRET_KEY not in text
    assert settings.DATABASES["default"]["PASSWORD"] not in text
