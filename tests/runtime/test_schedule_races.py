"""Several ticks, callers and a kill at once: each time of a schedule still starts one run."""

from __future__ import annotations

import datetime as dt
import signal
import subprocess
import sys
import threading

import pytest

from aion import client
from aion.client import Interval, ScheduleSpec
from aion.core.errors import ScheduleAlreadyExists
from aion.models import Event, Firing, Run, Schedule, ScheduleEvent
from aion.store.dialects import atomic
from aion_engine.runtime.schedules import bring_on_due
from tests.conftest import ROOT
from tests.runtime.schedule_kit import HOUR, MINUTE, scheduled, started
from tests.support.clocks import START, StandingClock
from tests.support.engine import in_thread
from tests.support.kit import Waiting, greet

pytestmark = pytest.mark.django_db(transaction=True)

MANY = 12


def at_once(count: int, function: object) -> list[object]:
    """Call a function in threads that begin together; give what it gave."""
    begin = threading.Barrier(count)

    def run(number: int) -> object:
        begin.wait(10)
        return function(number)  # type: ignore[operator]

    threads = [in_thread(run, number) for number in range(count)]
    return [thread.done(60) for thread in threads]


def test_four_ticks_at_once_start_one_run_for_each_time(clock: StandingClock) -> None:
    for number in range(MANY):
        client.create_schedule(f"s{number}", greet, "ada", spec=MINUTE, overlap="allow_all")
    clock.at = START + MINUTE * 3

    given = at_once(4, lambda _: bring_on_due(clock.at))
    bring_on_due(clock.at)  # what all passed by because others held it

    assert Run.objects.count() == Firing.objects.count() == MANY * 3
    assert sum(given) <= MANY * 3  # type: ignore[arg-type]
    assert ScheduleEvent.objects.filter(kind="ScheduleTriggered").count() == MANY * 3


KILLED = """
import datetime as dt, os, signal, sys
import django
django.setup()
from aion.operations.clock import clock
from aion.operations.schedules import bring_on
from aion.models import Run
import tests.support.kit
now = dt.datetime.fromisoformat(sys.argv[1])
clock.read = lambda: now
real = bring_on.bring_on_course
def then_die(course):
    real(course)
    course.save()
    assert Run.objects.count() == 1, "the run is written"
    os.kill(os.getpid(), signal.SIGKILL)
bring_on.bring_on_course = then_die
from aion_engine.runtime.schedules import bring_on_due
bring_on_due(now)
"""


def test_a_kill_between_the_start_and_the_commit_leaves_nothing_and_loses_nothing(
    clock: StandingClock, process_environment: dict[str, str]
) -> None:
    scheduled()
    clock.at = START + MINUTE

    killed = subprocess.run(
        [sys.executable, "-c", KILLED, clock.at.isoformat()],
        cwd=ROOT,
        env={**process_environment, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )

    assert killed.returncode == -signal.SIGKILL, killed.stderr
    assert (Run.objects.count(), Event.objects.count(), Firing.objects.count()) == (0, 0, 0)
    assert bring_on_due(clock.at) == 1
    assert bring_on_due(clock.at) == 0
    assert started() == ["12:01"]


@pytest.mark.postgres
def test_a_tick_passes_by_a_schedule_that_somebody_changes(clock: StandingClock) -> None:
    schedule = scheduled()
    client.create_schedule("other", greet, "ada", spec=MINUTE)
    clock.at = START + MINUTE
    held, go_on = threading.Event(), threading.Event()

    def pause() -> None:
        with atomic():
            schedule.pause()
            held.set()
            go_on.wait(20)

    pausing = in_thread(pause)
    assert held.wait(10)
    assert bring_on_due(clock.at) == 1  # the other one
    go_on.set()
    pausing.done()
    assert bring_on_due(clock.at) == 0

    assert not Firing.objects.filter(schedule__schedule_id="s").exists()


def test_triggers_of_one_request_at_once_start_one_run(clock: StandingClock) -> None:
    schedule = scheduled(overlap="allow_all")

    firings = at_once(4, lambda _: schedule.trigger(request_id="r"))

    assert len({firing.run_id for firing in firings}) == 1  # type: ignore[attr-defined]
    assert Run.objects.count() == 1


def test_triggers_backfills_and_ticks_at_once_leave_a_whole_history(clock: StandingClock) -> None:
    schedule = scheduled(HOUR, overlap="allow_all")
    clock.at = START + HOUR * 2
    acts = [
        lambda: schedule.trigger(),
        lambda: schedule.backfill(START + HOUR, START + HOUR * 2),
        lambda: bring_on_due(clock.at),
        lambda: schedule.update(lambda config: config.replace(pause_on_failure=True)),
    ]

    at_once(4, lambda number: acts[number]())
    bring_on_due(clock.at)

    seqs = list(ScheduleEvent.objects.order_by("seq").values_list("seq", flat=True))
    assert seqs == list(range(1, Schedule.objects.get().head_seq + 1))
    assert Firing.objects.filter(key="", run_id__isnull=False).count() == 2
    assert Run.objects.count() == 3
    assert schedule.describe().config.pause_on_failure


def test_no_update_of_several_at_once_is_lost(clock: StandingClock) -> None:
    schedule = scheduled(HOUR)

    def add(number: int) -> None:
        def change(config: client.ScheduleConfig) -> client.ScheduleConfig:
            more = Interval(dt.timedelta(minutes=number + 1))
            spec = ScheduleSpec(intervals=(*config.spec.intervals, more))
            return config.replace(spec=spec)

        schedule.update(change)

    at_once(3, add)

    assert len(schedule.describe().config.spec.intervals) == 4
    assert schedule.describe().token == 4


def test_of_many_creates_at_once_one_succeeds(clock: StandingClock) -> None:
    def create(number: int) -> bool:
        try:
            return client.create_schedule("s", Waiting, spec=HOUR).created
        except ScheduleAlreadyExists:
            return False

    assert at_once(4, create).count(True) == 1
    assert Schedule.objects.count() == 1
