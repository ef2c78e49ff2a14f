"""The OpenAPI document, drawn from what views declare: access, operation, idempotency. Nothing is written twice."""

import json
from functools import cache
from http import HTTPStatus
from typing import Any

from drf_spectacular.drainage import warn
from drf_spectacular.generators import SchemaGenerator
from drf_spectacular.openapi import AutoSchema
from drf_spectacular.plumbing import ResolvedComponent
from drf_spectacular.renderers import OpenApiJsonRenderer
from rest_framework.serializers import Serializer

from config.kernel.access import Access, AccessKind, access_for
from config.kernel.api.idempotency import HEADER as IDEMPOTENCY_KEY
from config.kernel.api.idempotency import LONGEST as IDEMPOTENCY_KEY_LENGTH
from config.kernel.api.operations import Operation, operation_of
from config.kernel.api.serializers import Body, ProblemBody, RefusedCredential
from config.kernel.api.views import SAFE
from config.kernel.errors import (
    Absent,
    AuthFailure,
    Forbidden,
    IdempotencyMismatch,
    Invalid,
    PreconditionFailed,
    RateLimited,
    TenantryError,
    TooLarge,
    UnsupportedMediaType,
)
from config.kernel.identifiers import TYPE_ID
from config.kernel.problems import PROBLEM_TYPE

JSON_TYPE = "application/json"
SLUG = "[a-z0-9](?:[a-z0-9-]{0,46}[a-z0-9])?"
ANYBODY = (AccessKind.PUBLIC, AccessKind.SIGNED_IN, AccessKind.CALLER)

# Every name that stands in a path: what it is, and its pattern. One that does not fit is answered 404.
PATH_PARAMETERS = {
    "organization": ("The organization's id or slug.", f"^(?:org_{TYPE_ID}|{SLUG})$"),
    "project": ("The project's id or slug.", f"^(?:prj_{TYPE_ID}|{SLUG})$"),
    "user": ("The member's user id.", f"^usr_{TYPE_ID}$"),
    "invitation": ("The invitation's id.", f"^inv_{TYPE_ID}$"),
    "role": ("The role's id; a built-in role's is its name.", f"^(?:rol_{TYPE_ID}|owner|admin|developer|viewer)$"),
    "domain": ("The domain's id.", f"^dom_{TYPE_ID}$"),
    "email_domain": ("The e-mail domain's id.", f"^edm_{TYPE_ID}$"),
    "connection": ("The connection's id.", f"^con_{TYPE_ID}$"),
    "browser_session": ("The browser session's id.", f"^ses_{TYPE_ID}$"),
    "mapping": ("The group mapping's id.", f"^sgm_{TYPE_ID}$"),
    "handover_address": ("The handover address's id.", f"^hva_{TYPE_ID}$"),
    "seen": ("The seen host's id.", f"^seen_{TYPE_ID}$"),
    "key": ("The key's id.", f"^key_{TYPE_ID}$"),
    "resource": (
        "The resource's trn or id.",
        f"^(?:res_{TYPE_ID}|trn:tenantry:[a-z0-9-]+:org_{TYPE_ID}:[a-z0-9_-]+/[A-Za-z0-9._~@+=:/-]+)$",
    ),
    "audit_export": ("The export's id.", f"^aex_{TYPE_ID}$"),
    "export": ("The export's id.", f"^exp_{TYPE_ID}$"),
    "token": ("The token's id.", f"^tok_{TYPE_ID}$"),
    "session": ("The session's id.", f"^ses_{TYPE_ID}$"),
    "agent": ("The agent's id.", f"^agt_{TYPE_ID}$"),
    "grant": ("The grant's id.", f"^grt_{TYPE_ID}$"),
    "event": ("The event's id.", f"^evt_{TYPE_ID}$"),
    "endpoint": ("The webhook endpoint's id.", f"^whe_{TYPE_ID}$"),
    "delivery": ("The webhook delivery's id.", f"^whd_{TYPE_ID}$"),
}

ETAG = {"ETag": {"description": "Which version this is, for If-Match.", "schema": {"type": "string"}}}

SECURITY_SCHEMES = {
    "bearer": {
        "type": "http",
        "scheme": "bearer",
        "description": "A personal token (`pat_…`), a secret key (`sk_…`), or the access token of a session or an "
        "agent. Send it in one header only.",
    },
    "key": {
        "type": "apiKey",
        "in": "header",
        "name": "X-API-Key",
        "description": "A personal token or a key, for programs that cannot set Authorization.",
    },
}


