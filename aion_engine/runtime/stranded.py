"""Open runs that wait for something that is nowhere: a lost timer, activity, or first message.

Rows and events are written together, so this takes a restored backup or somebody's SQL. Suspects are found
by comparing ids. Whether the code still waits for what is missing only its replay can tell: an abandoned
activity leaves its order in history, and neither row nor outcome.
"""

from __future__ import annotations

import datetime as dt
import logging
import uuid
from collections.abc import Sequence

import msgspec

from aion.authoring.registry import registry
from aion.conf import settings
from aion.core.errors import AionError
from aion.core.events import (
    ActivityCancelled,
    ActivityCancelRequested,
    ActivityCompleted,
    ActivityOutcome,
    ActivityScheduled,
    TimerCancelled,
    TimerFired,
    TimerStarted,
    WorkflowReopened,
    WorkflowStarted,
)
from aion.core.history import KINDS, Recorded
from aion.core.pending import PendingWork, effective, pending_work
from aion.store import claims, histories, lifecycle, mailbox, recovery
from aion.store.rows import START_TIMER, RunRow
from aion_engine.replay import guards
from aion_engine.replay.instance import Instance
from aion_engine.replay.replayer import replay
from aion_engine.replay.watchdog import Watchdog

log = logging.getLogger("aion.recovery")

_OUTCOMES = [kind for kind in KINDS.values() if issubclass(kind, ActivityOutcome)]
_TELLING: list[type] = [
    *_OUTCOMES,
    ActivityScheduled,
    TimerStarted,
    TimerFired,
    TimerCancelled,
    WorkflowStarted,
    WorkflowReopened,
]

Repaired = tuple[int, int, int]


class Waiting(msgspec.Struct):
    """What waits for a run."""

    timers: set[str]
    activities: set[str]
    messages: list[tuple[str, str]]

    def lost(self, work: PendingWork) -> PendingWork:
        """Give the part of pending work that has neither a row nor an outcome in the mailbox."""
        settled = {
            msgspec.json.decode(body, type=_Settled).activity_id
            for kind, body in self.messages
            if kind in KINDS and KINDS[kind] in _OUTCOMES
        }
        there = self.activities | settled
        return PendingWork(
            {name: event for name, event in work.activities.items() if name not in there},
            {name: event for name, event in work.timers.items() if name not in self.timers},
        )

    def __bool__(self) -> bool:
        return bool(self.timers or self.activities or self.messages)


class _Settled(msgspec.Struct):
    activity_id: str


def suspects(ids: Sequence[uuid.UUID]) -> list[uuid.UUID]:
    """List the runs of these that lack a row their history speaks of, or wait for nothing at all."""
    found = recovery.histories_of(ids, _TELLING)
    waiting = _waiting(ids)
    return [run_id for run_id in ids if _is_suspect(found.get(run_id, []), waiting[run_id])]


def _waiting(ids: Sequence[uuid.UUID]) -> dict[uuid.UUID, Waiting]:
    timers = recovery.timer_ids(ids)
    activities = recovery.activity_ids(
        ids
    )  # before the mailboxes: an outcome moves from here to there
    messages = recovery.mailboxes(ids)
    return {run_id: Waiting(timers[run_id], activities[run_id], messages[run_id]) for run_id in ids}


def _is_suspect(history: list[Recorded], waiting: Waiting) -> bool:
    lost = waiting.lost(pending_work(effective(history)))
    return bool(lost.activities or lost.timers or not waiting)


def repair(run_id: uuid.UUID, *, now: dt.datetime) -> Repaired:
    """Ask again for what a run lost; give the numbers of timers, of activities, and of wake-ups.

    Must run inside a transaction. Changes nothing when somebody works on the run, or when its code is not
    here or does not fit its history: that is for its next turn to say.
    """
    if not recovery.lock([run_id]):
        return (0, 0, 0)
    run = claims.lock_run(run_id)
    if run is None or run.closed or run.owner_id is not None:
        return (0, 0, 0)
    try:
        history = histories.load_one(run_id)
        instance, wants = _replayed(run_id, run.workflow_type, history)
    except Exception as error:  # noqa: BLE001  # what is wrong with its code is for its next turn to say
        level = logging.INFO if isinstance(error, AionError) else logging.WARNING
        log.log(level, "Run %s cannot be replayed: %s", run_id, error)
        return (0, 0, 0)
    try:
        return _ask_again(run, history, instance, wants=wants, now=now)
    finally:
        instance.close()


def _ask_again(
    run: RunRow, history: list[Recorded], instance: Instance, *, wants: bool, now: dt.datetime
) -> Repaired:
    waiting = _waiting([run.id])[run.id]
    lost = _wanted(waiting.lost(pending_work(effective(history))), instance)
    events = [recorded.event for recorded in history]
    asked = {each.activity_id for each in events if isinstance(each, ActivityCancelRequested)}
    cancelled = asked & lost.activities.keys()
    again = {name: event for name, event in lost.activities.items() if name not in cancelled}
    messages = [mailbox.message(run.id, ActivityCancelled(activity_id=name)) for name in cancelled]
    if wants and not waiting.messages and START_TIMER not in waiting.timers:
        begun = not isinstance(events[-1], WorkflowStarted)
        messages.append((run.id, mailbox.WAKE if begun else mailbox.START, "{}"))
    lifecycle.arm(run.id, PendingWork(again, lost.timers), task_queue=run.task_queue, now=now)
    mailbox.post(messages, now=now)
    return (len(lost.timers), len(again), len(messages))


def _replayed(
    run_id: uuid.UUID, workflow_type: str, history: list[Recorded]
) -> tuple[Instance, bool]:
    """Give the live instance, and whether a turn would bring something about."""
    guards.install()
    definition = registry.workflow(workflow_type)
    with Watchdog(settings.YIELD_LIMIT).watch(f"run {run_id} of {workflow_type}"):
        instance, left = replay(definition, str(run_id), history, partial=True)
    return instance, bool(left or instance.local_activities or instance.terminal)


def _wanted(lost: PendingWork, instance: Instance) -> PendingWork:
    return PendingWork(
        {
            name: event
            for name, event in lost.activities.items()
            if instance.expects(ActivityCompleted(activity_id=name))
        },
        {
            name: event
            for name, event in lost.timers.items()
            if instance.expects(TimerFired(timer_id=name))
        },
    )
