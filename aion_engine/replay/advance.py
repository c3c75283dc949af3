"""The live fold: arrivals in, the events to append out.

The events that an arrival caused follow it directly, so that replay finds them where they stand. The
closing event is written last, when every accepted message has been folded.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable
from typing import Final

from aion.core.events import Event, Role, UpdateAccepted, WorkflowStarted
from aion.core.failures import Failure
from aion.core.history import Recorded
from aion.core.requests import UpdateRequest
from aion_engine.replay.endings import FOLDED_AFTER_CLOSE, PASSED_ON
from aion_engine.replay.instance import Instance
from aion_engine.replay.left_behind import report


def advance(
    instance: Instance,
    arrivals: Iterable[Event | UpdateRequest],
    *,
    at: dt.datetime,
    start: Recorded | None = None,
    refused: list[tuple[str, Failure]] | None = None,
    passed_on: list[Event | UpdateRequest] | None = None,
) -> list[Recorded]:
    """Fold what is new, in order, and give the events to append, from `instance.head_seq` + 1 on.

    `start` is the run's first event, recorded when the run was created but not folded yet. `at` is the
    time to record; it never goes back, so an earlier clock is corrected to the last event's time.
    What the code no longer waits for leaves no event, nor does an update that is refused: that goes to
    `refused`. Messages that find the code gone on to a successor are not folded: they go to `passed_on`, for
    the successor.

    Raises:
        WorkflowCodeError, NonDeterminismError, or what the definition holds on: the instance is broken
        and nothing of this turn may be written.
    """
    appended: list[Recorded] = []
    extent = instance.context.extent
    seq = instance.head_seq
    if start is not None:
        at = max(at, start.recorded_at, instance.recorded_until)
        seq = max(seq, start.seq)  # notes may stand behind a start that is not folded yet
        if not extent.first_seq:
            extent.show([start])
        for command in instance.apply(start, at=begin_time(start, at)):
            seq += 1
            appended.append(Recorded(seq, at, command.event))
        extent.show(appended)
    else:
        at = max(at, instance.now, instance.recorded_until)
    for arrival in arrivals:
        event = _admitted(instance, arrival, refused, passed_on)
        if event is None or not _is_folded(instance, event, passed_on):
            continue
        seq += 1
        recorded = Recorded(seq, at, event)
        appended.append(recorded)
        extent.show((recorded,))
        if event.role is Role.NOTE:
            continue
        commands = [
            Recorded(place, at, command.event)
            for place, command in enumerate(instance.apply(recorded), seq + 1)
        ]
        appended += commands
        extent.show(commands)
        seq += len(commands)
    if instance.terminal is not None:
        report(instance)
        seq += 1
        appended.append(Recorded(seq, at, instance.terminal.event))
    instance.head_seq = seq
    if appended:
        instance.recorded_until = at
    return appended


def begin_time(start: Recorded, at: dt.datetime | None) -> dt.datetime:
    """Give the first time that a run's code sees, where the first event behind its start is recorded at `at`.

    It is that of the delayed start, or earlier where a message hastened it.
    """
    event = start.event
    if not isinstance(event, WorkflowStarted) or event.start_delay is None:
        return start.recorded_at
    if event.behaviour_version < _BEGINS_WHEN_IT_STARTS:
        return start.recorded_at
    planned = start.recorded_at + event.start_delay
    return planned if at is None else max(min(planned, at), start.recorded_at)


_BEGINS_WHEN_IT_STARTS: Final = 2


def _admitted(
    instance: Instance,
    arrival: Event | UpdateRequest,
    refused: list[tuple[str, Failure]] | None,
    passed_on: list[Event | UpdateRequest] | None,
) -> Event | None:
    """Give the event to fold: an update request becomes one when its validator lets it."""
    if not isinstance(arrival, UpdateRequest):
        return arrival
    if passed_on is not None and instance.goes_on:
        passed_on.append(arrival)
        return None
    failure = instance.refuse_update(arrival)
    if failure is None:
        return UpdateAccepted(
            update_id=arrival.update_id,
            name=arrival.name,
            input=arrival.input,
            headers=arrival.headers,
        )
    if refused is not None:
        refused.append((arrival.update_id, failure))
    return None


def _is_folded(
    instance: Instance, event: Event, passed_on: list[Event | UpdateRequest] | None
) -> bool:
    """Tell whether an arrival becomes history here; it may be unwanted, or the successor's."""
    if instance.goes_on and isinstance(event, PASSED_ON):
        if passed_on is not None:
            passed_on.append(event)
        return False
    if instance.terminal is not None and not isinstance(event, FOLDED_AFTER_CLOSE):
        return False
    return instance.expects(event)
