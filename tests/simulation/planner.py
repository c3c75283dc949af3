"""A client that makes a schedule and operates it."""

from __future__ import annotations

import datetime as dt
import random
from typing import Any

from aion import client
from aion.schedules.spec import Interval, ScheduleSpec
from tests.language.families import Member
from tests.simulation.programs import program_of
from tests.simulation.world import World
from tests.support.clocks import START

ID = "plan"
_OVERLAPS = (
    "skip",
    "buffer_one",
    "buffer_all",
    "cancel_other",
    "terminate_other",
    "allow_all",
)


class Planner:
    """Makes one schedule of some times, pauses and resumes it, asks for runs beside and for earlier times."""

    def __init__(self, world: World, work: Any) -> None:
        self.world = world
        self.work = work
        self.rng = random.Random(world.seed ^ 0x71A)

    def plan(self) -> None:
        rng = self.rng
        self.world.scheduler.sleep(rng.uniform(0.0, 3.0))
        every = dt.timedelta(seconds=rng.choice([2, 5, 11]))
        spec = ScheduleSpec(
            intervals=(Interval(every),),
            end_at=START + dt.timedelta(seconds=self.world.scheduler.now + 20) + every * 3,
            jitter=dt.timedelta(seconds=rng.choice([0, 0, 3])),
        )
        options = {
            "overlap": rng.choice(_OVERLAPS),
            "catch_up": rng.choice(["all", "all", "one", "none"]),
            "remaining_actions": rng.choice([None, None, 3]),
        }
        program = program_of(rng)
        self.world.note(f"schedule {options} {spec}: {program}")
        self.work.until_answered(
            lambda: client.create_schedule(
                ID, Member, program, spec=spec, request_id="create", **options
            )
        )
        for turn in range(rng.randrange(4)):
            self.world.scheduler.sleep(rng.choice([0.5, 3.0, 10.0]))
            rng.choice([self._pause, self._trigger, self._backfill])(f"plan-{turn}")

    def _pause(self, key: str) -> None:
        handle = client.get_schedule_handle(ID)
        self.work.until_answered(lambda: handle.pause(request_id=f"{key} pause"))
        self.world.scheduler.sleep(self.rng.choice([0.1, 6.0, 15.0]))
        self.work.until_answered(lambda: handle.resume(request_id=f"{key} resume"))

    def _trigger(self, key: str) -> None:
        handle = client.get_schedule_handle(ID)
        overlap = self.rng.choice([None, *_OVERLAPS])
        self.work.until_answered(lambda: handle.trigger(overlap, request_id=key))

    def _backfill(self, key: str) -> None:
        handle = client.get_schedule_handle(ID)
        until = self.world.time() - dt.timedelta(seconds=1)
        from_ = until - dt.timedelta(seconds=self.rng.choice([5, 30]))
        overlap = self.rng.choice([None, "allow_all", "skip", "buffer_all"])
        self.work.until_answered(lambda: handle.backfill(from_, until, overlap, request_id=key))
