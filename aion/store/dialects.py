"""The few places where PostgreSQL and SQLite differ, behind one interface.

Theory of operation
-------------------
The store writes its statements once, with three holes that a dialect fills: how to insert many rows in one
statement, how to say "one of these ids", and how to lock rows without waiting.

* PostgreSQL takes arrays: `INSERT ... SELECT * FROM unnest(...)`, `= ANY(...)`, `FOR NO KEY UPDATE SKIP
  LOCKED`. The number of statements of a batch does not depend on its size. Arrays travel as literals, built
  with two string replacements: the driver's own list adaptation costs ten times as much.
* SQLite has one writer at a time: an immediate transaction holds the only lock there is, so row locks are
  neither there nor needed. Lists travel as JSON through `json_each`, and many rows through `executemany`,
  which costs a call into the same process, not a round trip.

Values travel in each database's own form: SQLite keeps ids as 32 hex digits and times as UTC text, as Django
does; `uuid`, `time` and their `read_` counterparts convert.
"""

from __future__ import annotations

import datetime as dt
import functools
import json
from collections.abc import Iterable, Sequence
from typing import Any, Final, Protocol
from uuid import UUID

from django.db import connections, transaction
from django.db.backends.base.base import BaseDatabaseWrapper

from aion.conf import settings
from aion.store.literals import array_literal


class Dialect(Protocol):
    """What the store asks of a database."""

    name: str
    false: str  # the literal
    lock: str  # locks the selected rows of alias r and skips those that are locked
    lock_wait: str  # the same, but waits
    lock_rows: str  # locks the selected rows of the only table
    lock_free_rows: str  # the same, but skips those that are locked
    share_rows: str  # keeps others from changing the selected rows

    def insert(
        self, cursor: Any, table: str, columns: dict[str, str], rows: Sequence[tuple[Any, ...]]
    ) -> None:
        """Insert all rows; `columns` maps names to PostgreSQL types."""

    def insert_and(
        self,
        cursor: Any,
        table: str,
        columns: dict[str, str],
        rows: Sequence[tuple[Any, ...]],
        also: str,
        value: str,
    ) -> None:
        """Insert all rows with one further column, whose value is an expression on the row `v`."""

    def insert_free(
        self, cursor: Any, table: str, columns: dict[str, str], rows: Sequence[tuple[Any, ...]]
    ) -> set[UUID]:
        """Insert those rows that break no unique rule; give their first column, which is their id."""

    def update(
        self,
        cursor: Any,
        table: str,
        columns: dict[str, str],
        rows: Sequence[tuple[Any, ...]],
        *,
        keys: int = 1,
    ) -> None:
        """Update rows by their first `keys` columns."""

    def among(self, column: str, kind: str) -> str:
        """Give the condition that a column is one of the values of one parameter."""

    def joined(self, table: str, column: str, kind: str) -> str:
        """Give a FROM clause: the rows of a table, as `t`, whose column has one of a parameter's values.

        Unlike `among` it leaves the planner no choice: each value is looked up by index.
        """

    def many(self, values: Iterable[Any]) -> Any:
        """Give the parameter for `among` and `joined`."""

    def uuid(self, value: UUID | None) -> Any:
        """Write an id."""

    def read_uuid(self, value: Any) -> UUID:
        """Read an id."""

    def time(self, value: dt.datetime | None) -> Any:
        """Write an aware UTC time."""

    def read_time(self, value: Any) -> dt.datetime:
        """Read an aware UTC time."""


