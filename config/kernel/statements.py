"""Statements that are asked very often, past Django's cursor, which costs more than such a statement itself."""

import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

from django.db import DEFAULT_DB_ALIAS, connections, transaction
from psycopg import Cursor as ServerCursor

from config.kernel.tenancy.scope import Scope, ScopeError, current_scope

# One plan for all parameters, and from the first use on: there is only one that is right.
BY_INDEX = """
SET LOCAL enable_hashjoin = off; SET LOCAL enable_mergejoin = off; SET LOCAL enable_seqscan = off;
SET LOCAL plan_cache_mode = force_generic_plan
"""


class _Own(threading.local):
    """The cursor of each thread, made anew with each connection: making one costs as much as sending a statement."""

    connection: Any = None
    cursor: Any = None


_own = _Own()


def fetched(statement: str, *parameters: Any) -> list[Any]:
    """The rows of one statement, prepared where TENANTRY_PREPARED_STATEMENTS allows it. Raises django.db.Error.

    It carries no tenant scope, so it is for functions of the owner's alone, each of which says in its migration what it
    may do and to whom.
    """
    return _executed(statement, parameters).fetchall()


class Prepared:
    """Statements of one transaction in a system scope, prepared where TENANTRY_PREPARED_STATEMENTS allows it."""

    def __init__(self, scope: Scope) -> None:
        self._scope = scope

    def rows(self, statement: str, parameters: Sequence[Any] | Mapping[str, Any] = ()) -> list[Any]:
        """What the statement returns, which has to return something. Raises django.db.Error."""
        return self._executed(statement, parameters).fetchall()

    def run(self, statement: str, parameters: Sequence[Any] | Mapping[str, Any] = ()) -> None:
        """Runs a statement that returns nothing. Raises django.db.Error."""
        self._executed(statement, parameters)

    def _executed(self, statement: str, parameters: Sequence[Any] | Mapping[str, Any]) -> Any:
        if current_scope() is not self._scope:
            raise ScopeError("A statement of a queue belongs into the system scope in which its transaction began.")
        if getattr(connections[DEFAULT_DB_ALIAS], "told_scope", None) is not self._scope:
            _tell("SELECT")  # something in between was done for a tenant
        return _executed(statement, parameters)


@contextmanager
def prepared_by_index() -> Iterator[Prepared]:
    """A transaction for the statements of a queue, which are asked over and over: PostgreSQL plans each of them once.

    They run in the system scope in which this is entered; ScopeError without one. Until the transaction ends tables are
    read by their indexes, however small the planner takes them to be: its statistics of a table that works as a queue
    are of another moment, and a plan that reads it whole hurts.
    """
    scope = current_scope()
    if scope is None or scope.organization_id is not None:
        raise ScopeError("Statements of a queue need a system_scope(reason) around them.")
    with transaction.atomic():
        _tell(BY_INDEX)
        yield Prepared(scope)


def _tell(statement: str) -> None:
    """By Django's cursor, which tells PostgreSQL the scope along with it."""
    with connections[DEFAULT_DB_ALIAS].cursor() as cursor:
        cursor.execute(statement)


def _executed(statement: str, parameters: Sequence[Any] | Mapping[str, Any]) -> Any:
    wrapper = connections[DEFAULT_DB_ALIAS]
    wrapper.ensure_connection()
    if _own.connection is not wrapper.connection:
        _own.connection, _own.cursor = wrapper.connection, ServerCursor(wrapper.connection)
    if wrapper.queries_logged:  # as Django's cursors do, for who counts statements
        wrapper.queries_log.append({"sql": statement, "time": ""})
    with wrapper.wrap_database_errors:
        return _own.cursor.execute(statement, parameters)
