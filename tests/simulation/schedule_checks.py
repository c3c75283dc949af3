"""What must hold of a schedule at rest: its times are accounted for once, its runs settled by their ends."""

from __future__ import annotations

import datetime as dt
from collections import Counter
from collections.abc import Iterator

import msgspec

from aion.core.events import schedules as told
from aion.core.schedule_history import ScheduleRecorded
from aion.models import Firing, Schedule
from aion.operations.schedules.course import TIME
from aion.schedules.config import ScheduleConfig
from aion.schedules.spec import times_after
from aion.store import runs, schedules


def schedule_problems() -> Iterator[str]:
    for schedule in Schedule.objects.all():
        history = schedules.load(schedule.id)
        yield from _times(schedule, history)
        yield from _settled(schedule, history)
        if schedule.problem:
            yield f"schedule {schedule.schedule_id} has a problem: {schedule.problem}"


def _times(schedule: Schedule, history: list[ScheduleRecorded]) -> Iterator[str]:
    """Each time of the spec has started a run, or it is noted that it has not, or nothing was to start."""
    config = msgspec.json.decode(schedule.config, type=ScheduleConfig)
    fired = {firing.nominal_at for firing in Firing.objects.filter(key="")}
    decided = Counter[dt.datetime]()
    accounted = set(fired)
    for recorded in history:
        match recorded.event:
            case told.ScheduleTriggered() as event if event.source == TIME:
                decided[event.nominal_at] += 1
            case told.ScheduleFiringSkipped() as event if event.source == TIME:
                times = set(_between(config, event.nominal_at, event.last_nominal_at))
                accounted |= times
                if len(times) == event.count:  # else others lie between those that were skipped
                    decided.update(times - fired)
                if len(times) < event.count:
                    yield f"{event.count} times are noted as skipped, and there are {len(times)}"
    yield from (f"the time {at} was decided {n} times" for at, n in decided.items() if n > 1)
    if any(isinstance(one.event, told.SchedulePaused) for one in history):
        return  # times of a pause start nothing, and nothing says so
    for at in times_after(config.spec, schedule.created_at):
        if at > schedule.decided_until or schedule.remaining_actions == 0:
            return
        if at not in accounted | set(decided):
            yield f"the time {at} started nothing, and nothing says so"


def _between(
    config: ScheduleConfig, first: dt.datetime, last: dt.datetime | None
) -> Iterator[dt.datetime]:
    for at in times_after(config.spec, first - dt.timedelta(microseconds=1)):
        if at > (last or first):
            return
        yield at


def _settled(schedule: Schedule, history: list[ScheduleRecorded]) -> Iterator[str]:
    """Each firing ends with the last run of its chain, and the history tells it once."""
    ends = Counter(
        one.event.run_id for one in history if isinstance(one.event, told.ScheduleFiringEnded)
    )
    for firing in Firing.objects.filter(schedule_id=schedule.id, run_id__isnull=False):
        last = runs.last_of_chain(firing.run_id)
        if last is None or last.closed_at is None or firing.outcome != last.status:
            yield f"the time {firing.nominal_at} ended as {firing.outcome}, its run is {last and last.status}"
        elif ends[str(last.id)] != 1:
            yield f"the end of run {last.id} is {ends[str(last.id)]} times in the schedule's history"