class PostgreSQL:
    """Arrays in, arrays out."""

    name = "postgresql"
    false = "false"
    lock = "FOR NO KEY UPDATE OF r SKIP LOCKED"
    lock_wait = "FOR NO KEY UPDATE OF r"
    lock_rows = "FOR NO KEY UPDATE"
    lock_free_rows = "FOR NO KEY UPDATE SKIP LOCKED"
    share_rows = "FOR SHARE"

    def insert(
        self, cursor: Any, table: str, columns: dict[str, str], rows: Sequence[tuple[Any, ...]]
    ) -> None:
        """Insert by one statement with an array for each column."""
        cursor.execute(*self._insert(table, columns, rows))

    def _insert(
        self, table: str, columns: dict[str, str], rows: Sequence[tuple[Any, ...]], end: str = ""
    ) -> tuple[str, list[str]]:
        sql = _insert_arrays(table, tuple(columns.items()), end)
        return sql, [array_literal(column) for column in zip(*rows, strict=True)]

    def insert_and(
        self,
        cursor: Any,
        table: str,
        columns: dict[str, str],
        rows: Sequence[tuple[Any, ...]],
        also: str,
        value: str,
    ) -> None:
        """Insert by one statement, which finds the further value."""
        sql = _insert_arrays_and(table, tuple(columns.items()), also, value)
        cursor.execute(sql, [array_literal(column) for column in zip(*rows, strict=True)])

    def insert_free(
        self, cursor: Any, table: str, columns: dict[str, str], rows: Sequence[tuple[Any, ...]]
    ) -> set[UUID]:
        """Insert by one statement that answers with the ids of what it inserted."""
        cursor.execute(*self._insert(table, columns, rows, " ON CONFLICT DO NOTHING RETURNING id"))
        return {row[0] for row in cursor.fetchall()}

    def update(
        self,
        cursor: Any,
        table: str,
        columns: dict[str, str],
        rows: Sequence[tuple[Any, ...]],
        *,
        keys: int = 1,
    ) -> None:
        """Update by one statement that joins the table with the arrays."""
        sql = _update_arrays(table, tuple(columns.items()), keys)
        cursor.execute(sql, [array_literal(column) for column in zip(*rows, strict=True)])

    def among(self, column: str, kind: str) -> str:
        """Compare with an array."""
        return f"{column} = ANY(%s::{kind}[])"

    def joined(self, table: str, column: str, kind: str) -> str:
        """Join with an array."""
        return f"unnest(%s::{kind}[]) AS given(key) JOIN {table} AS t ON t.{column} = given.key"

    def many(self, values: Iterable[Any]) -> Any:
        """Pass an array literal."""
        return array_literal(list(values))

    def uuid(self, value: UUID | None) -> Any:
        """The driver knows ids."""
        return value

    def read_uuid(self, value: Any) -> UUID:
        """The driver knows ids."""
        result: UUID = value
        return result

    def time(self, value: dt.datetime | None) -> Any:
        """The driver knows times."""
        return value

    def read_time(self, value: Any) -> dt.datetime:
        """Whatever the session's zone, give UTC."""
        result: dt.datetime = value
        return result if result.tzinfo is dt.UTC else result.astimezone(dt.UTC)


class SQLite:
    """One writer, values as text."""

    name = "sqlite"
    false = "0"
    lock = lock_wait = lock_rows = lock_free_rows = share_rows = ""

    def insert(
        self, cursor: Any, table: str, columns: dict[str, str], rows: Sequence[tuple[Any, ...]]
    ) -> None:
        """Insert through one prepared statement."""
        cursor.executemany(self._insert(table, columns), self._rows(rows))

    def _insert(self, table: str, columns: dict[str, str]) -> str:
        marks = ", ".join(["%s"] * len(columns))
        return f"INSERT INTO {table} ({', '.join(_quote(columns))}) VALUES ({marks})"

    def insert_and(
        self,
        cursor: Any,
        table: str,
        columns: dict[str, str],
        rows: Sequence[tuple[Any, ...]],
        also: str,
        value: str,
    ) -> None:
        """Insert through one prepared statement, which finds the further value."""
        names = _quote(columns)
        given = ", ".join(f"%s AS {name}" for name in names)
        cursor.executemany(
            f"INSERT INTO {table} ({', '.join(names)}, {also}) "
            f"SELECT v.*, {value} FROM (SELECT {given}) AS v",
            self._rows(rows),
        )

    def insert_free(
        self, cursor: Any, table: str, columns: dict[str, str], rows: Sequence[tuple[Any, ...]]
    ) -> set[UUID]:
        """Insert one by one: the statement runs in this process, and its row count tells."""
        statement = self._insert(table, columns) + " ON CONFLICT DO NOTHING"
        inserted = set()
        for original, row in zip(rows, self._rows(rows), strict=True):
            cursor.execute(statement, row)
            if cursor.rowcount == 1:
                inserted.add(original[0])
        return inserted

    def update(
        self,
        cursor: Any,
        table: str,
        columns: dict[str, str],
        rows: Sequence[tuple[Any, ...]],
        *,
        keys: int = 1,
    ) -> None:
        """Update through one prepared statement."""
        names = _quote(columns)
        changes = ", ".join(f"{name} = %s" for name in names[keys:])
        where = " AND ".join(f"{name} = %s" for name in names[:keys])
        moved = [(*row[keys:], *row[:keys]) for row in self._rows(rows)]
        cursor.executemany(f"UPDATE {table} SET {changes} WHERE {where}", moved)

    def _rows(self, rows: Sequence[tuple[Any, ...]]) -> list[tuple[Any, ...]]:
        return [tuple(self._value(value) for value in row) for row in rows]

    def _value(self, value: Any) -> Any:
        if isinstance(value, UUID):
            return value.hex
        if isinstance(value, dt.datetime):
            return self.time(value)
        return value

    def among(self, column: str, kind: str) -> str:  # the type matters to arrays only
        """Compare with the members of a JSON array."""
        return f"{column} IN (SELECT value FROM json_each(%s))"

    def joined(self, table: str, column: str, kind: str) -> str:
        """Join with a JSON array."""
        return f"json_each(%s) AS given JOIN {table} AS t ON t.{column} = given.value"

    def many(self, values: Iterable[Any]) -> Any:
        """Pass a JSON array."""
        return json.dumps([self._value(value) for value in values])

    def uuid(self, value: UUID | None) -> Any:
        """Write 32 hex digits, as Django does."""
        return None if value is None else value.hex

    def read_uuid(self, value: Any) -> UUID:
        """Read hex digits."""
        return UUID(value)

    def time(self, value: dt.datetime | None) -> Any:
        """Write naive UTC text of fixed width, so that text order is time order."""
        if value is None:
            return None
        naive = value.astimezone(dt.UTC).replace(tzinfo=None)
        return naive.isoformat(sep=" ", timespec="microseconds")

    def read_time(self, value: Any) -> dt.datetime:
        """Read text, with or without a fraction, or what Django's converters already made."""
        if isinstance(value, dt.datetime):
            return value.replace(tzinfo=dt.UTC) if value.tzinfo is None else value
        return dt.datetime.fromisoformat(value).replace(tzinfo=dt.UTC)


