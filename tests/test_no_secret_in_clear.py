"""Encryption at rest, seen from the database: every table and column of an installation full of secrets is searched."""

import base64
import io
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from django.apps import apps
from django.conf import settings
from django.core.management import call_command
from django.db import connection, models
from psycopg import sql

from config.kernel.sealed import SealedField
from config.kernel.tenancy.scope import system_scope, tenant_scope
from orgs.encryption import unseal
from orgs.models import BrowserSession
from orgs.services.recovery_codes import make_recovery_codes
from projects.models import Project
from tests.cast import Cast
from tests.conftest import JSONClient
from tests.database import owner_connection
from tests.sso.providers import documents

SECRETS_OF_FILE = {"password", "personal_token", "secret_key", "totp_secret", "secret"}
PUBLIC_IN_FILE = {"url", "id", "slug", "email", "publishable_key", "domains", "key_id"}
# As much of a credential is shown to people for recognition.
SHOWN = 16
CLIENT_SECRET = "client-secret-0123456789-of-nobody-else"
BEARER = "what-the-gateway-of-acme-asks-for"
PATH_OF_ADDRESS = "hooks/that/the/receiver/alone/knows"
SEALED = [
    (model, field.name)
    for model in apps.get_models()
    for field in model._meta.local_fields
    if isinstance(field, SealedField)
]


def named_texts(content: Any, name: str = "") -> Iterator[tuple[str, str]]:
    """Each text in the file, with the name that it has there."""
    if isinstance(content, dict):
        for key, value in content.items():
            yield from named_texts(value, key)
    elif isinstance(content, list):
        for value in content:
            yield from named_texts(value, name)
    else:
        yield name, str(content)


def forms(secret: str) -> set[str]:
    """How a secret would look in a row's JSON: as text, or as bytes of it, in any usual encoding."""
    found = {json.dumps(secret)[1:-1]}
    raws = [secret.encode()]
    for decode in (
        base64.b32decode,
        bytes.fromhex,
        lambda text: base64.urlsafe_b64decode(text + "=" * (-len(text) % 4)),
    ):
        try:
            raws.append(decode(secret))
        except ValueError:
            continue
    for raw in raws:
        if len(raw) < 8:  # too short to be told from chance
            continue
        found |= {raw.hex(), base64.b64encode(raw).decode().rstrip("="), base64.b32encode(raw).decode().rstrip("=")}
        found.add(base64.urlsafe_b64encode(raw).decode().rstrip("="))
    if len(secret) >= 2 * SHOWN:
        found.add(secret[SHOWN:])
    return found


def everything() -> dict[str, list[str]]:
    """Every row of every table as JSON, bytes in hex, read as the owner; sessions also as what is packed in them."""
    rows = {}
    with owner_connection(connection.settings_dict["NAME"]) as owner:
        tables = owner.execute("SELECT tablename FROM pg_tables WHERE schemaname = 'public'").fetchall()
        for (table,) in tables:
            statement = sql.SQL("SELECT to_jsonb(t)::text FROM {} t").format(sql.Identifier(table))
            rows[table] = [row for (row,) in owner.execute(statement)]
    rows["sessions, unpacked"] = [json.dumps(session.get_decoded()) for session in BrowserSession.objects.all()]
    return rows


def found_in_clear(secrets: set[str], rows: dict[str, list[str]]) -> set[tuple[str, str]]:
    """Tables that hold a secret, with its beginning."""
    needles = {needle: secret for secret in secrets for needle in forms(secret)}
    return {
        (table, secret[:6])
        for table, texts in rows.items()
        for text in texts
        for needle, secret in needles.items()
        if needle in text
    }


def made_over_rest(cast: Cast) -> set[str]:
    """Secrets as people make them, kept for replays too."""
    client = JSONClient(cast.token(cast.owner))
    keys = "/api/v1/orgs/acme/projects/rocket/keys"
    body = {"kind": "secret", "mode": "live", "name": "Made"}
    made = client.post(keys, body, HTTP_IDEMPOTENCY_KEY="once")
    rotated = client.post(f"{keys}/{made.json()['id']}/rotate", {"overlap_seconds": 60}, HTTP_IDEMPOTENCY_KEY="twice")
    with documents() as provider:
        body = {
            "name": "IdP",
            "protocol": "oidc",
            "issuer": provider.url,
            "client_id": "a",
            "client_secret": CLIENT_SECRET,
        }
        connected = client.post("/api/v1/orgs/acme/sso-connections", body, HTTP_IDEMPOTENCY_KEY="thrice")
    assert (made.status_code, rotated.status_code, connected.status_code) == (201, 201, 201)
    return {made.json()["key"], rotated.json()["key"], CLIENT_SECRET} | made_of_webhooks(client)


