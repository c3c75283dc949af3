"""Brings a run back from an archive or an exported history: closed, to be looked at and replayed.

Theory of operation
-------------------
The history is all that counts. The row is made from its first event and then projected from the rest, as a
recovery does it, so an import cannot say anything of a run that its history does not. Payloads of an archive
are written as they stand there, encrypted where they were; those of an export are plain, and are encoded by
the codecs of this installation.

Nothing of it will ever move: there is no message, timer or activity. A history that is open gets an end,
because an open run without anything to wait for would be taken for one that was lost, and woken.

Everything is one transaction, and files are written last: when anything is wrong, nothing is there.
"""

from __future__ import annotations

import hashlib
import itertools
import uuid
from collections.abc import Iterable, Sequence
from typing import Final

import msgspec
from django.core.files.base import ContentFile
from django.db import Error as DatabaseError
from django.db import transaction

from aion.conf import settings
from aion.core.archives import Archive, FileLine, RunHead, read_archive
from aion.core.errors import AionError, HistoryError, PayloadStorageError, WrongState
from aion.core.events import WorkflowReopened, WorkflowStarted, WorkflowTerminated
from aion.core.history import Recorded
from aion.core.ids import uuid7
from aion.core.priority import check_priority
from aion.core.status import TERMINAL_EVENTS
from aion.models.runs import UpdateState
from aion.operations.checking import check_text
from aion.operations.clock import clock
from aion.store import payload_files, recovery, whole_runs
from aion.store.dialects import alias, atomic
from aion.store.new_runs import NewRun
from aion.store.whole_runs import Foreign
from aion_engine.runtime.recovery import projected, wrongly_shown

_LARGEST: Final = 2**31 - 1
_LARGEST_VERSION: Final = 2**15 - 1


class Imported(msgspec.Struct, frozen=True):
    """What was imported, or would be."""

    workflow_id: str
    run_id: uuid.UUID
    events: int
    files: int
    was_open: bool


def import_run(lines: Iterable[bytes], *, check_only: bool = False) -> Imported:
    """Write a run that its lines describe, whole.

    An archive keeps its run id; an exported history gets a new one.

    Raises:
        HistoryError: it does not fit; the message says where. Nothing is written.
        WrongState: the run is here already, or another one follows the run that it follows.
        PayloadStorageError: a file could not be written. Nothing is there.
    """
    archive = read_archive(lines)
    foreign = _read(archive)
    found = Imported(
        workflow_id=foreign.new.started.workflow_id,
        run_id=foreign.new.id,
        events=len(archive.history),
        files=len(archive.files),
        was_open=len(foreign.history) > len(archive.history),
    )
    _check_files(archive, foreign.new.id)
    _check_place(foreign)
    _write(foreign, archive.files, check_only=check_only)
    return found


# --- does it fit? ---------------------------------------------------------------------------------


def _read(archive: Archive) -> Foreign:
    history, head = archive.history, archive.head
    started = history[0].event
    if not isinstance(started, WorkflowStarted):
        raise HistoryError("A history begins with WorkflowStarted")
    _check_started(started, head)
    _check_ends(history)
    run_id = head.id if head else uuid7()
    chain_position = head.chain_position if head else 0
    _check_numbers(history, started, chain_position)
    _check_updates(archive)
    was_closed = isinstance(history[-1].event, TERMINAL_EVENTS)
    whole = history if was_closed else [*history, _end(history[-1])]
    return Foreign(
        new=NewRun(run_id, started, history[0].recorded_at, history[0].seq, chain_position),
        history=whole,
        sealed=head is not None,
        closed_at=whole[-1].recorded_at,
        parent_run_id=head.parent_run_id if head else None,
        root_run_id=(head and head.root_run_id) or run_id,
        continued_from_run_id=head.continued_from_run_id if head else None,
        updates=archive.updates,
    )


def _end(last: Recorded) -> Recorded:
    event = WorkflowTerminated(
        reason="It was imported, to be looked at; where it comes from it was open"
    )
    return Recorded(last.seq + 1, clock.now(), event)


