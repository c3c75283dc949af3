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
import json
from collections.abc import Iterable, Sequence
from typing import Any, Protocol
from uuid import UUID

from django.db import connections, transaction
from django.db.backends.base.base import BaseDatabaseWrapper

from aion.conf import settings


class Dialect(Protocol):
    """What the store asks of a database."""

    name: str
    false: str  # the literal
    lock: str  # locks the selected rows of alias r and skips those that are locked
    lock_wait: str  # the same, but waits

    def insert(
        self, cursor: Any, table: str, columns: dict[str, str], rows: Sequence[tuple[Any, ...]]
    ) -> None:
        """Insert all rows; `columns` maps names to PostgreSQL types."""

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

    def rows(self, kind: str) -> str:
        """Give a SELECT of the values of one parameter, a row each."""

    def many(self, values: Iterable[Any]) -> Any:
        """Give the parameter for `among` and `rows`."""

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

    def insert(
        self, cursor: Any, table: str, columns: dict[str, str], rows: Sequence[tuple[Any, ...]]
    ) -> None:
        """Insert by one statement with an array for each column."""
        cursor.execute(*self._insert(table, columns, rows))

    def _insert(
        self, table: str, columns: dict[str, str], rows: Sequence[tuple[Any, ...]], end: str = ""
    ) -> tuple[str, list[str]]:
        arrays = ", ".join(f"%s::{kind}[]" for kind in columns.values())
        names = ", ".join(_quote(columns))
        sql = f"INSERT INTO {table} ({names}) SELECT * FROM unnest({arrays}){end}"
        return sql, [array_literal(column) for column in zip(*rows, strict=True)]

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
        names = _quote(columns)
        arrays = ", ".join(f"%s::{kind}[]" for kind in columns.values())
        changes = ", ".join(f"{name} = v.{name}" for name in names[keys:])
        where = " AND ".join(f"r.{name} = v.{name}" for name in names[:keys])
        sql = (
            f"UPDATE {table} AS r SET {changes} FROM unnest({arrays}) AS v({', '.join(names)}) "
            f"WHERE {where}"
        )
        cursor.execute(sql, [array_literal(column) for column in zip(*rows, strict=True)])

    def among(self, column: str, kind: str) -> str:
        """Compare with an array."""
        return f"{column} = ANY(%s::{kind}[])"

    def rows(self, kind: str) -> str:
        """Unfold an array."""
        return f"SELECT unnest(%s::{kind}[])"

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


def array_literal(values: Sequence[Any]) -> str:
    """Write a one-dimensional PostgreSQL array of texts, numbers, booleans, ids, times or None."""
    return "{" + ",".join([_item(value) for value in values]) + "}"


def _item(value: Any) -> str:
    if isinstance(value, str):
        return '"' + value.replace("\\", "\\\\").replace('"', '\\"') + '"'
    if value is None:
        return "NULL"
    if isinstance(value, UUID):
        return value.hex
    return str(value)  # numbers, True and False, times with their offset


class SQLite:
    """One writer, values as text."""

    name = "sqlite"
    false = "0"
    lock = ""
    lock_wait = ""

    def insert(
        self, cursor: Any, table: str, columns: dict[str, str], rows: Sequence[tuple[Any, ...]]
    ) -> None:
        """Insert through one prepared statement."""
        cursor.executemany(self._insert(table, columns), self._rows(rows))

    def _insert(self, table: str, columns: dict[str, str]) -> str:
        marks = ", ".join(["%s"] * len(columns))
        return f"INSERT INTO {table} ({', '.join(_quote(columns))}) VALUES ({marks})"

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

    def rows(self, kind: str) -> str:
        """Unfold a JSON array."""
        return "SELECT value FROM json_each(%s)"

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


def _quote(columns: dict[str, str]) -> list[str]:
    return [f'"{name}"' for name in columns]


_DIALECTS: dict[str, Dialect] = {"postgresql": PostgreSQL(), "sqlite": SQLite()}


def alias() -> str:
    """Give the database alias of Aion's tables."""
    name: str = settings.DATABASE
    return name


def connection() -> BaseDatabaseWrapper:
    """Give this thread's connection to Aion's database."""
    return connections[alias()]


def dialect() -> Dialect:
    """Give the dialect of Aion's database."""
    return _DIALECTS[connection().vendor]


def atomic() -> Any:
    """Open a transaction on Aion's database, or a savepoint inside the caller's."""
    return transaction.atomic(using=alias())
