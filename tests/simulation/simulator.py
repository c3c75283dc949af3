"""Plays worlds: `simulated()` makes the installation, `play` lives one seed and tells what went wrong."""

from __future__ import annotations

import logging
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from types import SimpleNamespace
from unittest import mock

from django.apps import apps
from django.db import DatabaseError, connections
from django.test.utils import override_settings

from aion.operations.clock import clock as system_clock
from aion.store import attribute_registry, dialects, fencing
from aion_engine.replay import instance
from tests.simulation import world as worlds
from tests.simulation.activities import LEDGER
from tests.simulation.checks import problems
from tests.simulation.database import Database
from tests.simulation.machine import simulated_machine
from tests.simulation.outcomes import at_once_in_some_worlds
from tests.simulation.processes import pools_of_their_own
from tests.simulation.programs import QUEUES
from tests.simulation.scheduler import Stuck
from tests.simulation.sessions import SimulatedDatabaseWrapper, SimulatedDialect
from tests.simulation.workload import Workload
from tests.simulation.world import World
from tests.support import kit

MOST_STEPS = 12_000
STATEMENTS = 8  # for each step, at most
MOST_COMMITS = (
    1_000  # after everything is well again: three times what the busiest of many worlds needs
)
MOST_SECONDS = 600.0  # of the world's time, after everything is well again


class Complaints(logging.Handler):
    """Errors that the code under test only logs: nothing that happens here may cause one."""

    def emit(self, record: logging.LogRecord) -> None:
        error = record.exc_info[1] if record.exc_info else None
        if not isinstance(error, DatabaseError):  # sessions are lost here
            worlds.current.problems.append(self.format(record))


@contextmanager
def simulated() -> Iterator[Database]:
    """Put the simulated database, clock and broker in the place of the real ones."""
    from django.conf import settings

    database = Database()
    main = SimulatedDatabaseWrapper(database, lambda session, kind: None)
    outside_time = system_clock.read
    log = logging.getLogger("aion")
    complaints = Complaints(level=logging.ERROR)
    before = (log.level, log.propagate)
    aion = {
        **settings.AION,
        "DISPATCHER": "tests.simulation.broker.Dispatcher",
        "BELL": "tests.simulation.broker.Bell",
        "POLL_INTERVAL": 10.0,
        "TICK_INTERVAL": 5.0,
        "TICK_STALE_AFTER": 10.0,
        "ACTIVITY_LIMITS": QUEUES,
        "TUNE_GC": False,  # for each loop there is
    }
    try:
        system_clock.read = lambda: worlds.current.time()
        system_clock.read_monotonic = lambda: worlds.current.monotonic()
        log.addHandler(complaints)
        log.setLevel(logging.ERROR)
        log.propagate = False
        with (
            # Not a thread's or task's own: there is one thread, and its actors change places.
            mock.patch.object(connections, "_connections", SimpleNamespace(default=main)),
            override_settings(AION=aion),
            mock.patch.dict(dialects._DIALECTS, sqlite=SimulatedDialect()),
            simulated_machine(),
            pools_of_their_own(),
            at_once_in_some_worlds(),
            mock.patch.object(fencing, "end_sessions", lambda w: worlds.current.end_sessions(w)),
            mock.patch.dict(kit.ACTS),
        ):
            _make_tables(main)
            database.watch()
            yield database
    finally:
        log.removeHandler(complaints)
        log.setLevel(before[0])
        log.propagate = before[1]
        system_clock.reset()
        system_clock.read = outside_time


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
    world.most_statements = STATEMENTS * most_steps
    try:
        bad_until = world.rng.choice([2.0, 8.0, 30.0])
        while scheduler.now < bad_until and scheduler.steps < most_steps / 3:
            world.step(bad_until)
        world.heal()
        until, rest = scheduler.now + MOST_SECONDS, _Rest(world)
        most_commits = database.commits + MOST_COMMITS
        while not rest.has_come():
            if (
                scheduler.now > until
                or scheduler.steps > most_steps
                or database.commits > most_commits
                or world.statements > world.most_statements
            ):
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


class _Rest:
    """Tells whether everything has closed and whoever disturbs is gone; looks when something was written."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._looked_at = -1
        self._found = False

    def has_come(self) -> bool:
        world, database = self._world, self._world.database
        if any(actor.process is world and actor.name != "beat" for actor in world.scheduler.actors):
            return False
        if database.commits != self._looked_at:
            self._looked_at = database.commits
            [(waiting,)] = database.look(_WAITING)
            self._found = not waiting
        return self._found


_WAITING = (
    "SELECT EXISTS (SELECT 1 FROM aion_run WHERE closed_at IS NULL OR owner_id IS NOT NULL) "
    "OR EXISTS (SELECT 1 FROM aion_message) OR EXISTS (SELECT 1 FROM aion_activitytask) "
    "OR EXISTS (SELECT 1 FROM aion_timer) "
    "OR EXISTS (SELECT 1 FROM aion_firing WHERE state NOT IN ('ended', 'skipped')) "
    "OR EXISTS (SELECT 1 FROM aion_schedule WHERE next_at IS NOT NULL)"
)
