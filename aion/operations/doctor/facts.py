"""The facts that a diagnosis is made of, collected from settings, database, broker and bell."""

from __future__ import annotations

import dataclasses
import datetime as dt
from typing import Final

from django.core import checks
from django.db.migrations.executor import MigrationExecutor

from aion.authoring.registry import registry
from aion.conf import settings
from aion.core.errors import HistoryError, PayloadUnavailable
from aion.core.ports import Bell, Dispatcher
from aion.operations.clock import clock
from aion.operations.pending_lists import WorkerInfo, list_workers
from aion.store import histories, symptoms, workers
from aion.store.dialects import alias, connection, dialect
from aion.store.symptoms import QueueBacklog, Some, Waiting

_SAMPLE: Final = 10  # open runs whose payloads are tried
_OFTEN: Final = 5  # failures of an activity from which it is worth saying


NONE: Final = Some()


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    """What was seen at one moment. `None` and empty mean that there is nothing."""

    now: dt.datetime
    checks: tuple[tuple[str, bool, str], ...] = ()
    """Id, whether it is an error, and text of the system checks that fail."""
    missing_migrations: tuple[str, ...] = ()
    dialect: str = "postgresql"
    parameters: dict[str, str] = dataclasses.field(default_factory=dict)
    server_processes: int = 1
    database_at: dt.datetime | None = None
    broker_problem: str = ""
    bell_problem: str = ""
    ticked_at: dt.datetime | None = None
    pruned_at: dt.datetime | None = None
    workers: tuple[WorkerInfo, ...] = ()
    ownerless: int = 0
    """Owners of runs or attempts that are no known workers."""
    backlog: tuple[tuple[QueueBacklog, str], ...] = ()
    """Due attempts, and the queue by which workers say that they consume them."""
    timer: Waiting | None = None
    message: Waiting | None = None
    held: dict[str, Some] = dataclasses.field(default_factory=dict)
    paused: Some = NONE
    failing: Some = NONE
    open_types: tuple[str, ...] = ()
    known_types: frozenset[str] = frozenset()
    schedules: Some = NONE
    unreadable: tuple[str, ...] = ()


def failing_checks() -> tuple[tuple[str, bool, str], ...]:
    """Run the system checks of Aion and of its database."""
    found = [
        *checks.run_checks(tags=["aion"]),
        *checks.run_checks(tags=[checks.Tags.database], databases=[alias()]),
    ]
    ours = [
        each for each in found if (each.id or "").startswith("aion.") and not each.is_silenced()
    ]
    return tuple((str(each.id), each.level >= checks.ERROR, each.msg) for each in ours)


def missing_migrations() -> tuple[str, ...]:
    """List what `migrate` would do to Aion's tables."""
    executor = MigrationExecutor(connection())
    targets = [key for key in executor.loader.graph.leaf_nodes() if key[0] == "aion"]
    return tuple(f"{step.app_label}.{step.name}" for step, _ in executor.migration_plan(targets))


def collect() -> Facts:
    """Look at everything.

    Raises:
        DatabaseError: the database does not answer.
    """
    now = clock.now()
    dispatcher: Dispatcher = settings.port("DISPATCHER")
    bell: Bell = settings.port("BELL")
    grace = dt.timedelta(seconds=settings.TICK_STALE_AFTER) + settings.lease
    return Facts(
        now=now,
        dialect=dialect().name,
        parameters=symptoms.parameters(),
        server_processes=len(symptoms.server_processes()),
        database_at=symptoms.database_time(),
        broker_problem=dispatcher.find_problem(),
        bell_problem=bell.find_problem(),
        ticked_at=workers.last_tick(),
        pruned_at=workers.last_tick(workers.PRUNING),
        workers=tuple(list_workers()),
        ownerless=len(workers.owners_without_worker()),
        backlog=tuple(
            (each, dispatcher.queue_of(each.task_queue, each.activity_type))
            for each in symptoms.unclaimed(now)
        ),
        timer=symptoms.oldest_due_timer(now),
        message=symptoms.oldest_message(),
        held=symptoms.held_runs(),
        paused=symptoms.paused_runs(),
        failing=symptoms.failing_activities(_OFTEN),
        open_types=tuple(symptoms.open_types()),
        known_types=frozenset(registry.workflows),
        schedules=symptoms.overdue_schedules(now - grace),
        unreadable=tuple(_unreadable()),
        checks=failing_checks(),
    )


def _unreadable() -> list[str]:
    """Try to read the histories of a few open runs; say what fails."""
    problems = []
    for run_id in symptoms.newest_open_runs(_SAMPLE):
        try:
            histories.load_one(run_id)
        except (PayloadUnavailable, HistoryError) as error:
            problems.append(f"run {run_id}: {error}")
    return problems
