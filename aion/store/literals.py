"""PostgreSQL's text form of values: of arrays, and of the parameters of a statement."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any
from uuid import UUID

from django.db import DataError


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


def parameter(value: Any) -> bytes | None:
    """Write one parameter.

    Raises:
        DataError: a text holds a NUL, behind which the driver would cut it off.
    """
    if isinstance(value, str):
        text = value
    elif value is None:
        return None
    elif isinstance(value, (list, tuple)):
        text = array_literal(value)
    else:
        text = str(value)
    if "\0" in text:
        raise DataError("PostgreSQL text fields cannot contain NUL (0x00) bytes")
    return text.encode()
