"""Settings at start, as an operator meets them: in a process of their own."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent.parent
ENCRYPTION_KEY = "Vv4cXHrZr3Fz8sQ0o7oZk1dN5m2bYt9uWq6LpXe3RjA="
STORES = {name: os.environ[name] for name in ("DATABASE_URL", "REDIS_URL")}
PRODUCTION = {
    **STORES,
    "TENANTRY_SECRET_KEY": "p8Yq2ZtW6rLx0VbNcK4mSjD7hGfQaE1uTiOyR5wX9zPkJnBvMlC3",
    "TENANTRY_ENCRYPTION_KEYS": ENCRYPTION_KEY,
    "TENANTRY_URL": "https://tenantry.example",
    "TENANTRY_ALLOWED_HOSTS": "tenantry.example",
    "TENANTRY_SMTP_HOST": "mail.example",
}


def manage(*arguments: str, environment: dict[str, str], home: Path) -> subprocess.CompletedProcess[str]:
    kept = {name: os.environ[name] for name in ("PATH", "LANG") if name in os.environ}
    return subprocess.run(
        [sys.executable, "manage.py", *arguments],
        cwd=ROOT,
        env={**kept, **environment, "TENANTRY_HOME": str(home)},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def test_the_deployment_checks_are_clean_under_production_settings(tmp_path: Path):
    ended = manage("check", "--deploy", "--fail-level", "WARNING", environment=PRODUCTION, home=tmp_path)
    assert ended.returncode == 0, ended.stderr
    assert "no issues" in ended.stdout + ended.stderr


def test_everything_that_is_missing_is_said_in_one_list(tmp_path: Path):
    ended = manage("check", environment={}, home=tmp_path)
    assert ended.returncode != 0
    for name in (
        "DATABASE_URL", "REDIS_URL", "TENANTRY_SECRET_KEY", "TENANTRY_ENCRYPTION_KEYS", "TENANTRY_URL",
        "TENANTRY_ALLOWED_HOSTS", "TENANTRY_SMTP_HOST",
    ):  # fmt: skip
        assert f"- {name}: " in ended.stderr, name


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("TENANTRY_SECRET_KEY", "short"),
        ("TENANTRY_SECRET_KEY", "a" * 60),
        ("TENANTRY_ENCRYPTION_KEYS", ""),
        ("TENANTRY_ENCRYPTION_KEYS", "not base64!"),
        ("TENANTRY_ENCRYPTION_KEYS", "dG9vIHNob3J0"),
        ("TENANTRY_ENCRYPTION_KEYS", "A" * 43),
        ("TENANTRY_ENCRYPTION_KEYS", ",".join([ENCRYPTION_KEY] * 2)),
        ("TENANTRY_ENCRYPTION_KEYS_FILE", "/nowhere/keys"),
        ("TENANTRY_GITHUB_KEYS_URL", "http://keys.example/"),
        ("TENANTRY_URL", "http://tenantry.example"),
        ("TENANTRY_ALLOWED_HOSTS", "*"),
        ("TENANTRY_DEBUG", "true"),
        ("TENANTRY_DEV_AUTH", "true"),
        ("TENANTRY_AUTHORIZED_DOMAINS", "example.com,@example.org"),
        ("TENANTRY_GOOGLE_ISSUER", "http://accounts.example"),
        ("TENANTRY_DEBUG", "perhaps"),
        ("TENANTRY_BOOTSTRAP_MODE", "anyone"),
        ("TENANTRY_TRUSTED_PROXIES", "-1"),
        ("TENANTRY_MAIL_FROM", "nobody"),
        ("TENANTRY_SMTP_PORT", "mail"),
    ],
)
def test_an_unsafe_or_unreadable_setting_stops_the_program_by_its_name(tmp_path: Path, name: str, value: str):
    ended = manage("check", environment={**PRODUCTION, name: value}, home=tmp_path)
    assert ended.returncode != 0
    assert f"- {name}: " in ended.stderr, ended.stderr


def test_bootstrap_by_token_needs_a_long_token(tmp_path: Path):
    environment = {**PRODUCTION, "TENANTRY_BOOTSTRAP_MODE": "token", "TENANTRY_BOOTSTRAP_TOKEN": "guess"}
    ended = manage("check", environment=environment, home=tmp_path)
    assert ended.returncode != 0
    assert "- TENANTRY_BOOTSTRAP_TOKEN: " in ended.stderr


def test_master_keys_may_come_from_a_file(tmp_path: Path):
    file = tmp_path / "keys"
    file.write_text(f"# the newest first\n{'Q' + ENCRYPTION_KEY[1:]}\n\n{ENCRYPTION_KEY}\n")
    environment = {**PRODUCTION, "TENANTRY_ENCRYPTION_KEYS": "", "TENANTRY_ENCRYPTION_KEYS_FILE": str(file)}
    assert manage("check", environment=environment, home=tmp_path).returncode == 0
    file.write_text("")
    ended = manage("check", environment=environment, home=tmp_path)
    assert "- TENANTRY_ENCRYPTION_KEYS: " in ended.stderr
    file.write_text(f"{ENCRYPTION_KEY}\n{ENCRYPTION_KEY.rstrip('=')}\n")
    ended = manage("check", environment=environment, home=tmp_path)
    assert "- TENANTRY_ENCRYPTION_KEYS: key 2 is key 1 again" in ended.stderr
    assert ENCRYPTION_KEY[:20] not in ended.stdout + ended.stderr


def test_what_is_wrong_is_said_without_the_value(tmp_path: Path):
    ended = manage("check", environment={**PRODUCTION, "TENANTRY_SECRET_KEY": "hunter2"}, home=tmp_path)
    assert "hunter2" not in ended.stdout + ended.stderr
