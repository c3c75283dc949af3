"""Retention: whole closed runs are deleted, and nothing of them is left.

Theory of operation
-------------------
A run is *closed and old enough*, and still *needed* as long as one of these is there:

* the run that it continues, or the run that started it as a child: a reset or reopening of those looks for
  what came of it. So trees go from the root and chains from their first run on;
* an open child, which reports to it;
* mail that waits for it: its senders may wait for an answer;
* a schedule's firing that has not heard of its end yet;
* a row of another application that the database keeps linked to it.

A batch locks its runs and skips those that somebody else holds, so it waits for nobody. Who waits for the
batch (a reopening, a signal) finds no run afterwards. Under the locks nothing of a batch comes to be needed.
"""

from __future__ import annotations

import datetime as dt
import uuid
from collections.abc import Collection, Sequence
from functools import cache
from typing import Any

import msgspec
from django.db import models

from aion.core.status import RunStatus
from aion.models import Run
from aion.store.dialects import connection, dialect


class OldRun(msgspec.Struct, frozen=True):
    """A run that has been closed for long enough, and the runs it comes from."""

    id: uuid.UUID
    closed_at: dt.datetime
    events: int
    origins: frozenset[uuid.UUID]


class Kind(msgspec.Struct, frozen=True):
    """Runs of a type and statuses, where those are given."""

    workflow_type: str | None = None
    statuses: tuple[RunStatus, ...] = ()

    def sql(self) -> tuple[str, list[Any]]:
        """Give the condition on alias `r`."""
        sql = dialect()
        where: list[str] = []
        parameters: list[Any] = []
        if self.workflow_type is not None:
            where.append("r.workflow_type = %s")
            parameters.append(self.workflow_type)
        if self.statuses:
            where.append(sql.among("r.status", "text"))
            parameters.append(sql.many(map(str, self.statuses)))
        return " AND ".join(where) or "1 = 1", parameters


class OldRuns(msgspec.Struct, frozen=True):
    """Which runs are old: closed (and, if they were imported, that too) before a time, of a kind.

    Those of the kinds in `but` are meant by others.
    """

    closed_before: dt.datetime
    kind: Kind = Kind()
    but: tuple[Kind, ...] = ()


@cache
def tables() -> tuple[str, ...]:
    """Give the tables whose rows belong to a run and go with it: all of ours that have a link to runs."""
    return tuple(sorted({link.model._meta.db_table for link in _links() if _is_ours(link)}))


@cache
def foreign_links() -> tuple[tuple[str, str], ...]:
    """Give the tables and columns of other applications that the database keeps linked to runs."""
    others = (link for link in _links() if _is_kept_by_database(link) and not _is_ours(link))
    return tuple(sorted({(link.model._meta.db_table, str(link.column)) for link in others}))


def _links() -> list[models.ForeignKey[Any, Any]]:
    relations = Run._meta.get_fields(include_hidden=True)
    fields = (relation.field for relation in relations if isinstance(relation, models.ManyToOneRel))
    return [field for field in fields if isinstance(field, models.ForeignKey)]


def _is_kept_by_database(link: models.ForeignKey[Any, Any]) -> bool:
    return bool(link.db_constraint)  # type: ignore[attr-defined]  # the stubs leave it out


def _is_ours(link: models.ForeignKey[Any, Any]) -> bool:
    return link.model._meta.app_label == Run._meta.app_label


