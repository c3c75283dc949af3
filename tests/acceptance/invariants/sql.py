"""How the checks ask: on both databases, with ids and JSON in the form that the database has."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from django.db import connection


def rows(sql: str, *parameters: Any) -> list[tuple[Any, ...]]:
    """Give the rows of a statement."""
    with connection.cursor() as cursor:
        cursor.execute(sql, parameters)
        return list(cursor.fetchall())


def text(names: Iterable[str]) -> str:
    """Give a list of literals."""
    return ", ".join(f"'{name}'" for name in names)


def field(alias: str, name: str) -> str:
    """Give a field of an event's attributes as text."""
    return f"{_json(alias)} ->> '{name}'"


def value(alias: str, name: str) -> str:
    """Give a field of an event's attributes as JSON, `null` where it is left out."""
    cast = "::text" if _on_postgresql() else ""
    return f"COALESCE(({_json(alias)} -> '{name}'){cast}, 'null')"


def run_id(column: str) -> str:
    """Give an id's column in the form that `field_id` has."""
    return f"{column}::text" if _on_postgresql() else column


def field_id(alias: str, name: str) -> str:
    """Give a field that is an id."""
    return field(alias, name) if _on_postgresql() else f"replace({field(alias, name)}, '-', '')"


def size(column: str) -> str:
    """Give the bytes of a text."""
    return f"octet_length({column})" if _on_postgresql() else f"length(CAST({column} AS BLOB))"


def _json(alias: str) -> str:
    return f"{alias}.attributes::json" if _on_postgresql() else f"{alias}.attributes"


def _on_postgresql() -> bool:
    return connection.vendor == "postgresql"
