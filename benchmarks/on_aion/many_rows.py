"""A database as after months of work: a million runs with ten million events, written by COPY.

    AION_BENCHMARKS_DATABASE_URL=postgresql://... python -m benchmarks.on_aion.many_rows [RUNS]

makes the tables there, empties them and fills them: some minutes for a million runs. Where
AION_SQLITE_PATH names a file, it inserts.

The rows are as the engine writes them, and the same each time but for their moments, which end now. Of 200
runs 3 are open (one waits for a timer, one for an activity that has failed once, one is held), 6 have failed,
2 were cancelled, 1 was terminated, and 188 have completed.
"""

from __future__ import annotations

import datetime as dt
import random
import sys
from collections.abc import Sequence
from typing import Any, Final

import msgspec
from django.db import connection, transaction

from aion.core import events
from aion.core.events import Event
from aion.core.failures import Failure
from aion.core.history import encode_event
from aion.core.ids import uuid7_from
from aion.store.dialects import dialect
from benchmarks.measuring import stopwatch

EVENTS: Final = 10
"""Events of a run that has ended; an open one has fewer."""
TYPES: Final = ("shop.Checkout", "billing.Invoice", "reports.Nightly", "imports.Catalogue")
CUSTOMERS: Final = 100_000
"""The values of the search attribute `CustomerId` (int), the same number of runs each, roughly."""
REGIONS: Final = ("africa", "america", "asia", "europe", "oceania")
"""The values of the search attribute `Region` (keyword)."""

_TYPE_WEIGHTS: Final = (60, 90, 99, 100)  # each with those before it
_SPAN: Final = dt.timedelta(days=60)
_BATCH: Final = 5_000

Row = tuple[Any, ...]
Step = tuple[str, str, float]
"""The kind of an event, its attributes, and when it came in seconds behind the start."""

_COLUMNS: Final = {
    "aion_searchattribute": "name, kind, created_at",
    "aion_run": (
        "id, workflow_id, workflow_type, definition_hash, behaviour_version, task_queue, status, "
        "head_seq, first_seq, history_bytes, started_at, closed_at, request_id, parent_close_policy, "
        "root_run_id, chain_position, search_attributes, memo, result, failure, problem, "
        "problem_count, held_until"
    ),
    "aion_event": "run_id, seq, kind, recorded_at, attributes",
    "aion_searchvalue": "run_id, name, position, keyword, integer",
    "aion_message": "run_id, kind, body, created_at, parked",
    "aion_timer": "run_id, timer_id, fire_at, parked",
    "aion_activitytask": (
        'id, run_id, activity_id, activity_type, task_queue, "order", state, attempt, scheduled_at, '
        "next_attempt_at, timeout_kind, heartbeat_details, last_failure, cancel_requested, paused"
    ),
}


def _step(event: Event, seconds: float) -> Step:
    return type(event).__name__, encode_event(event).decode(), seconds


def _activity(number: str, name: str, begin: float) -> list[Step]:
    return [
        _step(events.ActivityScheduled(activity_id=number, activity_type=name), begin),
        _step(events.ActivityStarted(activity_id=number, worker="worker-1"), begin + 0.4),
        _step(
            events.ActivityCompleted(activity_id=number, result=msgspec.Raw(b'"done"')), begin + 0.4
        ),
    ]


_FAILURE: Final = Failure(type="CardDeclined", message="the bank said no")
_FAILURE_TEXT: Final = msgspec.json.encode(_FAILURE).decode()
_FAR: Final = dt.datetime(2100, 1, 1, tzinfo=dt.UTC)
_STEPS: Final = [
    *_activity("1", "shop.reserve", 0.01),
    _step(events.TimerStarted(timer_id="1", fire_at=_FAR, summary="a reminder"), 0.41),
    _step(events.TimerFired(timer_id="1"), 60),
    *_activity("2", "shop.charge", 60),
]
_ENDINGS: Final = {
    "completed": _step(events.WorkflowCompleted(result=msgspec.Raw(b'"shipped"')), 60.4),
    "failed": _step(events.WorkflowFailed(failure=_FAILURE), 60.4),
    "cancelled": _step(events.WorkflowCancelled(reason="the customer"), 60.4),
    "terminated": _step(events.WorkflowTerminated(reason="by hand"), 60.4),
}
_ON_TIMER, _ON_ACTIVITY, _HELD = range(3)
_STEPS_OF_OPEN: Final = {_ON_TIMER: 4, _ON_ACTIVITY: 6, _HELD: 3}


def _ending(fate: int) -> str:
    """Say how the runs of a fate, 3 to 199, have ended."""
    if fate < 9:
        return "failed"
    if fate < 11:
        return "cancelled"
    return "terminated" if fate == 11 else "completed"


