"""What a doctor looks at: the oldest of everything that waits, what is held, leases of the dead, clocks.

Each is one statement that reads the front of an index, or stops counting; none of it waits for a lock.
"""

from __future__ import annotations

import datetime as dt
import uuid
from typing import Any, Final

import msgspec

from aion.core.priority import ALL as PRIORITIES
from aion.core.status import OPEN
from aion.store.attempts import fronts
from aion.store.dialects import connection, dialect

MOST: Final = 1_000
"""Nothing is counted beyond."""

EXAMPLES: Final = 5


class Waiting(msgspec.Struct, frozen=True):
    """The oldest of a kind that waits: since when, and whose it is."""

    since: dt.datetime
    workflow_id: str
    run_id: uuid.UUID
    detail: str = ""


class QueueBacklog(msgspec.Struct, frozen=True):
    """Due attempts of a kind that nobody has claimed: how many (at most `MOST` each), since when."""

    task_queue: str
    activity_type: str
    count: int
    since: dt.datetime


class Some(msgspec.Struct, frozen=True):
    """How many there are, at most `MOST`, and the first of them."""

    count: int = 0
    examples: tuple[str, ...] = ()


def _rows(statement: str, parameters: list[Any]) -> list[tuple[Any, ...]]:
    with connection().cursor() as cursor:
        cursor.execute(statement, parameters)
        return list(cursor.fetchall())


def _oldest(statement: str, parameters: list[Any]) -> Waiting | None:
    sql = dialect()
    for since, workflow_id, run_id, detail in _rows(statement, parameters):
        return Waiting(sql.read_time(since), workflow_id, sql.read_uuid(run_id), detail)
    return None


def oldest_due_timer(now: dt.datetime) -> Waiting | None:
    """Find the timer that should have fired first, of a run that nobody works on."""
    return _oldest(
        "SELECT t.fire_at, r.workflow_id, r.id, t.timer_id FROM aion_timer t "
        "JOIN aion_run r ON r.id = t.run_id WHERE NOT t.parked AND t.fire_at <= %s "
        "AND r.owner_id IS NULL ORDER BY t.fire_at LIMIT 1",
        [dialect().time(now)],
    )


def oldest_message() -> Waiting | None:
    """Find the message that has waited longest for a turn."""
    return _oldest(
        "SELECT m.created_at, r.workflow_id, r.id, m.kind FROM aion_message m "
        "JOIN aion_run r ON r.id = m.run_id WHERE NOT m.parked AND r.owner_id IS NULL "
        "ORDER BY m.id LIMIT 1",
        [],
    )


_WAITING: Final = fronts("task_queue, activity_type, next_attempt_at", "next_attempt_at <= %s")


def unclaimed(now: dt.datetime) -> list[QueueBacklog]:
    """Count due attempts by queue and type, among the oldest that wait."""
    sql = dialect()
    found = _rows(
        "SELECT task_queue, activity_type, count(*), min(next_attempt_at) FROM "
        f"({_WAITING}) AS oldest GROUP BY task_queue, activity_type ORDER BY 4",
        [sql.time(now), MOST] * len(PRIORITIES),
    )
    return [
        QueueBacklog(queue, kind, count, sql.read_time(since))
        for queue, kind, count, since in found
    ]


def _some(what: str, source: str, parameters: list[Any]) -> Some:
    rows = _rows(f"SELECT {what} FROM {source} LIMIT %s", [*parameters, MOST])
    return Some(len(rows), tuple(" ".join(map(str, row)) for row in rows[:EXAMPLES]))


def paused_runs() -> Some:
    """Find paused runs."""
    return _some("workflow_id", "aion_run WHERE status = 'paused' ORDER BY started_at", [])


def held_runs() -> dict[str, Some]:
    """Find held runs by the code of their problem."""
    rows = _rows(
        "SELECT problem, workflow_id FROM aion_run WHERE held_until IS NOT NULL "
        "AND closed_at IS NULL ORDER BY held_until LIMIT %s",
        [MOST],
    )
    found: dict[str, list[str]] = {}
    for problem, workflow_id in rows:
        code = msgspec.json.decode(problem or "{}", type=_Problem).code
        found.setdefault(code, []).append(workflow_id)
    return {code: Some(len(ids), tuple(ids[:EXAMPLES])) for code, ids in found.items()}


class _Problem(msgspec.Struct):
    code: str = "unknown"


def failing_activities(attempts: int) -> Some:
    """Find activities that have failed so often and are tried again."""
    return _some(
        "activity_type, activity_id",
        "aion_activitytask WHERE last_failure IS NOT NULL "
        "AND attempt - attempts_forgotten > %s ORDER BY attempt DESC",
        [attempts],
    )


def open_types() -> list[str]:
    """List the workflow types of which a run is open, by leaps over an index."""
    statuses = ", ".join(f"'{status}'" for status in OPEN)
    rows = _rows(
        "WITH RECURSIVE types(name, place) AS (SELECT min(workflow_type), 1 FROM aion_run "
        "UNION ALL SELECT (SELECT min(workflow_type) FROM aion_run WHERE workflow_type > types.name), "
        "place + 1 FROM types WHERE types.name IS NOT NULL AND place < %s) "
        "SELECT name FROM types WHERE name IS NOT NULL AND EXISTS (SELECT 1 FROM aion_run r "
        f"WHERE r.workflow_type = types.name AND r.status IN ({statuses}))",
        [MOST],
    )
    return [name for (name,) in rows]


def overdue_schedules(before: dt.datetime) -> Some:
    """Find schedules that should have been looked at before a time."""
    return _some(
        "schedule_id, problem",
        "aion_schedule WHERE deleted_at IS NULL AND NOT paused AND due_at < %s ORDER BY due_at",
        [dialect().time(before)],
    )


def newest_open_runs(limit: int) -> list[uuid.UUID]:
    """List the open runs that began last and have no long history."""
    rows = _rows(
        "SELECT id FROM aion_run WHERE status = 'running' AND history_bytes < 100000 "
        "ORDER BY started_at DESC, id DESC LIMIT %s",
        [limit],
    )
    return [dialect().read_uuid(run_id) for (run_id,) in rows]


# --- the database itself --------------------------------------------------------------------------


def database_time() -> dt.datetime | None:
    """Ask the database for its time; None where it has no clock of its own."""
    if dialect().name != "postgresql":
        return None
    return dialect().read_time(_rows("SELECT clock_timestamp()", [])[0][0])


def parameters() -> dict[str, str]:
    """Read what the database says of how it isolates and how it writes."""
    if dialect().name == "postgresql":
        names = ("transaction_isolation", "synchronous_commit", "fsync", "full_page_writes")
        return {name: _rows(f"SHOW {name}", [])[0][0] for name in names}
    pragmas = ("journal_mode", "synchronous")
    return {name: str(_rows(f"PRAGMA {name}", [])[0][0]) for name in pragmas}


def server_processes(looks: int = 3) -> set[int]:
    """Ask some statements for the process that serves them: with a pooler in between there may be several."""
    if dialect().name != "postgresql":
        return set()
    return {_rows("SELECT pg_backend_pid()", [])[0][0] for _ in range(looks)}