DESCRIPTION = """Organizations, people and roles, projects and keys, and the ledger of what happened.

Send a personal token or a secret key in `Authorization: Bearer …`, or in `X-API-Key`. Service accounts sign their
requests instead (RFC 9421), and get signed answers. Bodies are JSON in UTF-8 of at most 1 MiB; fields and query
parameters that are not named here are refused. Lists are paged: pass `next` of one answer
as `cursor` of the following request. Ids are TypeIDs (`org_…`), times are UTC.

Every error is a problem (RFC 9457) whose `code` is stable. What you may not know of is answered like what does not
exist. `X-Request-Id` comes back on every answer, and is in the ledger. `X-Organization-Id`, if sent, must name the
organization that the request is about."""


def finished(result: dict[str, Any], **_kwargs: Any) -> dict[str, Any]:
    """drf-spectacular's hook: describes the whole, and takes its notes to itself out."""
    result["info"]["description"] = DESCRIPTION
    return without_notes(result)


def without_notes(value: Any) -> Any:
    """Plain data without the marks that drf-spectacular leaves at choices."""
    if isinstance(value, dict):
        return {name: without_notes(inner) for name, inner in value.items() if name != "x-spec-enum-id"}
    return [without_notes(inner) for inner in value] if isinstance(value, list) else value


@cache
def document() -> dict[str, Any]:
    """The whole document as plain JSON data."""
    generated = SchemaGenerator().get_schema(request=None, public=True)
    return json.loads(OpenApiJsonRenderer().render(generated))


