"""Updates: from the admission to the answer."""

from __future__ import annotations

import datetime as dt
import uuid
from collections.abc import Sequence
from typing import Any, Final

import msgspec

from aion.core.errors import RunClosed
from aion.core.failures import encode_failure, failure_from
from aion.store.dialects import connection, dialect
from aion.store.sealing import UPDATE, plain_failure, plain_payload, stored_failure, stored_payload

KIND: Final = UPDATE

COLUMNS = {
    "run_id": "uuid",
    "update_id": "text",
    "state": "text",
    "result": "text",
    "failure": "text",
}


class UpdateAnswer(msgspec.Struct, frozen=True):
    """Where an update stands (see `UpdateState`); result and failure as JSON."""

    run_id: uuid.UUID
    update_id: str
    state: str
    result: str | None = None
    failure: str | None = None


def admit(run_id: uuid.UUID, update_id: str, name: str, *, now: dt.datetime) -> bool:
    """Write an update of a run; False when the run knows this id already."""
    sql = dialect()
    with connection().cursor() as cursor:
        cursor.execute(
            "INSERT INTO aion_update (run_id, update_id, name, state, created_at) "
            "VALUES (%s, %s, %s, 'admitted', %s) ON CONFLICT DO NOTHING",
            [sql.uuid(run_id), update_id, name, sql.time(now)],
        )
        return bool(cursor.rowcount == 1)


class Standing(msgspec.Struct, frozen=True):
    """What a run's updates say of one that wants to be admitted."""

    known: bool
    in_flight: int
    total: int  # without those that were refused, which left nothing behind


def standing(run_id: uuid.UUID, update_id: str) -> Standing:
    """Count the updates of a run. Only the run's lock keeps the answer true."""
    with connection().cursor() as cursor:
        cursor.execute(
            "SELECT count(CASE WHEN update_id = %s THEN 1 END), "
            "count(CASE WHEN state IN ('admitted', 'accepted') THEN 1 END), "
            "count(CASE WHEN state <> 'refused' THEN 1 END) "
            "FROM aion_update WHERE run_id = %s",
            [update_id, dialect().uuid(run_id)],
        )
        known, in_flight, total = cursor.fetchone()
    return Standing(known > 0, in_flight, total)


def find(run_id: uuid.UUID, update_id: str) -> UpdateAnswer | None:
    """Read where an update stands, its answer as it is stored; None when the run has none of this id."""
    with connection().cursor() as cursor:
        cursor.execute(
            "SELECT state, result, failure FROM aion_update WHERE run_id = %s AND update_id = %s",
            [dialect().uuid(run_id), update_id],
        )
        row = cursor.fetchone()
    return None if row is None else UpdateAnswer(run_id, update_id, *row)


def opened(found: UpdateAnswer) -> UpdateAnswer:
    """Give an answer that was read, with its payloads as they were.

    Raises:
        PayloadUnavailable: one cannot be brought back.
    """
    return msgspec.structs.replace(
        found,
        result=None if found.result is None else plain_payload(found.result, found.run_id),
        failure=None if found.failure is None else plain_failure(found.failure, found.run_id),
    )


def answer(cursor: Any, answers: Sequence[UpdateAnswer]) -> None:
    """Write where updates stand now, in one statement; the latest of each counts."""
    latest = {(one.run_id, one.update_id): one for one in answers}
    if latest:
        rows = [
            (
                one.run_id,
                one.update_id,
                one.state,
                None if one.result is None else stored_payload(one.result, one.run_id),
                None if one.failure is None else stored_failure(one.failure, one.run_id),
            )
            for one in latest.values()
        ]
        dialect().update(cursor, "aion_update", COLUMNS, rows, keys=2)


Moved = tuple[uuid.UUID, uuid.UUID, str]
"""An update that goes to another run: that run, the run that it was for, its id."""


def move(cursor: Any, moves: Sequence[Moved]) -> None:
    """Hand updates that nobody has accepted to the runs that go on."""
    sql = dialect()
    for to, before, update_id in moves:
        cursor.execute(
            "UPDATE aion_update SET run_id = %s WHERE run_id = %s AND update_id = %s",
            [sql.uuid(to), sql.uuid(before), update_id],
        )


def abandon(cursor: Any, run_ids: Sequence[uuid.UUID]) -> None:
    """Answer the updates that runs left open when they closed: what was not accepted is refused."""
    if not run_ids:
        return
    sql = dialect()
    unfinished = RunClosed("The workflow ended before it completed the update")
    unseen = RunClosed("The workflow ended before it took the update")
    cursor.execute(
        "UPDATE aion_update SET "
        "state = CASE WHEN state = 'accepted' THEN 'abandoned' ELSE 'refused' END, "
        "failure = CASE WHEN state = 'accepted' THEN %s ELSE %s END "
        f"WHERE {sql.among('run_id', 'uuid')} AND state IN ('admitted', 'accepted')",
        [
            *(encode_failure(failure_from(e)).decode() for e in (unfinished, unseen)),
            sql.many(run_ids),
        ],
    )
