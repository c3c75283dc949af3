"""Plays worlds: `simulated()` makes the installation, `play` lives one seed and tells what went wrong."""

from __future__ import annotations

import logging
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from unittest import mock

from django.apps import apps
from django.db import DatabaseError, connections
from django.test.utils import override_settings

from aion.core import ids
from aion.operations.clock import clock as system_clock
from aion.store import attribute_registry, dialects, fencing
from aion_engine.replay import instance
from aion_engine.runtime import execution, keeper, registered_attributes, turn_loop
from tests.simulation import world as worlds
from tests.simulation.checks import problems
from tests.simulation.database import Database
from tests.simulation.scheduler import Stuck
from tests.simulation.sessions import SimulatedDatabaseWrapper, SimulatedDialect
from tests.simulation.workload import LEDGER, Workload
from tests.simulation.world import World
from tests.support import kit

MOST_STEPS = 3_000
MOST_SECONDS = 600.0  # of the world's time, after everything is well again


class Complaints(logging.Handler):
    """Errors that the code under test only logs: nothing that happens here may cause one."""

    def emit(self, record: logging.LogRecord) -> None:
        error = record.exc_info[1] if record.exc_info else None
        if not isinstance(error, DatabaseError):  # sessions are lost here
            worlds.current.problems.append(self.format(record))


class Time:
    """What the runtime knows as the module `time`."""

    @staticmethod
    def sleep(seconds: float) -> None:
        worlds.current.scheduler.sleep(seconds)

    @staticmethod
    def monotonic() -> float:
        return worlds.current.scheduler.now


class Ids:
    """The source of new ids."""

    def next(self) -> Any:
        return worlds.current.new_id()


@contextmanager
def simulated() -> Iterator[Database]:
    """Put the simulated database, clock and broker in the place of the real ones."""
    from django.conf import settings

    database = Database()
    main = SimulatedDatabaseWrapper(database, lambda session, kind: None)
    outside, outside_time = connections["default"], system_clock.read
    log = logging.getLogger("aion")
    complaints = Complaints(level=logging.ERROR)
    before = (log.level, log.propagate)
    aion = {
        **settings.AION,
        "DISPATCHER": "tests.simulation.world.Dispatcher",
        "BELL": "tests.simulation.world.Bell",
        "POLL_INTERVAL": 10.0,
        "TICK_INTERVAL": 5.0,
        "TICK_STALE_AFTER": 10.0,
    }
    connections["default"] = main
    try:
        _make_tables(main)
        database.watch()
        system_clock.read = lambda: worlds.current.time()
        system_clock.read_monotonic = lambda: worlds.current.monotonic()
        log.addHandler(complaints)
        log.setLevel(logging.ERROR)
        log.propagate = False
        with (
            override_settings(AION=aion),
            mock.patch.dict(dialects._DIALECTS, sqlite=SimulatedDialect()),
            mock.patch.object(ids, "_generator", Ids()),
            mock.patch.multiple(execution, time=Time),
            mock.patch.multiple(turn_loop, time=Time),
            mock.patch.multiple(keeper, time=Time),
            mock.patch.multiple(registered_attributes, time=Time),
            mock.patch.object(fencing, "end_sessions", lambda w: worlds.current.end_sessions(w)),
            mock.patch.dict(kit.ACTS),
        ):
            yield database
    finally:
        log.removeHandler(complaints)
        log.setLevel(before[0])
        log.propagate = before[1]
        system_clock.reset()
        system_clock.read = outside_time
        connections["default"] = outside


def _make_tables(main: SimulatedDatabaseWrapper) -> None:
    with main.cursor() as cursor:
        cursor.execute(LEDGER)
    main.disable_constraint_checking = lambda: True  # type: ignore[method-assign]
    main.enable_constraint_checking = lambda: None  # type: ignore[method-assign]
    with main.schema_editor() as editor:
        for model in apps.get_app_config("aion").get_models():
            if model._meta.managed:
                editor.create_model(model)


def play(
    seed: int, database: Database, *, traced: bool = False, most_steps: int = MOST_STEPS
) -> tuple[World, list[str]]:
    """Live one seed to its rest; give the world and what went wrong in it."""
    attribute_registry.registry.forget()
    world = World(seed, database, traced=traced)
    work = Workload(world)
    scheduler = world.scheduler
    try:
        bad_until = world.rng.choice([2.0, 8.0, 30.0])
        while scheduler.now < bad_until and scheduler.steps < most_steps:
            world.step(bad_until)
        world.heal()
        until, last_step = scheduler.now + MOST_SECONDS, scheduler.steps + most_steps
        while not _is_at_rest(world):
            if scheduler.now > until or scheduler.steps > last_step:
                raise Stuck("the world does not come to rest")
            world.step()
    except Stuck as stuck:
        world.problems.append(str(stuck))
    except BaseException as error:
        world.problems.append("".join(traceback.format_exception(error)))
    finally:
        scheduler.end()
        for left in list(instance._OPEN):  # what killed processes had in memory
            left.close()
    if database.deadlocks:
        world.problems.append(f"{database.deadlocks} deadlocks")
    return world, problems(work)


def _is_at_rest(world: World) -> bool:
    """Everything has closed, and whoever disturbs is gone."""
    if any(actor.process is world and actor.name != "beat" for actor in world.scheduler.actors):
        return False
    look = world.database.raw.execute
    world.database._unmount()
    waiting = (
        "SELECT EXISTS (SELECT 1 FROM aion_run WHERE closed_at IS NULL OR owner_id IS NOT NULL) "
        "OR EXISTS (SELECT 1 FROM aion_message) OR EXISTS (SELECT 1 FROM aion_activitytask) "
        "OR EXISTS (SELECT 1 FROM aion_timer)"
    )
    return not look(waiting).fetchone()[0]
