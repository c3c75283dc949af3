"""Schedules under several beats and workers: each time starts one run, and an outage is caught up as told.

The long form is `make schedules`: AION_SCHEDULES schedules of a second for AION_SCHEDULES_SECONDS, and beats
that are away for AION_SCHEDULES_OUTAGE seconds. Without the last one beats stay, and live in two workers.
"""

from __future__ import annotations

import datetime as dt
import itertools
import time
from collections import Counter

import pytest

from aion import client
from aion.client import Interval, ScheduleConfig, ScheduleHandle, ScheduleSpec
from aion.core.events.schedules import ScheduleFiringSkipped
from aion.models import Firing, Run, Schedule
from tests.acceptance import invariants
from tests.acceptance.conftest import number
from tests.acceptance.processes import Cluster, Process
from tests.sample.workflows import nap
from tests.support.waiting import eventually

pytestmark = [pytest.mark.postgres, pytest.mark.redis]

SECOND = dt.timedelta(seconds=1)
LATE = dt.timedelta(seconds=10)  # from here on a time was missed
COUNT = number("AION_SCHEDULES", 12)
SECONDS = number("AION_SCHEDULES_SECONDS", 4)
OUTAGE = number("AION_SCHEDULES_OUTAGE", 0)


def every_second(until: dt.datetime) -> ScheduleSpec:
    return ScheduleSpec(intervals=[Interval(SECOND)], end_at=until)


def times_of(schedule: Schedule, until: dt.datetime) -> set[dt.datetime]:
    """All nominal times that the schedule had, from its creation on."""
    times = Interval(SECOND).times_after(schedule.created_at)
    return set(itertools.takewhile(lambda each: each <= until, times))


def all_decided() -> bool:
    """Whether no schedule has a time to come, and no run is open."""
    return not (
        Schedule.objects.filter(next_at__isnull=False).exists()
        or Run.objects.filter(closed_at__isnull=True).exists()
    )


@pytest.fixture
def beats(workers: Cluster) -> list[Process]:
    """Two beats, and three workers; nobody else ticks, also when the beats are away."""
    workers.configure(aion={"TICK_STALE_AFTER": 3600.0})
    inside = [] if OUTAGE else ["-B"]  # two processes less to start
    names = "abc" if OUTAGE else "ab"
    started = [workers.celery(name, *inside, pool="threads", ready=False) for name in names]
    beats = [workers.beat("beat-1"), workers.beat("beat-2")] if OUTAGE else started
    for worker in started:
        worker.wait_for(" ready.", timeout=90)
    return beats


def test_each_time_starts_one_run(beats: list[Process]) -> None:
    until = dt.datetime.now(dt.UTC) + SECOND * SECONDS
    for number_ in range(COUNT):
        options = {"spec": every_second(until), "overlap": "allow_all"}
        client.create_schedule(f"s{number_}", nap, 0.0, **options)

    eventually(all_decided, timeout=30 + 6 * SECONDS, what="all times are decided, all runs ended")

    fired = Counter(Firing.objects.values_list("schedule_id", "nominal_at"))
    assert set(fired.values()) == {1}
    for schedule in Schedule.objects.all():
        mine = {at for key, at in fired if key == schedule.id}
        assert mine == times_of(schedule, until), schedule
    assert Run.objects.count() == len(fired) == len(set(Firing.objects.values_list("run_id")))
    late = max(each.started_at - each.nominal_at for each in Firing.objects.all())
    assert invariants.problems() == []
    print(f"{COUNT} schedules, {SECONDS} s: {len(fired)} runs, each time once, at most {late} late")


@pytest.mark.skipif(not OUTAGE, reason="takes as long as the beats are away: make schedules")
def test_an_outage_is_caught_up_as_told(workers: Cluster, beats: list[Process]) -> None:
    told = {
        "all": {"catch_up": "all"},
        "one": {"catch_up": "one"},
        "none": {"catch_up": "none"},
        "window": {"catch_up_window": SECOND * 15},
    }
    handles = {
        name: client.create_schedule(name, nap, 0.0, spec=SECOND, overlap="allow_all", **options)
        for name, options in told.items()
    }
    eventually(lambda: Firing.objects.count() > 8, timeout=60, what="they fire")
    for beat in beats:
        beat.kill()
    time.sleep(OUTAGE)  # nothing happens, which is the point
    workers.beat("beat-3")
    workers.beat("beat-4")
    back = dt.datetime.now(dt.UTC) + SECOND * 3
    current = Schedule.objects.filter(decided_until__gt=back)
    eventually(lambda: current.count() == len(told), timeout=120, what="all have caught up")
    for handle in handles.values():
        handle.update(_ending)
    eventually(all_decided, timeout=60, what="all times are decided, all runs ended")

    fired = {name: _fired(handle) for name, handle in handles.items()}
    for name, handle in handles.items():
        row = Schedule.objects.get(schedule_id=name)
        missed = _missed(handle)
        assert fired[name].keys() | missed == times_of(row, max(fired[name])), name
        assert not fired[name].keys() & missed, name
        assert len(missed) == row.missed_count
    assert not _missed(handles["all"])
    after = {name: _first_after(fired[name], _missed(handles[name])) for name in ("one", "none")}
    # There is always one that is not late, so the latest of the others need not fire: that has unit tests.
    assert max(after.values()) <= LATE, "what is not late fires, and nothing else"
    assert len(_missed(handles["one"])) > OUTAGE - 15
    assert 0 < len(_missed(handles["window"])) < len(_missed(handles["none"]))
    print({name: (len(fired[name]), len(_missed(handles[name]))) for name in handles})


def _ending(config: ScheduleConfig) -> ScheduleConfig:
    """The same, until a moment that is near."""
    return config.replace(spec=every_second(dt.datetime.now(dt.UTC) + SECOND * 2))


def _fired(handle: ScheduleHandle) -> dict[dt.datetime, dt.timedelta]:
    """How late each time has fired."""
    rows = Firing.objects.filter(schedule__schedule_id=handle.schedule_id)
    return {each.nominal_at: each.started_at - each.nominal_at for each in rows}


def _missed(handle: ScheduleHandle) -> set[dt.datetime]:
    """The times that the history says were passed by."""
    events = [each.event for each in handle.fetch_history()]
    found: set[dt.datetime] = set()
    for event in events:
        if isinstance(event, ScheduleFiringSkipped):
            found |= {event.nominal_at + SECOND * each for each in range(event.count)}
    return found


def _first_after(fired: dict[dt.datetime, dt.timedelta], missed: set[dt.datetime]) -> dt.timedelta:
    """How late the first time has fired behind those that were missed."""
    return fired[max(missed) + SECOND]
