"""A product behind Tenantry that signs its requests, by the very program that docs/samples gives to integrators."""

import importlib.util
import json
import time
from dataclasses import dataclass
from types import ModuleType
from typing import Any

from django.test import Client

from audit.models import AuditEvent
from config.kernel.principals import StaffPrincipal
from config.kernel.tenancy.scope import INSTALLATION_ID, tenant_scope
from keys.services.service_accounts import create_service_account
from keys.services.service_grants import create_grant
from orgs.models import Organization, ServiceAccount, ServiceGrant
from projects.models import Project
from tests.api.rows import everything
from tests.cast import Cast
from tests.database import ROOT

SAMPLE = ROOT / "docs" / "samples" / "signed_request.py"


def load_sample() -> ModuleType:
    """docs/samples/signed_request.py."""
    spec = importlib.util.spec_from_file_location("signed_request", SAMPLE)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


sample = load_sample()


@dataclass
class Gateway:
    """A service account with a secret."""

    cast: Cast | None
    account: ServiceAccount
    key_id: str
    secret: str

    def grant(self, organization: Organization, *permissions: str, project: Project | None = None) -> ServiceGrant:
        """Staff lets it act there."""
        with tenant_scope(organization.id):
            return create_grant(
                actor=self.cast.staff_principal(), account_id=self.account.id, permissions=list(permissions),
                project_id=project.id if project else None,
            )  # fmt: skip

    def sign(self, method: str, path: str, body: Any = None, **headers: str) -> dict[str, str]:
        """The headers of a request; `X_Organization_Id="org_…"` becomes X-Organization-Id."""
        given = {name.replace("_", "-"): value for name, value in headers.items()}
        return sample.signed_headers(
            self.key_id, self.secret, method=method, url=f"http://testserver{path}", body=as_bytes(body), headers=given
        )

    def ask(self, method: str, path: str, body: Any = None, **headers: str) -> Any:
        """The answer, whose signature is checked unless it is a 401."""
        signed = self.sign(method, path, body, **headers)
        answer = send(method, path, body, signed)
        if answer.status_code != 401:
            self.require_ours(answer, signed["Signature"])
        return answer

    def require_ours(self, answer: Any, request_signature: str) -> None:
        """Raises ValueError unless the answer is signed for that request."""
        sample.require_our_answer(
            self.key_id, self.secret, status=answer.status_code,
            headers={name.lower(): value for name, value in answer.headers.items()}, body=answer.getvalue(),
            request_signature=request_signature,
        )  # fmt: skip


def as_bytes(body: Any) -> bytes:
    """A body as it is sent."""
    return body if isinstance(body, bytes) else b"" if body is None else json.dumps(body).encode()


def send(method: str, path: str, body: Any, headers: dict[str, str]) -> Any:
    """The answer to a request with these headers."""
    return Client().generic(method, path, as_bytes(body), content_type="application/json", headers=headers)


def make_gateway(cast: Cast, name: str = "Gateway") -> Gateway:
    """A registered account."""
    account, secret, plaintext = create_service_account(
        actor=StaffPrincipal.of(user_id=cast.staff.id, email=cast.staff.email), name=name, description="In front of all"
    )
    return Gateway(cast, account, secret.key_id, plaintext)


def resigned(gateway: Gateway, method: str, covered: list[tuple[str, str]], parameters: str) -> dict[str, str]:
    """Signed with the right secret over whatever is said."""
    whole = f"({' '.join(name for name, _ in covered)});{parameters}"
    signature = sample.signature_of(gateway.secret, covered, whole)
    return {"Signature-Input": f"sig1={whole}", "Signature": f"sig1=:{signature}:"}


def parameters(gateway: Gateway, **changes: str | int | None) -> str:
    given = {"created": int(time.time()), "nonce": "n" * 22, "keyid": gateway.key_id, "alg": "hmac-sha256", **changes}
    texts = {name: f'"{value}"' if isinstance(value, str) else value for name, value in given.items()}
    return ";".join(f"{name}={text}" for name, text in texts.items() if text is not None)


def causes(cast: Cast) -> tuple[list[str], list[str]]:
    """Of all refusals, in the installation's log and in Acme's."""
    found = []
    for ledger in (INSTALLATION_ID, cast.acme.id):
        with tenant_scope(ledger):
            rows = AuditEvent.objects.filter(event="service_account.refused", result="refused").order_by("id")
            found.append([row.data["cause"] for row in rows])
    return found[0], found[1]


def state() -> dict[str, Any]:
    """Everything but the ledger."""
    return {table: rows for table, rows in everything().items() if table != "audit_event"}