def made_of_webhooks(client: JSONClient) -> set[str]:
    """The secrets of an endpoint, before and after a rotation, the header and the rest of the address that it has."""
    endpoints = "/api/v1/orgs/acme/webhook-endpoints"
    body = {
        "url": f"https://93.184.215.14/{PATH_OF_ADDRESS}",
        "events": ["*"],
        "headers": {"Authorization": f"Bearer {BEARER}"},
    }
    made = client.post(endpoints, body, HTTP_IDEMPOTENCY_KEY="hook")
    endpoint = f"{endpoints}/{made.json()['id']}"
    rotated = client.post(f"{endpoint}/rotate-secret", {}, HTTP_IDEMPOTENCY_KEY="hook again")
    signing = client.put(f"{endpoint}/signing-key")
    assert (made.status_code, rotated.status_code, signing.status_code) == (201, 201, 200)
    secrets = {made.json()["secret"], rotated.json()["secret"]}
    return {BEARER} | secrets | {secret.removeprefix("whsec_") for secret in secrets}


@pytest.fixture
def secrets(committed_cast: Cast) -> set[str]:
    """An installation with the demo and the cast, and every secret that is known of it."""
    file = Path(settings.TENANTRY_HOME) / "demo.json"
    file.unlink(missing_ok=True)
    call_command("seed_demo", "--force", stderr=io.StringIO())
    texts = list(named_texts(json.loads(file.read_text())))
    assert {name for name, _ in texts} <= SECRETS_OF_FILE | PUBLIC_IN_FILE, "say whether it is a secret"
    known = {text for name, text in texts if name in SECRETS_OF_FILE}
    known |= {committed_cast.secret_key, committed_cast.foreign_secret_key, committed_cast.password}
    known |= {committed_cast.token(committed_cast.owner)} | made_over_rest(committed_cast)
    known |= set(make_recovery_codes(actor=committed_cast.principal(committed_cast.owner), user=committed_cast.owner))
    for model, column in SEALED:
        with system_scope("a test reads every secret"):
            rows = [row for row in model.objects.all() if getattr(row, column)]
            known |= {unseal(row, column) for row in rows}
    return known


def test_no_secret_is_in_any_table(secrets: set[str]):
    assert len(secrets) > 20
    rows = everything()
    assert found_in_clear(secrets, rows) == set()
    # The address of an endpoint is kept, and told nowhere else.
    assert {table for table, _ in found_in_clear({PATH_OF_ADDRESS}, rows)} == {"webhook_endpoint"}


@pytest.mark.parametrize("where", ["text", "json", "bytes", "hex in json"])
def test_the_search_finds_what_is_in_clear(committed_cast: Cast, where: str):
    secret = "JBSWY3DPEHPK3PXPJBSWY3DPEHPK3PXP"
    key = committed_cast.key
    with tenant_scope(committed_cast.acme.id):
        if where == "text":
            Project.objects.update(name=f"Our project {secret}")
        elif where == "json":
            type(key).objects.filter(id=key.id).update(metadata={"a": ["b", secret]})
        elif where == "bytes":
            type(key).objects.filter(id=key.id).update(digest=base64.b32decode(secret))
        else:
            type(key).objects.filter(id=key.id).update(metadata={base64.b32decode(secret).hex(): 1})
    table = "projects_project" if where == "text" else "keys_key"
    assert found_in_clear({secret}, everything()) == {(table, secret[:6])}


@pytest.mark.parametrize(("model", "column"), SEALED, ids=[f"{model._meta.label}.{column}" for model, column in SEALED])
def test_every_sealed_column_is_named_and_read_by_nobody_else(model: type[models.Model], column: str):
    """A sealed column is never indexed, searched or unique: its ciphertext differs each time."""
    field = model._meta.get_field(column)
    assert not any((field.unique, field.db_index, field.primary_key))
    assert not [index for index in model._meta.indexes if column in index.fields]


def test_there_are_sealed_columns():
    assert {f"{model._meta.label}.{column}" for model, column in SEALED} >= {
        "orgs.ServiceAccountSecret.sealed",
        "orgs.TOTPDevice.seed",
    }
