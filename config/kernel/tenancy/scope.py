"""The scope of the current work: one organization, the whole system, or none.

A scope is a context variable. An execute wrapper carries it to PostgreSQL in the same message as each statement, as
settings local to the transaction, so it costs no round trip and holds in autocommit, in workers and behind a
transaction pooler. Without a scope the row-level-security policies let nothing be seen and nothing be written.
"""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from django.db.backends.base.base import BaseDatabaseWrapper
from psycopg.pq import TransactionStatus

SYSTEM_ROLE = "tenantry_system"
SETTING = "tenantry.org_id"

# The owner of records that belong to no organization, the installation's own log above all.
INSTALLATION_ID = UUID(int=0)


class ScopeError(RuntimeError):
    """The code asked for rows outside the scope it runs in: a fault of ours, never of the caller."""


@dataclass(frozen=True)
class Scope:
    """Whose rows are visible. `organization_id` is None in a system scope, which then has a `reason`."""

    organization_id: UUID | None
    reason: str = ""

    def sql(self) -> str:
        if self.organization_id is None:
            return f"SET LOCAL {SETTING} = ''; SET LOCAL ROLE {SYSTEM_ROLE}; "
        return f"SET LOCAL {SETTING} = '{self.organization_id}'; SET LOCAL ROLE NONE; "


SCOPE_PARAMETER = "tenantry_org_id"
SCOPE_SQL = f"SET LOCAL {SETTING} = %s; SET LOCAL ROLE NONE; "
NAMED_SCOPE_SQL = f"SET LOCAL {SETTING} = %({SCOPE_PARAMETER})s; SET LOCAL ROLE NONE; "
NO_SCOPE_SQL = f"SET LOCAL {SETTING} = ''; SET LOCAL ROLE NONE; "
STATEMENTS_IN_PREFIX = 2

_current: ContextVar[Scope | None] = ContextVar("tenantry_scope", default=None)


def current_scope() -> Scope | None:
    """The scope in force, or None."""
    return _current.get()


def current_organization_id() -> UUID | None:
    """The organization in scope; None in a system scope and without a scope. The default of every `org_id`."""
    scope = _current.get()
    return scope.organization_id if scope else None


def require_organization_id() -> UUID:
    """The organization in scope. Raises ScopeError when there is none, so that no row is written unowned."""
    organization_id = current_organization_id()
    if organization_id is None:
        raise ScopeError("This needs a tenant_scope(org_id) around it.")
    return organization_id


@contextmanager
def tenant_scope(organization_id: UUID) -> Iterator[None]:
    """Sees and writes rows of one organization only.

    Inside a scope of the same organization or of the system it may be entered again; inside that of another
    organization it raises ScopeError, since crossing tenants must go through `system_scope`.
    """
    if not isinstance(organization_id, UUID):
        raise ScopeError("tenant_scope takes the organization's UUID.")
    outer = _current.get()
    if outer and outer.organization_id not in (None, organization_id):
        raise ScopeError("Already in the scope of another organization; cross tenants by system_scope only.")
    token = _current.set(Scope(organization_id))
    try:
        yield
    finally:
        _current.reset(token)


@contextmanager
def system_scope(reason: str) -> Iterator[None]:
    """Sees and writes the rows of every organization. `reason` says why, and a test lists every use."""
    if not reason:
        raise ScopeError("system_scope takes the reason why all tenants are visible.")
    token = _current.set(Scope(None, reason))
    try:
        yield
    finally:
        _current.reset(token)


def install(connection: BaseDatabaseWrapper, **_kwargs: Any) -> None:
    """Receiver of connection_created: puts the scope in front of every statement of this connection."""
    if connection.vendor == "postgresql" and carry_scope not in connection.execute_wrappers:
        connection.execute_wrappers.append(carry_scope)


def carry_scope(
    execute: Callable[..., Any],
    sql: Any,
    params: Any,
    many: bool,  # noqa: FBT001 - Django's signature
    context: dict[str, Any],
) -> Any:
    """Django execute wrapper: sends the scope's settings and the statement as one simple-protocol message.

    Inside a transaction the prefix is always sent, the empty scope included: so nothing lingers when a scope ends
    before the transaction does, and a rolled-back savepoint cannot leave a stale one. What was told last is kept in
    `told_scope`, for statements that go past Django's cursor.
    """
    connection = context["connection"]
    scope = _current.get()
    status = connection.connection.info.transaction_status
    if status == TransactionStatus.INERROR:
        return execute(sql, params, many, context)  # only a rollback can succeed now, and it reads no rows
    in_transaction = not connection.get_autocommit() or status == TransactionStatus.INTRANS
    if scope is None and not in_transaction:
        return execute(sql, params, many, context)
    prefix = scope.sql() if scope else NO_SCOPE_SQL
    if params and not many and scope and scope.organization_id:
        # As a parameter, so that the text is the same for every organization: psycopg keeps what it read of a text.
        if isinstance(params, Mapping):
            prefix, params = NAMED_SCOPE_SQL, {**params, SCOPE_PARAMETER: str(scope.organization_id)}
        else:
            prefix, params = SCOPE_SQL, (str(scope.organization_id), *params)
    if many:
        if not in_transaction:
            raise ScopeError("executemany needs a transaction around it to carry the scope.")
        execute(prefix, None, False, context)  # noqa: FBT003 - Django's own signature
        connection.told_scope = scope
        return execute(sql, params, many, context)
    if not isinstance(sql, str):
        sql = sql.as_string(connection.connection)
    result = execute(prefix + sql, params, many, context)
    connection.told_scope = scope
    cursor = context["cursor"].cursor
    for _ in range(STATEMENTS_IN_PREFIX):
        cursor.nextset()
    return result
