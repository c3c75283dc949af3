"""The few places where PostgreSQL and SQLite differ, behind one interface.

Theory of operation
-------------------
The store writes its statements once, with three holes that a dialect fills: how to insert many rows in one
statement, how to say "one of these ids", and how to lock rows without waiting.

* PostgreSQL takes arrays: `INSERT ... SELECT * FROM unnest(...)`, `= ANY(...)`, `FOR NO KEY UPDATE SKIP
  LOCKED`. The number of statements of a batch does not depend on its size.
* SQLite has one writer at a time: an immediate transaction holds the only lock there is, so row locks are
  neither there nor needed. Lists travel as JSON through `json_each`, and many rows through `executemany`,
  which costs a call into the same process, not a round trip.

Values travel in each database's own form: SQLite keeps ids as 32 hex digits and times as UTC text, as Django
does; `uuid`, `time` and their `read_` counterparts convert.
"""

from __future__ import annotations

import datetime as dt
import json
import uuid
from collections.abc import Iterable, Sequence
from typing import Any, Protocol

from django.db import connections, transaction
from django.db.backends.base.base import BaseDatabaseWrapper

from aion.conf import settings


class Dialect(Protocol):
    """What the store asks of a database."""

    name: str
    lock: str  # locks the selected rows of alias r and skips those that are locked
    lock_wait: str  # the same, but waits

    def insert(
        self, cursor: Any, table: str, columns: dict[str, str], rows: Sequence[tuple[Any, ...]]
    ) -> None:
        """Insert all rows; `columns` maps names to PostgreSQL types."""

    def update(
        self, cursor: Any, table: str, columns: dict[str, str], rows: Sequence[tuple[Any, ...]]
    ) -> None:
        """Update rows by the first column, which is the key."""

    def among(self, column: str, kind: str) -> str:
        """Give the condition that a column is one of the values of one parameter."""

    def many(self, values: Iterable[Any]) -> Any:
        """Give the parameter for `among`."""

    def uuid(self, value: uuid.UUID | None) -> Any:
        """Write an id."""

    def read_uuid(self, value: Any) -> uuid.UUID:
        """Read an id."""

    def time(self, value: dt.datetime | None) -> Any:
        """Write an aware UTC time."""

    def read_time(self, value: Any) -> dt.datetime:
        """Read an aware UTC time."""


class PostgreSQL:
    """Arrays in, arrays out."""

    name = "postgresql"
    lock = "FOR NO KEY UPDATE OF r SKIP LOCKED"
    lock_wait = "FOR NO KEY UPDATE OF r"

    def insert(
        self, cursor: Any, table: str, columns: dict[str, str], rows: Sequence[tuple[Any, ...]]
    ) -> None:
        """Insert by one statement with an array for each column."""
        arrays = ", ".join(f"%s::{kind}[]" for kind in columns.values())
        names = ", ".join(_quote(columns))
        sql = f"INSERT INTO {table} ({names}) SELECT * FROM unnest({arrays})"
        cursor.execute(sql, [list(column) for column in zip(*rows, strict=True)])

    def update(
        self, cursor: Any, table: str, columns: dict[str, str], rows: Sequence[tuple[Any, ...]]
    ) -> None:
        """Update by one statement that joins the table with the arrays."""
        key, *others = _quote(columns)
        arrays = ", ".join(f"%s::{kind}[]" for kind in columns.values())
        changes = ", ".join(f"{name} = v.{name}" for name in others)
        names = ", ".join([key, *others])
        sql = (
            f"UPDATE {table} AS r SET {changes} FROM unnest({arrays}) AS v({names}) "
            f"WHERE r.{key} = v.{key}"
        )
        cursor.execute(sql, [list(column) for column in zip(*rows, strict=True)])

    def among(self, column: str, kind: str) -> str:
        """Compare with an array."""
        return f"{column} = ANY(%s::{kind}[])"

    def many(self, values: Iterable[Any]) -> Any:
        """Pass a list."""
        return list(values)

    def uuid(self, value: uuid.UUID | None) -> Any:
        """The driver knows ids."""
        return value

    def read_uuid(self, value: Any) -> uuid.UUID:
        """The driver knows ids."""
        result: uuid.UUID = value
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
    lock = ""
    lock_wait = ""

    def insert(
        self, cursor: Any, table: str, columns: dict[str, str], rows: Sequence[tuple[Any, ...]]
    ) -> None:
        """Insert through one prepared statement."""
        marks = ", ".join(["%s"] * len(columns))
        names = ", ".join(_quote(columns))
        cursor.executemany(f"INSERT INTO {table} ({names}) VALUES ({marks})", self._rows(rows))

    def update(
        self, cursor: Any, table: str, columns: dict[str, str], rows: Sequence[tuple[Any, ...]]
    ) -> None:
        """Update through one prepared statement."""
        key, *others = _quote(columns)
        changes = ", ".join(f"{name} = %s" for name in others)
        moved = [(*row[1:], row[0]) for row in self._rows(rows)]
        cursor.executemany(f"UPDATE {table} SET {changes} WHERE {key} = %s", moved)

    def _rows(self, rows: Sequence[tuple[Any, ...]]) -> list[tuple[Any, ...]]:
        return [tuple(self._value(value) for value in row) for row in rows]

    def _value(self, value: Any) -> Any:
        if isinstance(value, uuid.UUID):
            return value.hex
        if isinstance(value, dt.datetime):
            return self.time(value)
        return value

    def among(self, column: str, kind: str) -> str:  # noqa: ARG002  # the type matters to arrays only
        """Compare with the members of a JSON array."""
        return f"{column} IN (SELECT value FROM json_each(%s))"

    def many(self, values: Iterable[Any]) -> Any:
        """Pass a JSON array."""
        return json.dumps([self._value(value) for value in values])

    def uuid(self, value: uuid.UUID | None) -> Any:
        """Write 32 hex digits, as Django does."""
        return None if value is None else value.hex

    def read_uuid(self, value: Any) -> uuid.UUID:
        """Read hex digits."""
        return uuid.UUID(value)

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
