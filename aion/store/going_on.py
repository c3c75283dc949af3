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

For a few runs of which none closes the trip for the answer takes longer than all else. There the turn is
written at once, behind a statement that fails unless every one of the runs is as it was known: then nothing
of the batch counts, and the next one finds out by a claim.
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
        self._locked, self._mail = dialects.cursor(), dialects.cursor()
        _lock(self._locked, runs, worker_id)
        ids = [dialect().many(run.id for run in runs)]
        among = dialect().joined("aion_message", "run_id", "uuid")
        self._mail.execute(f"SELECT t.run_id FROM {among}", ids)
        self._look = Look(worker_id, now, queues)
        dialects.send_now()

    def answer(self) -> Standing:
        """Wait for the answer."""
        return Standing(
            _unchanged(self._runs, self._locked.fetchall()),
            {dialect().read_uuid(row[0]) for row in self._mail.fetchall()},
            self._look.found(),
        )


def _lock(cursor: Any, runs: Sequence[RunRow], worker_id: uuid.UUID) -> None:
    sql = dialect()
    cursor.execute(
        f"SELECT r.id, r.head_seq FROM aion_run r WHERE {sql.among('r.id', 'uuid')} AND {_OWNED} "
        f"{sql.lock}",
        [sql.many(run.id for run in runs), sql.uuid(worker_id)],
    )


_OWNED = (
    "(r.owner_id = %s AND r.status = 'running' AND r.closed_at IS NULL AND r.held_until IS NULL) "
    "IS TRUE"
)
"""A run goes on by itself. IS TRUE hides it from the planner, which has indexes for parts of it, too."""


class RunChanged(Exception):
    """A run is not as its worker knows it."""


def lock_all(runs: Sequence[RunRow], *, worker_id: uuid.UUID) -> None:
    """Lock all of the runs, or let the transaction fail. In a pipeline nothing waits for the answer.

    Raises:
        RunChanged: one is not as it was known, or somebody else has locked it. In a pipeline a database
            error says so later: see `says_changed`.
    """
    if not dialects.is_pipelined():
        with dialects.cursor() as cursor:
            _lock(cursor, runs, worker_id)
            if _unchanged(runs, cursor.fetchall()) != {run.id for run in runs}:
                raise RunChanged
        return
    ids, heads = [run.id for run in runs], [run.head_seq for run in runs]
    with dialects.cursor() as cursor:
        cursor.execute(
            "SELECT 1 / (count(*) = %s)::integer FROM (SELECT FROM aion_run r "
            f"WHERE r.id = ANY(%s::uuid[]) AND {_OWNED} "
            "AND r.head_seq = (%s::integer[])[array_position(%s::uuid[], r.id)] "
            f"{dialect().lock}) AS locked",
            [len(runs), ids, worker_id, heads, ids],
        )


def says_changed(error: BaseException) -> bool:
    """Tell whether `lock_all` is what failed."""
    return isinstance(error, RunChanged) or (
        getattr(error.__cause__, "sqlstate", None) == _DIVISION_BY_ZERO
    )


_DIVISION_BY_ZERO = "22012"


def _unchanged(runs: Sequence[RunRow], found: Sequence[tuple[Any, int]]) -> set[uuid.UUID]:
    heads = {dialect().read_uuid(run_id): head_seq for run_id, head_seq in found}
    return {run.id for run in runs if heads.get(run.id) == run.head_seq}


class Look:
    """Looks for work that only a claim can take: mail, or a timer that is due, for anyone."""

    def __init__(self, worker_id: uuid.UUID, now: dt.datetime, queues: Sequence[str] = ()) -> None:
        self._cursor = dialects.cursor()
        _ask_for_others(self._cursor, worker_id, now, queues)
        self._found = None if dialects.is_pipelined() else self._cursor.fetchall()

    def found(self) -> bool:
        """Wait for the answer; it is there when the transaction has ended."""
        rows = self._cursor.fetchall() if self._found is None else self._found
        return any(row[0] for row in rows)


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