def lock_old(
    which: OldRuns, *, after: tuple[dt.datetime, uuid.UUID] | None, limit: int, lock: bool = True
) -> list[OldRun]:
    """Lock up to `limit` old runs in the order of their close, behind a key; skip those others hold."""
    sql = dialect()
    before = sql.time(which.closed_before)
    where = ["r.closed_at < %s", "(r.imported_at IS NULL OR r.imported_at < %s)"]
    parameters = [before, before]
    for kind in (which.kind, *which.but):
        condition, values = kind.sql()
        where.append(f"({condition})" if kind is which.kind else f"NOT ({condition})")
        parameters += values
    if after is not None:
        where.append("(r.closed_at, r.id) > (%s, %s)")
        parameters += [sql.time(after[0]), sql.uuid(after[1])]
    with connection().cursor() as cursor:
        cursor.execute(
            "SELECT r.id, r.closed_at, r.head_seq - r.first_seq + 1, r.continued_from_run_id, "
            f"r.parent_run_id FROM aion_run r WHERE {' AND '.join(where)} "
            f"ORDER BY r.closed_at, r.id LIMIT %s {sql.lock if lock else ''}",
            [*parameters, limit],
        )
        return [
            OldRun(
                id=sql.read_uuid(row[0]),
                closed_at=sql.read_time(row[1]),
                events=row[2],
                origins=frozenset(sql.read_uuid(origin) for origin in row[3:] if origin),
            )
            for row in cursor.fetchall()
        ]


def not_needed(runs: Sequence[OldRun], gone: Collection[uuid.UUID] = ()) -> list[OldRun]:
    """Choose those of locked runs that nothing needs, if all of the chosen go. `gone` counts as deleted."""
    needed = _needed_by_others([run.id for run in runs])
    origins = {origin for run in runs for origin in run.origins}
    there = _existing(origins).difference(gone)
    going = {run.id: run for run in runs if run.id not in needed}
    while True:
        staying = there.difference(going)
        kept = [run_id for run_id, run in going.items() if run.origins & staying]
        if not kept:
            return list(going.values())
        for run_id in kept:
            del going[run_id]


def _existing(run_ids: Collection[uuid.UUID]) -> set[uuid.UUID]:
    return _ids("SELECT id FROM aion_run WHERE {among}", "id", run_ids)


def _needed_by_others(run_ids: Collection[uuid.UUID]) -> set[uuid.UUID]:
    parents = "SELECT parent_run_id FROM aion_run WHERE {among} AND closed_at IS NULL"
    mailed = "SELECT run_id FROM aion_message WHERE {among}"
    fired = "SELECT current_run_id FROM aion_firing WHERE {among} AND state = 'running'"
    needed = (
        _ids(parents, "parent_run_id", run_ids)
        | _ids(mailed, "run_id", run_ids)
        | _ids(fired, "current_run_id", run_ids)
    )
    for table, column in foreign_links():
        quoted = connection().ops.quote_name(column)
        named = f"SELECT {quoted} FROM {connection().ops.quote_name(table)} WHERE {{among}}"
        needed |= _ids(named, quoted, run_ids)
    return needed


def _ids(statement: str, column: str, run_ids: Collection[uuid.UUID]) -> set[uuid.UUID]:
    if not run_ids:
        return set()
    sql = dialect()
    with connection().cursor() as cursor:
        cursor.execute(
            statement.format(among=sql.among(column, "uuid")), [sql.many(sorted(run_ids))]
        )
        return {sql.read_uuid(row[0]) for row in cursor.fetchall()}


def delete(run_ids: Collection[uuid.UUID]) -> None:
    """Delete locked runs with all that belongs to them."""
    if not run_ids:
        return
    sql = dialect()
    ids = sql.many(run_ids)
    with connection().cursor() as cursor:
        for table in tables():
            cursor.execute(f"DELETE FROM {table} WHERE {sql.among('run_id', 'uuid')}", [ids])
        cursor.execute(f"DELETE FROM aion_run WHERE {sql.among('id', 'uuid')}", [ids])


def delete_stray_mail(limit: int) -> int:
    """Delete up to `limit` messages for runs that are gone; give their number.

    A child that was opened again while its parent was deleted writes such a message when it ends. The row of
    a new run becomes visible together with its mail, so mail without a run has none to come.
    """
    with connection().cursor() as cursor:
        cursor.execute(
            "DELETE FROM aion_message WHERE id IN (SELECT m.id FROM aion_message m WHERE NOT EXISTS "
            "(SELECT 1 FROM aion_run r WHERE r.id = m.run_id) LIMIT %s)",
            [limit],
        )
        return int(cursor.rowcount)
