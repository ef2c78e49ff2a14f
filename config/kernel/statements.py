"""Statements that are asked very often, past Django's cursor, which costs more than such a statement itself."""

import threading
from typing import Any

from django.db import DEFAULT_DB_ALIAS, connections
from psycopg import Cursor as ServerCursor


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
    wrapper = connections[DEFAULT_DB_ALIAS]
    wrapper.ensure_connection()
    if _own.connection is not wrapper.connection:
        _own.connection, _own.cursor = wrapper.connection, ServerCursor(wrapper.connection)
    with wrapper.wrap_database_errors:
        return _own.cursor.execute(statement, parameters).fetchall()


def read_by_index() -> None:
    """Until the transaction ends: tables are read by their indexes, however small the planner takes them to be.

    Its statistics of a table that works as a queue are of another moment, and a plan that reads it whole hurts.
    """
    with connections[DEFAULT_DB_ALIAS].cursor() as cursor:
        cursor.execute("; ".join(f"SET LOCAL enable_{way} = off" for way in ("hashjoin", "mergejoin", "seqscan")))
