"""Counts the SQL statements of a worker in another process, through a file that both have mapped."""

from __future__ import annotations

import mmap
import os
import struct
import threading
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

_VARIABLE: Final = "AION_BENCHMARKS_STATEMENTS"
_NUMBER: Final = struct.Struct("q")


class Counter:
    """A number in a file."""

    def __init__(self, path: Path) -> None:
        with path.open("r+b") as file:
            self._memory = mmap.mmap(file.fileno(), _NUMBER.size)
        self._lock = threading.Lock()

    @property
    def value(self) -> int:
        return int(_NUMBER.unpack_from(self._memory)[0])

    def add(self) -> None:
        with self._lock:
            _NUMBER.pack_into(self._memory, 0, self.value + 1)


class _CountedLog(deque[dict[str, str]]):
    """Stands where Django keeps the statements of a connection, BEGIN and COMMIT too; keeps their number."""

    def __init__(self, counter: Counter) -> None:
        super().__init__(maxlen=1)
        self._counter = counter

    def append(self, entry: dict[str, str]) -> None:
        self._counter.add()


@contextmanager
def counting(path: Path) -> Iterator[Counter]:
    """Count the statements of the workers that are started in this block."""
    path.write_bytes(_NUMBER.pack(0))
    os.environ[_VARIABLE] = str(path)
    try:
        yield Counter(path)
    finally:
        del os.environ[_VARIABLE]


@contextmanager
def counted_pipelines(counter: Counter | None = None) -> Iterator[list[str]]:
    """Count what is sent through pipelines, past Django: in a counter if one is given, and in a list."""
    from aion.store.pipelines import Pipeline

    sent: list[str] = []
    send = Pipeline.send

    def counted(self: Pipeline, sql: str, *arguments: Any, **options: Any) -> Any:
        sent.append(sql)
        if counter is not None:
            sent.clear()
            counter.add()
        return send(self, sql, *arguments, **options)

    Pipeline.send = counted  # type: ignore[method-assign]
    try:
        yield sent
    finally:
        Pipeline.send = send  # type: ignore[method-assign]


def count_here_if_asked() -> None:
    """Count the statements of this process, where its starter wants to know them."""
    from django.db.backends.signals import connection_created

    path = os.environ.get(_VARIABLE)
    if not path:
        return
    counter = Counter(Path(path))

    def count(connection: Any, **_: Any) -> None:
        connection.force_debug_cursor = True
        connection.queries_log = _CountedLog(counter)

    connection_created.connect(count, weak=False)
    counted_pipelines(counter).__enter__()  # for as long as the process lives