def write(runs: int) -> None:
    """Write so many runs into empty tables, with all that belongs to them."""
    now = dt.datetime.now(dt.UTC)
    with transaction.atomic():
        at = dialect().time(now)
        _insert("aion_searchattribute", [("CustomerId", "int", at), ("Region", "keyword", at)])
        for first in range(0, runs, _BATCH):
            batch = _Batch()
            for number in range(first, min(first + _BATCH, runs)):
                batch.add(number, now - _SPAN * (1 - number / runs))
            for table, rows in batch.rows.items():
                _insert(table, rows)
    with connection.cursor() as cursor:
        cursor.execute("VACUUM ANALYZE" if connection.vendor == "postgresql" else "ANALYZE")


class _Batch:
    """Rows by their tables."""

    def __init__(self) -> None:
        self.rows: dict[str, list[Row]] = {table: [] for table in _COLUMNS}
        sql = dialect()  # once: to look it up takes longer than to write a time
        self._time, self._uuid = sql.time, sql.uuid
        self._far = self._time(_FAR)

    def add(self, number: int, started_at: dt.datetime) -> None:
        chance = random.Random(number)
        milliseconds = int(started_at.timestamp() * 1_000)
        run_id = self._uuid(uuid7_from(milliseconds, chance.getrandbits(74)))
        workflow_type = chance.choices(TYPES, cum_weights=_TYPE_WEIGHTS)[0]
        customer, region, fate = chance.randrange(CUSTOMERS), chance.choice(REGIONS), number % 200
        is_open = fate in _STEPS_OF_OPEN
        status = "running" if is_open else _ending(fate)
        start = events.WorkflowStarted(workflow_id=f"order-{number}", workflow_type=workflow_type)
        steps = _STEPS[: _STEPS_OF_OPEN[fate]] if is_open else [*_STEPS, _ENDINGS[status]]
        history = [_step(start, 0), *steps]
        times = [self._time(started_at + dt.timedelta(seconds=each[2])) for each in history]
        self.rows["aion_event"] += [
            (run_id, seq, kind, at, text)
            for seq, ((kind, text, _), at) in enumerate(zip(history, times, strict=True), 1)
        ]
        problem = _FAILURE_TEXT if fate == _HELD else None
        self.rows["aion_run"].append(
            (
                *(run_id, f"order-{number}", workflow_type, "0" * 64, 1, "default", status),
                *(len(history), 1, sum(len(text) for _, text, _ in history)),
                *(times[0], None if is_open else times[-1], "", "", run_id, 0),
                *(f'{{"CustomerId": {customer}, "Region": "{region}"}}', "{}"),
                '"shipped"' if status == "completed" else None,
                _FAILURE_TEXT if status == "failed" else None,
                *(problem, int(problem is not None), self._far if problem else None),
            )
        )
        self.rows["aion_searchvalue"] += [
            (run_id, "CustomerId", 0, None, customer),
            (run_id, "Region", 0, region, None),
        ]
        if fate == _ON_TIMER:
            self.rows["aion_timer"].append((run_id, "1", self._far, 0))
        elif fate == _ON_ACTIVITY:
            own_id = self._uuid(uuid7_from(milliseconds, chance.getrandbits(74)))
            self.rows["aion_activitytask"].append(
                (
                    *(own_id, run_id, "2", "shop.charge", "default", _STEPS[5][1], "scheduled", 2),
                    *(times[-1], self._far, "", "[]", _FAILURE_TEXT, 0, 0),
                )
            )
        elif fate == _HELD:
            self.rows["aion_message"].append((run_id, "wake", "{}", times[-1], 1))


def _insert(table: str, rows: Sequence[Row]) -> None:
    columns = _COLUMNS[table]
    with connection.cursor() as cursor:
        if connection.vendor == "postgresql":
            with cursor.copy(f"COPY {table} ({columns}) FROM STDIN") as copy:  # type: ignore[attr-defined]
                copy.write("".join(map(_line, rows)))
            return
        marks = ", ".join(["%s"] * (columns.count(",") + 1))
        statement = f"INSERT INTO {table} ({columns}) VALUES ({marks})"  # noqa: S608  # constants
        cursor.executemany(statement, rows)


def _line(row: Row) -> str:
    """Write a row as COPY reads it. No text here has anything in it that must be escaped."""
    return "\t".join("\\N" if value is None else str(value) for value in row) + "\n"


def main(words: Sequence[str]) -> None:
    from benchmarks.on_aion.setup import begin, migrate

    migrate()
    begin()
    runs = int(words[0]) if words else 1_000_000
    with stopwatch() as watch:
        write(runs)
    print(f"{runs:,} runs in {watch.seconds:.0f} s")


if __name__ == "__main__":
    main(sys.argv[1:])
