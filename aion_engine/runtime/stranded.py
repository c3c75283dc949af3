"""Open runs that wait for something that is nowhere: a lost timer, activity, answer, or first message.

Rows and events are written together, so this takes a restored backup or somebody's SQL. Suspects are found
by comparing ids. Whether the code still waits for what is missing only its replay can tell: an abandoned
activity leaves its order in history, and neither row nor outcome.
"""

from __future__ import annotations

import datetime as dt
import logging
import uuid
from collections.abc import Callable, Sequence
from typing import TypeVar

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
    ChildOutcome,
    ChildWorkflowCompleted,
    ChildWorkflowStarted,
    Event,
    ExternalCancelRequested,
    ExternalRequestDelivered,
    ExternalRequestFailed,
    SignalSent,
    TimerCancelled,
    TimerFired,
    TimerStarted,
    WorkflowReopened,
    WorkflowStarted,
)
from aion.core.history import KINDS, Recorded
from aion.core.pending import PendingWork, effective, pending_work
from aion.operations import unanswered
from aion.operations.rearming import last_run, outcome_of
from aion.store import claims, histories, lifecycle, mailbox, recovery
from aion.store.rows import START_TIMER, RunRow
from aion_engine.replay import guards
from aion_engine.replay.instance import Instance
from aion_engine.replay.replayer import replay
from aion_engine.replay.watchdog import Watchdog

log = logging.getLogger("aion.recovery")

T = TypeVar("T")

_ANSWERS = (ActivityOutcome, ChildOutcome, ExternalRequestDelivered, ExternalRequestFailed)
_OUTCOMES = [kind for kind in KINDS.values() if issubclass(kind, _ANSWERS)]
_TELLING: list[type] = [
    *_OUTCOMES,
    ActivityScheduled,
    ChildWorkflowStarted,
    SignalSent,
    ExternalCancelRequested,
    TimerStarted,
    TimerFired,
    TimerCancelled,
    WorkflowStarted,
    WorkflowReopened,
]


class Repaired(msgspec.Struct, frozen=True):
    """What was asked for again, or answered, and how many runs were woken."""

    timers: int = 0
    activities: int = 0
    answers: int = 0
    woken: int = 0


class Waiting(msgspec.Struct):
    """What waits for a run."""

    timers: set[str]
    activities: set[str]
    messages: list[tuple[str, str]]

    def lost(self, work: PendingWork) -> PendingWork:
        """Give the part of pending work that has neither a row nor an answer in the mailbox."""
        settled = {
            name
            for kind, body in self.messages
            if kind in KINDS and KINDS[kind] in _OUTCOMES
            for name in msgspec.json.decode(body, type=_Settled).names
        }
        return PendingWork(
            _without(work.activities, self.activities | settled),
            _without(work.timers, self.timers),
            _without(work.children, settled),
            _without(work.requests, settled),
        )

    def __bool__(self) -> bool:
        return bool(self.timers or self.activities or self.messages)


def _without(work: dict[str, T], there: set[str]) -> dict[str, T]:
    return {name: event for name, event in work.items() if name not in there}


class _Settled(msgspec.Struct):
    activity_id: str = ""
    run_id: str = ""
    request_id: str = ""

    @property
    def names(self) -> set[str]:
        return {self.activity_id, self.run_id, self.request_id} - {""}


def suspects(ids: Sequence[uuid.UUID]) -> list[uuid.UUID]:
    """List the runs of these that lack a row their history speaks of, or wait for nothing at all."""
    found = recovery.histories_of(ids, _TELLING)
    waiting = _waiting(ids)
    lost = {
        run_id: waiting[run_id].lost(pending_work(effective(found.get(run_id, []))))
        for run_id in ids
    }
    children = {uuid.UUID(child) for one in lost.values() for child in one.children}
    ended = recovery.closed_or_gone(children)
    return [run_id for run_id in ids if _is_suspect(lost[run_id], ended, waiting[run_id])]


def _waiting(ids: Sequence[uuid.UUID]) -> dict[uuid.UUID, Waiting]:
    timers = recovery.timer_ids(ids)
    activities = recovery.activity_ids(
        ids
    )  # before the mailboxes: an outcome moves from here to there
    messages = recovery.mailboxes(ids)
    return {run_id: Waiting(timers[run_id], activities[run_id], messages[run_id]) for run_id in ids}


def _is_suspect(lost: PendingWork, ended: set[uuid.UUID], waiting: Waiting) -> bool:
    unheard = ended.intersection(map(uuid.UUID, lost.children))
    return bool(lost.activities or lost.timers or lost.requests or unheard or not waiting)


def repair(run_id: uuid.UUID, *, now: dt.datetime) -> Repaired:
    """Ask again for what a run lost, or answer it; say how much that was.

    Must run inside a transaction. Changes nothing when somebody works on the run, or when its code is not
    here or does not fit its history: that is for its next turn to say.
    """
    if not recovery.lock([run_id]):
        return Repaired()
    run = claims.lock_run(run_id)
    if run is None or run.closed or run.owner_id is not None:
        return Repaired()
    try:
        history = histories.load_one(run_id)
        instance, wants = _replayed(run_id, run.workflow_type, history)
    except Exception as error:  # noqa: BLE001  # what is wrong with its code is for its next turn to say
        level = logging.INFO if isinstance(error, AionError) else logging.WARNING
        log.log(level, "Run %s cannot be replayed: %s", run_id, error)
        return Repaired()
    try:
        return _ask_again(run, history, instance, wants=wants, now=now)
    finally:
        instance.close()


def _ask_again(
    run: RunRow, history: list[Recorded], instance: Instance, *, wants: bool, now: dt.datetime
) -> Repaired:
    work = pending_work(effective(history))
    # Before the mailbox: a child that ends meanwhile has put its outcome there.
    ended = {name: last_run(child) for name, child in work.children.items()}
    waiting = _waiting([run.id])[run.id]
    lost = _wanted(waiting.lost(work), instance)
    events = [recorded.event for recorded in history]
    asked = {each.activity_id for each in events if isinstance(each, ActivityCancelRequested)}
    cancelled = asked & lost.activities.keys()
    again = {name: event for name, event in lost.activities.items() if name not in cancelled}
    answers: list[Event] = [ActivityCancelled(activity_id=name) for name in cancelled]
    answers += [
        outcome_of(child, last)
        for name, child in lost.children.items()
        if (last := ended[name]) is None or not last.status.is_open
    ]
    messages = [mailbox.message(run.id, answer) for answer in answers]
    messages += unanswered.answers(run.id, lost.requests)
    wakes = []
    if wants and not (messages or waiting.messages or START_TIMER in waiting.timers):
        begun = not isinstance(events[-1], WorkflowStarted)
        wakes.append((run.id, mailbox.WAKE if begun else mailbox.START, "{}"))
    lifecycle.arm(run.id, PendingWork(again, lost.timers), like=run, now=now)
    mailbox.post([*messages, *wakes], now=now)
    return Repaired(len(lost.timers), len(again), len(messages), len(wakes))


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
    """Choose what the code still waits for."""

    def still(work: dict[str, T], answer: Callable[[str], Event]) -> dict[str, T]:
        return {name: event for name, event in work.items() if instance.expects(answer(name))}

    return PendingWork(
        still(lost.activities, lambda name: ActivityCompleted(activity_id=name)),
        still(lost.timers, lambda name: TimerFired(timer_id=name)),
        still(lost.children, lambda name: ChildWorkflowCompleted(workflow_id="", run_id=name)),
        still(lost.requests, lambda name: ExternalRequestDelivered(request_id=name)),
    )
