"""The registered search attributes: rows and settings, merged, and remembered for a short while.

The settings win and need no row. What is remembered is read without any statement by turns; who finds a name
missing there loads once more before saying so. A kind never changes while runs have values of it, so what is
remembered may be out of date only in that a name is missing, or just removed.
"""

from __future__ import annotations

import datetime as dt
import time
from types import MappingProxyType

from django.core.signals import setting_changed

from aion.conf import settings
from aion.core.search_attributes import ENGINE_KINDS, AttributeKind, Kinds
from aion.store.dialects import connection, dialect

_REMEMBERED_FOR = 30.0  # seconds


class Registry:
    """The attributes that this process knows of."""

    def __init__(self) -> None:
        self._rows: dict[str, AttributeKind] = {}
        self._loaded_at: float | None = None
        self._kinds: Kinds | None = None

    @property
    def known(self) -> Kinds:
        """What is known now, without a look at the database."""
        if self._kinds is None:
            given = {name: AttributeKind(kind) for name, kind in settings.SEARCH_ATTRIBUTES.items()}
            self._kinds = MappingProxyType({**self._rows, **given, **ENGINE_KINDS})
        return self._kinds

    def reload(self) -> Kinds:
        """Read the rows."""
        self._rows = dict(read_rows())
        self._loaded_at = time.monotonic()
        self._kinds = None
        return self.known

    def current(self) -> Kinds:
        """Give what is known, read anew when that was some time ago."""
        return self.reload() if self._is_old else self.known

    def kinds_for(self, names: set[str]) -> Kinds:
        """Give what is known, read anew when the settings do not name all of these."""
        if names <= settings.SEARCH_ATTRIBUTES.keys():
            return self.known
        return self.reload() if self._is_old or not names <= self.known.keys() else self.known

    @property
    def _is_old(self) -> bool:
        loaded_at = self._loaded_at
        return loaded_at is None or time.monotonic() - loaded_at > _REMEMBERED_FOR

    def forget(self, *, setting: str = "AION", **_: object) -> None:
        """Forget what is remembered."""
        if setting == "AION":
            self._rows, self._loaded_at, self._kinds = {}, None, None


registry = Registry()
setting_changed.connect(registry.forget)


def read_rows() -> list[tuple[str, AttributeKind]]:
    """Read the rows of the registry."""
    with connection().cursor() as cursor:
        cursor.execute("SELECT name, kind FROM aion_searchattribute ORDER BY name")
        return [(name, AttributeKind(kind)) for name, kind in cursor.fetchall()]


def insert(name: str, kind: AttributeKind, *, now: dt.datetime) -> AttributeKind:
    """Register a name unless it is; give the kind that it has now."""
    with connection().cursor() as cursor:
        cursor.execute(
            "INSERT INTO aion_searchattribute (name, kind, created_at) VALUES (%s, %s, %s) "
            "ON CONFLICT DO NOTHING",
            [name, str(kind), dialect().time(now)],
        )
        cursor.execute("SELECT kind FROM aion_searchattribute WHERE name = %s", [name])
        row = cursor.fetchone()
    return AttributeKind(row[0]) if row else kind


def delete(name: str) -> bool:
    """Remove a name; False when there is none."""
    with connection().cursor() as cursor:
        cursor.execute("DELETE FROM aion_searchattribute WHERE name = %s", [name])
        return bool(cursor.rowcount)
