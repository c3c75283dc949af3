"""Why a run does not move, in words."""

from __future__ import annotations

import dataclasses
import datetime as dt
from collections.abc import Iterator
from typing import Any, Final

import msgspec

from aion.conf import settings
from aion.operations.pending_lists import PendingActivity, PendingTimer, WorkerInfo
from aion.store.describing import Surroundings
from aion.store.holds import PARKED
from aion.store.runs import RunSummary

_NAMED: Final = 5  # activities and timers; the rest is counted


@dataclasses.dataclass(frozen=True, slots=True)
class Waiting:
    """What an open run waits for, and who could do it."""

    activities: tuple[PendingActivity, ...] = ()
    timers: tuple[PendingTimer, ...] = ()
    workers: tuple[WorkerInfo, ...] = ()


def explain(run: RunSummary, around: Surroundings, waiting: Waiting, now: dt.datetime) -> str:
    """Say in a sentence or two why a run does not move."""
    if run.closed_at is not None:
        return f"It has ended: {run.status}."
    if around.paused_at is not None:
        reason = f": {around.pause.reason}" if around.pause and around.pause.reason else ""
        return f"It is paused since {_at(around.paused_at)}{reason}."
    if run.problem is not None and run.held_until is not None:
        return _held(msgspec.json.decode(run.problem), run)
    delayed = [timer for timer in waiting.timers if timer.kind == "start"]
    if delayed:
        return f"It is to start at {_at(delayed[0].fire_at)}."
    alive = [worker for worker in waiting.workers if worker.alive]
    if around.messages:
        nobody = "" if alive else ", and no worker is alive"
        return f"{_count(around.messages, 'message')} wait for a turn{nobody}."
    return f"It waits for {'; '.join(_reasons(run, around, waiting, alive, now))}."


def _held(problem: dict[str, Any], run: RunSummary) -> str:
    tries = _count(run.problem_count, "failed try", "failed tries")
    if run.held_until == PARKED:
        return f"It is parked until somebody releases it: {problem['type']}: {problem['message']}"
    return (
        f"It is held after {tries}: {problem['type']}: {problem['message']} "
        f"(next try at {_at(run.held_until)})."
    )


def _reasons(
    run: RunSummary,
    around: Surroundings,
    waiting: Waiting,
    alive: list[WorkerInfo],
    now: dt.datetime,
) -> Iterator[str]:
    for one in waiting.activities[:_NAMED]:
        yield _activity(one, alive)
    if around.activities > _NAMED:
        yield _count(around.activities - _NAMED, "further activity", "further activities")
    if run.owner_id is not None:
        yield _local(run, waiting.workers)
    timers = [timer for timer in waiting.timers if timer.kind == "timer"]
    for timer in timers[:_NAMED]:
        yield _timer(timer, alive, now)
    if len(timers) > _NAMED:
        yield _count(len(timers) - _NAMED, "further timer")
    if around.children:
        yield _count(around.children, "child workflow")
    if not (around.activities or timers or around.children or run.owner_id is not None):
        yield "a signal, an update, or whatever else its code awaits"


def _activity(one: PendingActivity, alive: list[WorkerInfo]) -> str:
    name = f"activity {one.activity_id} ({one.activity_type})"
    failed = one.last_failure
    last = f", last failure: {failed.type}: {failed.message}" if failed is not None else ""
    limit = f" of {one.maximum_attempts}" if one.maximum_attempts else ""
    attempt = f"attempt {one.attempt}{limit}"
    match one.state:
        case "paused":
            by = f" by {one.paused_by}" if one.paused_by else ""
            reason = f": {one.pause_reason}" if one.pause_reason else ""
            return f"{name}, paused{by}{reason}{last}"
        case "running":
            where = one.worker or "a worker that is gone"
            dead = "" if one.worker_is_alive else ", which is not alive"
            return f"{name}, {attempt}, running since {_at(one.started_at)} on {where}{dead}{last}"
        case "external":
            return f"{name}, {attempt}, to be completed by its token"
        case "backing_off":
            return f"{name}, {attempt} due at {_at(one.next_attempt_at)}{last}"
    nobody = "" if _is_served(one, alive) else f", but no worker on queue {one.task_queue} is alive"
    return f"{name}, {attempt}, to be begun{nobody}{last}"


def _is_served(one: PendingActivity, alive: list[WorkerInfo]) -> bool:
    """Tell whether somebody may begin it. Celery's routes are unknown here: where they count, anybody may."""
    if one.task_queue == settings.TASK_QUEUE or one.activity_type.startswith("celery:"):
        return bool(alive)
    return any(not worker.queues or one.task_queue in worker.queues for worker in alive)


def _local(run: RunSummary, workers: tuple[WorkerInfo, ...]) -> str:
    owner = next((worker for worker in workers if worker.id == run.owner_id), None)
    if owner is None or not owner.alive:
        return (
            "local activities of a worker that is not alive; another takes over when its lease ends"
        )
    return f"local activities on {owner.name}"


def _timer(timer: PendingTimer, alive: list[WorkerInfo], now: dt.datetime) -> str:
    name = f"timer {timer.timer_id}" + (f" ({timer.summary})" if timer.summary else "")
    nobody = ", but no worker is alive" if timer.fire_at <= now and not alive else ""
    return f"{name} until {_at(timer.fire_at)}{nobody}"


def _count(number: int, one: str, many: str = "") -> str:
    return f"{number} {one if number == 1 else many or one + 's'}"


def _at(moment: dt.datetime | None) -> str:
    return "?" if moment is None else f"{moment:%Y-%m-%d %H:%M:%S} UTC"