def _check_started(started: WorkflowStarted, head: RunHead | None) -> None:
    try:
        check_text("workflow_id", started.workflow_id)
        check_text("workflow_type", started.workflow_type)
        check_text("task_queue", started.task_queue)
        check_text("request_id", started.request_id)
        check_priority(started.priority)
    except AionError as error:
        raise HistoryError(f"Its first event cannot be used: {error}") from error
    if not started.workflow_id or not started.workflow_type:
        raise HistoryError("Its first event names no workflow id or no workflow type")
    same = ("workflow_id", "workflow_type")
    wrong = [name for name in same if head and getattr(head, name) != getattr(started, name)]
    if wrong:
        raise HistoryError(f"The line of the run and its first event disagree about {wrong[0]}")


def _check_ends(history: Sequence[Recorded]) -> None:
    for before, recorded in itertools.pairwise(history):
        ended = isinstance(before.event, TERMINAL_EVENTS)
        if ended and not isinstance(recorded.event, WorkflowReopened):
            raise HistoryError(f"Event {recorded.seq} stands behind the end, which is {before.seq}")
        if isinstance(recorded.event, WorkflowStarted):
            raise HistoryError(f"Event {recorded.seq} begins a second run")


def _check_numbers(
    history: Sequence[Recorded], started: WorkflowStarted, chain_position: int
) -> None:
    if not 1 <= history[0].seq <= history[-1].seq < _LARGEST:
        raise HistoryError(f"Its events are numbered {history[0].seq} to {history[-1].seq}")
    if not (0 <= chain_position <= _LARGEST and 0 <= started.behaviour_version <= _LARGEST_VERSION):
        raise HistoryError("Its place in the chain, or its behaviour version, is no number of ours")
    naive = [each.seq for each in history if each.recorded_at.tzinfo is None]
    if naive:
        raise HistoryError(f"The time of event {naive[0]} has no zone")


def _check_updates(archive: Archive) -> None:
    for update in archive.updates:
        try:
            check_text("update_id", update.update_id)
            check_text("name", update.name)
        except AionError as error:
            raise HistoryError(f"An update cannot be used: {error}") from error
        if update.state not in UpdateState.values:
            raise HistoryError(f"Update {update.update_id!r} has the state {update.state!r}")


def _check_files(archive: Archive, run_id: uuid.UUID) -> None:
    if archive.files and not settings.PAYLOAD_STORAGE:
        raise HistoryError(
            "It has files of large payloads, and AION['PAYLOAD_STORAGE'] is not set here"
        )
    for file in archive.files:
        folder, _, name = file.name.rpartition("/")
        if folder != f"{payload_files.ROOT}/{run_id}":
            raise HistoryError(f"The file {file.name!r} belongs to another run")
        if not name.startswith(hashlib.sha256(file.data).hexdigest()):
            raise HistoryError(f"The file {file.name!r} is not what was archived")


def _check_place(foreign: Foreign) -> None:
    run_id, followed = foreign.new.id, foreign.continued_from_run_id
    if whole_runs.exists(run_id):
        raise WrongState(f"Run {run_id} is here already", run_id=run_id)
    if followed is not None and whole_runs.has_successor(followed):
        raise WrongState(f"Another run follows run {followed} already", run_id=followed)


# --- writing --------------------------------------------------------------------------------------


def _write(foreign: Foreign, files: Sequence[FileLine], *, check_only: bool) -> None:
    written: list[str] = []
    try:
        with atomic():
            whole_runs.insert(foreign, now=clock.now())
            for found in recovery.compare([foreign.new.id]):
                recovery.write_projection(projected(found))
            recovery.write_shown(wrongly_shown([foreign.new.id]))
            for file in [] if check_only else files:
                written += _save(file)
            if check_only:
                transaction.set_rollback(True, using=alias())
    except BaseException as error:
        for name in written:
            payload_files.delete(name)
        match error:
            case AionError():
                raise
            case DatabaseError():
                raise HistoryError(f"The database refuses it: {error}") from error
            case Exception():
                raise HistoryError(f"It cannot be read: {error!r}") from error
        raise


def _save(file: FileLine) -> list[str]:
    """Write a file unless it is there; give its name if it was not."""
    storage = payload_files.storage()
    try:
        if storage.exists(file.name):
            return []
        name = storage.save(file.name, ContentFile(file.data))
    except Exception as error:
        text = (
            f"The payload file {file.name!r} could not be written: {type(error).__name__}: {error}"
        )
        raise PayloadStorageError(text, name=file.name) from error
    if name != file.name:
        payload_files.delete(name)
        raise HistoryError(f"The storage does not take the name {file.name!r}")
    return [name]