class Schema(AutoSchema):
    """One operation of a view."""

    method: str

    @property
    def access(self) -> Access:
        """Who may."""
        view: Any = self.view
        access = access_for(view.access, self.method)
        if access is None:
            raise LookupError(f"{type(self.view).__name__} declares no access for {self.method}.")
        return access

    @property
    def operation(self) -> Operation:
        """What the method declares."""
        declared = operation_of(self.view, self.method)
        if declared is None:
            warn(f"{type(self.view).__name__}.{self.method.lower()} declares no operation.")
            return Operation(f"{self.method.lower()}_{type(self.view).__name__}")
        return declared

    @property
    def idempotent(self) -> bool:
        """Whether Idempotency-Key is obeyed."""
        return hasattr(getattr(self.view, self.method.lower()), "idempotent")

    def get_operation_id(self) -> str:
        return self.operation.name

    def get_tags(self) -> list[str]:
        """The noun that the view's module is about: `members` of `orgs.api.members`, `audit` of `audit.api`."""
        app, _, module = type(self.view).__module__.partition(".api")
        return [module.removeprefix(".") or app]

    def get_summary(self) -> str:
        return super().get_description().partition("\n")[0].removesuffix(".")

    def get_description(self) -> str:  # type: ignore[override] # as drf-spectacular has it
        _, _, rest = super().get_description().partition("\n")
        return "\n\n".join(filter(None, [rest.strip(), needed(self.access)]))

    def get_extensions(self) -> dict[str, Any]:
        return {"x-tenantry-access": str(self.access)}

    def get_auth(self) -> list[dict[str, list[str]]]:
        for name, scheme in SECURITY_SCHEMES.items():
            component = ResolvedComponent(
                name=name, type=ResolvedComponent.SECURITY_SCHEMA, object=Schema, schema=scheme
            )
            self.registry.register_on_missing(component)
        return [{}] if self.access.kind == AccessKind.PUBLIC else [{name: []} for name in SECURITY_SCHEMES]

    def get_request_serializer(self) -> Any:
        return self.operation.body

    def get_response_serializers(self) -> Any:
        return self.operation.answer

    def _is_list_view(self, serializer: Any = None) -> bool:
        return False  # lists are drawn in _success

    def get_override_parameters(self) -> list[Any]:
        query = self.operation.query()
        return [query] if query.fields else []

    def _resolve_path_parameters(self, variables: list[str]) -> list[dict[str, Any]]:
        found = []
        for name in variables:
            if name not in PATH_PARAMETERS:
                warn(f"The path parameter {name} has no description.")
            description, pattern = PATH_PARAMETERS.get(name, ("", ""))
            schema = {"type": "string", "pattern": pattern}
            found.append({"in": "path", "name": name, "required": True, "description": description, "schema": schema})
        return found

    def _get_parameters(self) -> list[dict[str, Any]]:
        headers = []
        if self.operation.matches:
            description = "An ETag: change the record only if it is still that version."
            headers.append(header("If-Match", description, {"type": "string"}))
        if self.idempotent:
            description = "Any text of yours: the same request with the same key within 24 hours is done once."
            pattern = "^[ -~]+$"
            schema = {"type": "string", "minLength": 1, "maxLength": IDEMPOTENCY_KEY_LENGTH, "pattern": pattern}
            headers.append(header(IDEMPOTENCY_KEY, description, schema))
        return [*super()._get_parameters(), *headers]

    def _get_request_body(self, direction: Any = "request") -> dict[str, Any] | None:
        if self.operation.body is None:
            return None
        component = self.resolve_serializer(self.operation.body, direction)
        return {
            "content": {JSON_TYPE: {"schema": component.ref}},
            "required": bool(component.schema.get("required")),
        }

    def _map_basic_serializer(self, serializer: Serializer, direction: Any) -> dict[str, Any]:
        mapped = super()._map_basic_serializer(serializer, direction)
        if isinstance(serializer, Body):
            return mapped | {"additionalProperties": False} | serializer.also
        if isinstance(serializer, RefusedCredential):
            mapped["additionalProperties"] = False
        return mapped

    def _insert_field_validators(self, field: Any, schema: dict[str, Any]) -> None:
        """Without drf-spectacular's extra branch for blank text: our patterns let that pass, so both would match."""
        super()._insert_field_validators(field, schema)
        if getattr(field, "allow_blank", False) and "oneOf" in schema:
            schema.update(schema.pop("oneOf")[0])

    def _get_response_bodies(self, direction: Any = "response") -> dict[str, Any]:
        found = {str(self.operation.status): self._success()}
        for status, titles in sorted(self._refusals().items()):
            body = RefusedCredential if status == HTTPStatus.UNAUTHORIZED else ProblemBody
            found[str(status)] = {
                "description": "; ".join(titles),
                "content": {PROBLEM_TYPE: {"schema": self.resolve_serializer(body, "response").ref}},
            }
        return found

    def _success(self) -> dict[str, Any]:
        declared = self.operation
        description = HTTPStatus(declared.status).phrase
        if declared.file:
            return {"description": description, "content": {declared.file: {}}}
        if declared.answer is None:
            return {"description": description}
        schema = self.resolve_serializer(declared.answer, "response").ref
        if declared.paged:
            schema = {
                "type": "object",
                "properties": {
                    "data": {"type": "array", "items": schema},
                    "next": {
                        "type": ["string", "null"],
                        "description": "The cursor of the next page; null on the last.",
                    },
                },
                "required": ["data", "next"],
            }
        headers = {} if declared.paged else {"headers": ETAG}
        return {"description": description, **headers, "content": {JSON_TYPE: {"schema": schema}}}

    def _refusals(self) -> dict[int, list[str]]:
        """The titles of the errors that this operation can answer, by status."""
        declared, access = self.operation, self.access
        errors: list[type[TenantryError]] = [Invalid, AuthFailure, RateLimited, *declared.refusals]
        if access.kind not in ANYBODY:
            errors.append(Forbidden)
        if access.kind in (AccessKind.ORGANIZATION, AccessKind.PROJECT):
            errors.append(Absent)
        if declared.matches:
            errors.append(PreconditionFailed)
        if self.method not in SAFE:
            errors += [TooLarge, UnsupportedMediaType]
        if self.idempotent:
            errors.append(IdempotencyMismatch)
        by_status: dict[int, list[str]] = {}
        for error in errors:
            titles = by_status.setdefault(error.status, [])
            if error.title not in titles:
                titles.append(error.title)
        return by_status


def header(name: str, description: str, schema: dict[str, Any]) -> dict[str, Any]:
    """An optional request header as a parameter."""
    return {"in": "header", "name": name, "required": False, "description": description, "schema": schema}


def needed(access: Access) -> str:
    """One sentence about who may."""
    match access.kind:
        case AccessKind.PUBLIC:
            return "Needs no credential."
        case AccessKind.SIGNED_IN:
            return "Needs any valid credential."
        case AccessKind.CALLER:
            return "Needs any valid credential; people and service accounts name the organization in X-Organization-Id."
        case AccessKind.SERVICE:
            return (
                f"Needs a secret key, an agent or a granted service account with the permission `{access.permission}`."
            )
        case AccessKind.PUBLISHABLE:
            other = f", or a secret key with the permission `{access.permission}`" if access.permission else ""
            return f"Needs a publishable key, sent by a browser together with its Origin{other}."
        case _:
            return f"Needs the permission `{access.permission}` in the {access.kind}."
