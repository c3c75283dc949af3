"""Locks runs that a worker owns and knows to their head, so that they go on without a claim.

Theory of operation
-------------------
A claim finds runs by what waits for them, and reads their rows. A worker whose own local activities have
ended knows both already: which runs go on, and all of their rows, since nobody else takes turns of a run that
is owned. Three short statements check that this is true, and are answered while the worker folds:

* the first locks the runs whose rows are as the worker knows them, and skips what somebody else has locked;
* the second, whose snapshot is younger than the locks, tells which of them have mail: a turn that closes a
  run must fold it first, and as long as the lock is held no more can come;
* the third tells whether there is other work, which only a claim can take.
"""

from __future__ import annotations

import datetime as dt
import uuid
from collections.abc import Sequence
from typing import Any, NamedTuple

from aion.store import dialects
from aion.store.claims import PLACE, free_of
from aion.store.dialects import dialect
from aion.store.rows import RunRow


class Standing(NamedTuple):
    """What the database says to a worker that wants to go on with runs of its own."""

    locked: set[uuid.UUID]  # those whose rows are as the worker knows them
    with_mail: set[uuid.UUID]
    others_wait: bool  # whether there is work for a claim: mail, or a timer that is due


class Question:
    """Asks where the runs stand. The answer is on its way while the caller does something else."""

    def __init__(
        self,
        runs: Sequence[RunRow],
        *,
        worker_id: uuid.UUID,
        now: dt.datetime,
        queues: Sequence[str] = (),
    ) -> None:
        """Lock the runs, and ask. Must run inside a transaction; the locks last until its end."""
        self._runs = runs
        self._locked, self._mail, self._others = (dialects.cursor() for _ in range(3))
        _lock(self._locked, runs, worker_id)
        ids = [dialect().many(run.id for run in runs)]
        among = dialect().joined("aion_message", "run_id", "uuid")
        self._mail.execute(f"SELECT t.run_id FROM {among}", ids)
        _ask_for_others(self._others, worker_id, now, queues)
        dialects.send_now()

    def answer(self) -> Standing:
        """Wait for the answer."""
        read_uuid = dialect().read_uuid
        heads = {read_uuid(run_id): head_seq for run_id, head_seq in self._locked.fetchall()}
        return Standing(
            {run.id for run in self._runs if heads.get(run.id) == run.head_seq},
            {read_uuid(row[0]) for row in self._mail.fetchall()},
            any(row[0] for row in self._others.fetchall()),
        )


def _lock(cursor: Any, runs: Sequence[RunRow], worker_id: uuid.UUID) -> None:
    """Lock the runs by their ids. IS TRUE hides the rest from the planner: it has indexes for that, too."""
    sql = dialect()
    cursor.execute(
        f"SELECT r.id, r.head_seq FROM aion_run r WHERE {sql.among('r.id', 'uuid')} "
        "AND (r.owner_id = %s AND r.status = 'running' AND r.closed_at IS NULL "
        f"AND r.held_until IS NULL) IS TRUE {sql.lock}",
        [sql.many(run.id for run in runs), sql.uuid(worker_id)],
    )


def _ask_for_others(
    cursor: Any, worker_id: uuid.UUID, now: dt.datetime, queues: Sequence[str]
) -> None:
    """Look at the heads of the two queues that a claim takes from."""
    sql = dialect()
    free, parameters = free_of(worker_id, queues)
    cursor.execute(
        "SELECT EXISTS (SELECT 1 FROM aion_message m JOIN aion_run r ON r.id = m.run_id "
        f"WHERE NOT m.parked AND {free} ORDER BY {PLACE} LIMIT 1) "
        "OR EXISTS (SELECT 1 FROM aion_timer t JOIN aion_run r ON r.id = t.run_id "
        f"WHERE NOT t.parked AND t.fire_at <= %s AND {free} ORDER BY t.fire_at LIMIT 1)",
        [*parameters, sql.time(now), *parameters],
    )
