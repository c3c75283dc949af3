"""What turns write, beside what the database can take: the same rows, bare."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Final

from django.db import connection, transaction

from aion.models import Event
from benchmarks.app.workflows import sequential_steps
from benchmarks.figures import Figures, Size
from benchmarks.measuring import stopwatch
from benchmarks.on_aion.throughput import start_many
from benchmarks.on_aion.worker import rate_of, working

_TOGETHER: Final = 50  # rows in a transaction
_COLUMNS: Final = "run_id, seq, kind, recorded_at, attributes"
Row = tuple[Any, ...]


def event_write_limit(size: Size) -> Figures:
    runs, steps = size["runs"], size["steps"]
    coming = runs * (steps + 1)  # the first event of each run is written by its start
    with working() as workers:
        turns, _ = rate_of(workers, lambda: start_many(sequential_steps, steps, count=runs), coming)
    assert Event.objects.count() == runs + coming
    bare = _bare_rows_per_second()
    return {"": turns / bare, "turns": turns, "copy": bare}


def _bare_rows_per_second() -> float:
    """Write the events there are once more, into a table with the same columns and the same key."""
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT {_COLUMNS} FROM aion_event ORDER BY recorded_at")  # noqa: S608
        rows: list[Row] = cursor.fetchall()
        cursor.execute(_TABLE[connection.vendor])
        write = _WRITE[connection.vendor]
        parts = [list(part) for part in _batched(rows)]
        try:
            with stopwatch() as watch:
                for part in parts:
                    with transaction.atomic():
                        write(cursor, part)
        finally:
            cursor.execute("DROP TABLE benchmarks_event")
    return len(rows) / watch.seconds


def _batched(rows: Sequence[Row]) -> list[Sequence[Row]]:
    return [rows[first : first + _TOGETHER] for first in range(0, len(rows), _TOGETHER)]


def _copy(cursor: Any, rows: Sequence[Row]) -> None:
    with cursor.copy(f"COPY benchmarks_event ({_COLUMNS}) FROM STDIN") as copy:
        for row in rows:
            copy.write_row(row)


def _insert(cursor: Any, rows: Sequence[Row]) -> None:
    cursor.executemany("INSERT INTO benchmarks_event VALUES (%s, %s, %s, %s, %s)", rows)


_TABLE: Final = {
    "postgresql": "CREATE TABLE benchmarks_event (LIKE aion_event INCLUDING ALL)",
    "sqlite": (
        "CREATE TABLE benchmarks_event (run_id char(32), seq integer, kind varchar(40), "
        "recorded_at datetime, attributes text, PRIMARY KEY (run_id, seq))"
    ),
}
_WRITE: Final[dict[str, Callable[[Any, Sequence[Row]], None]]] = {
    "postgresql": _copy,
    "sqlite": _insert,
}
