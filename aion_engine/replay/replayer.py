"""Rebuilds an instance from its history, comparing what the code asks for with what is recorded.

The history is cut into groups: an arrival and the command events directly behind it. Each arrival is
applied and the commands it causes now are compared, one by one where they stand, with the recorded ones:
kind and key (ids and names). The first difference is a `NonDeterminismError`.
"""

from __future__ import annotations

import datetime as dt
from collections import deque
from collections.abc import Iterable, Iterator, Sequence

from aion.authoring.workflow_definition import WorkflowDefinition
from aion.core.commands import Command
from aion.core.errors import HistoryError, NonDeterminismError
from aion.core.events import (
    Event,
    PatchMarked,
    Role,
    WorkflowReopened,
    WorkflowStarted,
)
from aion.core.history import Recorded
from aion.core.pending import effective
from aion.core.status import TERMINAL_EVENTS
from aion_engine.replay.advance import begin_time
from aion_engine.replay.endings import FOLDED_AFTER_CLOSE
from aion_engine.replay.instance import Instance
from aion_engine.replay.naming import describe

Group = tuple[Recorded, list[Recorded]]


def groups(history: Iterable[Recorded]) -> Iterator[Group]:
    """Cut a history into arrivals, each with its command events; notes are left out.

    Raises:
        HistoryError: a command event stands before the first arrival.
    """
    arrival: Recorded | None = None
    commands: list[Recorded] = []
    for recorded in history:
        role = recorded.event.role
        if role is Role.COMMAND:
            if arrival is None:
                raise HistoryError(f"History begins with {recorded.kind}, not with a start")
            commands.append(recorded)
        elif role is Role.ARRIVAL:
            if arrival is not None:
                yield arrival, commands
            arrival, commands = recorded, []
    if arrival is not None:
        yield arrival, commands


def replay(
    definition: WorkflowDefinition,
    run_id: str,
    history: Sequence[Recorded],
    *,
    partial: bool = False,
) -> tuple[Instance, list[Command]]:
    """Rebuild the instance of a run, and give the commands that history does not hold yet.

    There are such commands only when `partial` allows the history to end within a group. So may a run's that
    was ended from outside before its code began.

    Raises:
        NonDeterminismError: the code does not fit the history.
        HistoryError: the history is not one of a run.
        WorkflowCodeError: the code did what it must not.
    """
    if not history or not isinstance(history[0].event, WorkflowStarted):
        raise HistoryError("A history begins with WorkflowStarted")
    instance = Instance(definition, run_id)
    instance.context.extent.show(history)
    instance.recorded_until = history[-1].recorded_at
    history = effective(history)
    left: list[Command] = []
    unseen = _ended_unseen(history)
    last_folded = max(r.seq for r in history if r.event.role is not Role.NOTE)
    behind = next((r for r in history[1:] if r.event.role is not Role.NOTE), None)
    begins_at: dt.datetime | None = begin_time(history[0], behind.recorded_at if behind else None)
    # A run that was opened again before anything had come of its start begins only then.
    begins_before = behind.seq if behind is not None else history[-1].seq + 1
    try:
        marks = deque(r for r in history if isinstance(r.event, WorkflowReopened))
        for arrival, recorded in groups(history):
            while marks and marks[0].seq < (begins_before if begins_at else arrival.seq):
                reopen(instance, marks.popleft())
            open_at = last_folded if partial or unseen else 0
            left = _replay_group(instance, arrival, recorded, open_at=open_at, at=begins_at)
            begins_at = None
        for mark in marks:
            reopen(instance, mark)
        if not partial:
            left = []
            if not unseen:
                _check_end(instance, history)
    except BaseException:
        instance.close()
        raise
    instance.head_seq = history[-1].seq
    instance.context.extent.reach(instance.head_seq)
    instance.context.extent.count()
    instance.context.replaying = False
    return instance, left


def _ended_unseen(history: Sequence[Recorded]) -> bool:
    """Tell whether a run may have been ended from outside before its first event was folded."""
    return isinstance(history[-1].event, TERMINAL_EVENTS) and all(
        recorded.event.role is Role.NOTE for recorded in history[1:]
    )


def reopen(instance: Instance, mark: Recorded) -> None:
    """Let an instance know that its run was opened again here, if that is what an event says."""
    if isinstance(mark.event, WorkflowReopened):
        instance.reopened(mark)


def _replay_group(
    instance: Instance,
    arrival: Recorded,
    recorded: list[Recorded],
    *,
    open_at: int,
    at: dt.datetime | None,
) -> list[Command]:
    """Replay one group; where its last event is that of seq `open_at`, the code may have asked for more."""
    terminal = instance.terminal
    if terminal is not None and not isinstance(arrival.event, FOLDED_AFTER_CLOSE):
        raise _mismatch(arrival.seq, describe(arrival.event), terminal)
    open_ended = (recorded[-1] if recorded else arrival).seq == open_at
    commands = instance.apply(arrival, recorded, open_ended=open_ended, at=at)
    if instance.terminal is not None and (
        (recorded and _is_terminal(recorded[-1].event)) or open_ended
    ):
        commands.append(instance.terminal)
    if not recorded and not commands:
        return commands
    recorded = _without_removed_patches(recorded, commands)
    for command, record in zip(commands, recorded, strict=False):
        compare(command, record)
    if len(recorded) > len(commands):
        raise _mismatch(recorded[len(commands)].seq, describe(recorded[len(commands)].event), None)
    left = commands[len(recorded) :]
    if left and not open_ended:
        raise _mismatch(arrival.seq + len(recorded) + 1, "no further command", left[0])
    return left


def _without_removed_patches(recorded: list[Recorded], commands: list[Command]) -> list[Recorded]:
    """Leave out the marks of deprecated patches that the code does not name any more."""
    kept: list[Recorded] = []
    for record in recorded:
        event = record.event
        if isinstance(event, PatchMarked) and event.deprecated:
            asked = commands[len(kept)].event if len(kept) < len(commands) else None
            if not isinstance(asked, PatchMarked) or asked.patch_id != event.patch_id:
                continue
        kept.append(record)
    return kept


def compare(command: Command, record: Recorded) -> None:
    """Check that a command is the one that history records.

    Raises:
        NonDeterminismError: kind, id or name differ.
    """
    event = record.event
    if type(command.event) is not type(event) or command.event.key != event.key:
        raise _mismatch(record.seq, describe(event), command)


def _is_terminal(event: Event) -> bool:
    return isinstance(event, TERMINAL_EVENTS)


def _check_end(instance: Instance, history: Sequence[Recorded]) -> None:
    """The code must not have ended where history did not."""
    if instance.terminal is None:
        return
    if not any(_is_terminal(recorded.event) for recorded in reversed(history)):
        raise _mismatch(history[-1].seq + 1, "the run still open", instance.terminal)


def _mismatch(seq: int, expected: str, command: Command | None) -> NonDeterminismError:
    where = str(command.site) if command is not None and command.site is not None else None
    found = "nothing" if command is None else f"{command.name}({', '.join(command.event.key)})"
    at = f" at {where}" if where else ""
    return NonDeterminismError(
        f"The code no longer fits the history. Event {seq}: history has {expected}; "
        f"the code asks for {found}{at}",
        seq=seq,
        expected=expected,
        found=found,
        where=where,
    )
