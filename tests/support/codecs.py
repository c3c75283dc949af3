"""Chains of codecs for tests, named by dotted path in the settings."""

from __future__ import annotations

from functools import cache
from typing import Any

from aion.codecs import AesGcm, Codec, PayloadContext, Zlib
from aion.core.sealing import MARK
from aion.store.dialects import connection

OLD, NEW = b"o" * 32, b"n" * 32


def old_key() -> list[Codec]:
    return [Zlib(above=200), AesGcm({"old": OLD})]


def new_key() -> list[Codec]:
    """Both keys are known, the new one is current."""
    return [Zlib(above=200), AesGcm({"old": OLD, "new": NEW}, current="new")]


def only_new_key() -> list[Codec]:
    return [Zlib(above=200), AesGcm({"new": NEW})]


def key_of_each_type() -> list[Codec]:
    keys = {"kit.greet": OLD, "others": NEW}

    def current(context: PayloadContext) -> str:
        return context.workflow_type if context.workflow_type in keys else "others"

    return [AesGcm(keys, current=current)]


class Reversed:
    """No secret, but nothing that a search for a word finds. Fails where `FAILING` names the workflow id."""

    name = "reversed"

    def encode(self, data: bytes, context: PayloadContext) -> bytes:
        if context.workflow_id in FAILING:
            raise RuntimeError("the codec is out of order")
        return data[::-1]

    def decode(self, data: bytes, context: PayloadContext) -> bytes:
        return data[::-1]


FAILING: set[str] = set()


@cache
def _tables(vendor: str) -> tuple[str, ...]:
    """Asked once: some tests look a thousand times."""
    names = connection().introspection.table_names()
    tables = tuple(name for name in names if name.startswith("aion_"))
    assert "aion_run" in tables
    return tables


def everything_in_the_database() -> str:
    """All values of all of Aion's tables, as text."""
    found: list[str] = []
    with connection().cursor() as cursor:
        for table in _tables(connection().vendor):
            cursor.execute(f"SELECT * FROM {table}")
            found.extend(str(value) for row in cursor.fetchall() for value in row)
    return "\n".join(found)


def envelopes() -> int:
    return everything_in_the_database().count(MARK)


def keys_in_use() -> set[str]:
    text = everything_in_the_database()
    return {key for key in ("old", "new") if f'"key":"{key}"' in text}


def settings_with(settings: Any, **aion: Any) -> None:
    """Change keys of the AION dict for the rest of a test."""
    settings.AION = {**settings.AION, **aion}


def encrypting_old() -> Codec:
    return AesGcm({"old": OLD})


def encrypting_new() -> Codec:
    return AesGcm({"old": OLD, "new": NEW}, current="new")
