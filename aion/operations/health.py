"""Say whether the system is alive: the database answers, somebody ticks, workers are there."""

from __future__ import annotations

import dataclasses
import datetime as dt

from aion.conf import settings
from aion.operations.clock import clock
from aion.store import workers


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Health:
    """What `health` found. `ok` is False when nobody looks at deadlines or no worker is alive."""

    ok: bool
    workers_alive: int
    last_tick_at: dt.datetime | None
    problems: tuple[str, ...]


def health() -> Health:
    """Look at the workers and the tick.

    Raises:
        DatabaseError: the database does not answer.
    """
    now = clock.now()
    alive = workers.count_alive(since=now - settings.lease)
    ticked_at = workers.last_tick()
    problems = []
    if alive == 0:
        problems.append("no worker is alive: start a Celery worker or manage.py aion_worker")
    late = dt.timedelta(seconds=settings.TICK_STALE_AFTER) + settings.lease
    if ticked_at is None or now - ticked_at > late:
        problems.append("nobody looks at deadlines: neither beat nor a worker has ticked lately")
    return Health(
        ok=not problems, workers_alive=alive, last_tick_at=ticked_at, problems=tuple(problems)
    )