def _quote(columns: Iterable[str]) -> list[str]:
    return [f'"{name}"' for name in columns]


Columns = tuple[tuple[str, str], ...]
"""Names and types, in a form that can be remembered: the statements are built once."""


@functools.cache
def _insert_arrays(table: str, columns: Columns, end: str) -> str:
    names = ", ".join(_quote(name for name, _ in columns))
    return f"INSERT INTO {table} ({names}) SELECT * FROM unnest({_arrays(columns)}){end}"


@functools.cache
def _insert_arrays_and(table: str, columns: Columns, also: str, value: str) -> str:
    names = ", ".join(_quote(name for name, _ in columns))
    return (
        f"INSERT INTO {table} ({names}, {also}) "
        f"SELECT v.*, {value} FROM unnest({_arrays(columns)}) AS v({names})"
    )


@functools.cache
def _update_arrays(table: str, columns: Columns, keys: int) -> str:
    names = _quote(name for name, _ in columns)
    changes = ", ".join(f"{name} = v.{name}" for name in names[keys:])
    where = " AND ".join(f"r.{name} = v.{name}" for name in names[:keys])
    return (
        f"UPDATE {table} AS r SET {changes} "
        f"FROM unnest({_arrays(columns)}) AS v({', '.join(names)}) WHERE {where}"
    )


def _arrays(columns: Columns) -> str:
    return ", ".join(f"%s::{kind}[]" for _, kind in columns)


PIPELINE: Final = "aion_pipeline"
"""The attribute of a connection that holds its pipeline, set by `sessions`."""

_DIALECTS: dict[str, Dialect] = {"postgresql": PostgreSQL(), "sqlite": SQLite()}


def alias() -> str:
    """Give the database alias of Aion's tables."""
    name: str = settings.DATABASE
    return name


def connection() -> BaseDatabaseWrapper:
    """Give this thread's connection to Aion's database."""
    return connections[alias()]


def cursor() -> Any:
    """Give a cursor on Aion's database: within a turn of a tuned session the pipeline's, else Django's."""
    own = connection()
    pipeline = getattr(own, PIPELINE, None)
    if pipeline is None or not pipeline.is_open:
        return own.cursor()
    own.ensure_connection()  # where guards keep workflow code from the database
    return pipeline.cursor()


def is_pipelined() -> bool:
    """Tell whether a turn of a tuned session is under way, whose statements travel together."""
    pipeline = getattr(connection(), PIPELINE, None)
    return pipeline is not None and pipeline.is_open


def send_now() -> None:
    """Let the server begin with what a pipeline has sent, and do not wait for its answers."""
    pipeline = getattr(connection(), PIPELINE, None)
    if pipeline is not None and pipeline.is_open:
        pipeline.ask()


def dialect() -> Dialect:
    """Give the dialect of Aion's database."""
    return settings.made("dialect", _find_dialect)


def _find_dialect() -> Dialect:
    return _DIALECTS[connection().vendor]


def in_transaction() -> bool:
    """Tell whether a caller's transaction is under way."""
    return connection().in_atomic_block or not connection().get_autocommit()


def atomic() -> Any:
    """Open a transaction on Aion's database, or a savepoint inside the caller's."""
    return transaction.atomic(using=alias())
