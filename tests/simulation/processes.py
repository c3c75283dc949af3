"""Workers: a loop, a keeper, and attempts as they come. Hosts have clocks of their own."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Iterator
from typing import Any
from unittest import mock

from django.db import Error as DatabaseError
from django.db import connections

from aion.conf import settings
from aion.store.workers import WorkerIdentity
from aion_engine.replay.watchdog import Watchdog
from aion_engine.runtime import bundles, celery_activities
from aion_engine.runtime.batches import Batch
from aion_engine.runtime.bundles import LONG, Bundle, Watcher
from aion_engine.runtime.execution import Running
from aion_engine.runtime.giving_up import hand_over
from aion_engine.runtime.here import Here
from aion_engine.runtime.keeper import Keeper
from aion_engine.runtime.local_activities import Job, LocalActivities
from aion_engine.runtime.turn_loop import TurnLoop
from tests.simulation import world as worlds
from tests.simulation.broker import Reference


class Host:
    """A machine; its clock may be wrong."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.skew = 0.0


class Beat:
    """A process that ticks and does nothing else."""

    def __init__(self, host: Host) -> None:
        self.host = host


class Process:
    """A worker."""

    def __init__(self, world: Any, number: int, host: Host) -> None:
        self.world = world
        self.host = host
        self.name = f"worker {number}"
        self.stopping = False
        self.identity = WorkerIdentity(world.new_id(), self.name, host.name, number, ("default",))
        self.here = HereInWorld(world, self.identity)
        self.watcher = WatcherInWorld(self)
        self.keeper = Keeper(self.identity, running=self.here.running)
        self.loop: Loop
        world.spawn(f"loop of {self.name}", self._take_turns, self)
        world.spawn(f"keeper of {self.name}", self._keep, self)

    def _take_turns(self) -> None:
        self.loop = Loop(self)
        self.loop.run()
        self.world.note(f"{self.name} has stopped its loop")

    def _keep(self) -> None:
        """The life of the real keeper's thread, which looks at the machine's clock for its pauses."""
        while not self.stopping:
            try:
                self.keeper._beat()
                self.keeper._look_at_attempts(also_idle=True)
                self.keeper._tick_if_stale()
            except DatabaseError:
                connections["default"].close()
            self.world.scheduler.sleep(settings.LEASE / 2)
        with contextlib.suppress(DatabaseError):  # its leases end by time-out then
            hand_over(self.identity.id, now=self.world.time())

    def stop(self) -> None:
        """What a SIGTERM does."""
        self.stopping = True
        self.loop.stop()
        self.here.announce_stop()

    def perform(self, attempts: list[Reference]) -> None:
        """Do what a process of the pool does with a message."""
        (task_id, attempt), *rest = attempts
        more = [part for each, number in rest for part in (str(each), number)]
        celery_activities.run_activity.run(str(task_id), attempt, *more)


# --- its pool -------------------------------------------------------------------------------------


class HereInWorld(Here):
    """What runs in a process, by the clock of the world."""

    def __init__(self, world: Any, worker: WorkerIdentity) -> None:
        super().__init__()
        self._world = world
        self._worker = worker  # whose board is new, as it is

    def enter(self, running: Running) -> None:
        running.begun = self._world.scheduler.now
        super().enter(running)


class WatcherInWorld(Watcher):
    """Watches each bundle by an actor in the place of one thread for all of them."""

    def __init__(self, process: Process) -> None:
        super().__init__()
        self._process = process
        self._thread = threading.current_thread()

    def watching(self, bundle: Bundle) -> Any:
        self._process.world.spawn("watcher of a bundle", lambda: self._look(bundle), self._process)
        return super().watching(bundle)

    def _look(self, bundle: Bundle) -> None:
        pause = LONG * 1.5
        while True:
            self._process.world.scheduler.sleep(pause)
            if bundle not in self._bundles:
                return
            self._ringing.ring_if_due()
            bundles._hand_over(bundle.leave_if_long(self._process.here.durations))
            pause *= 4


class _OfTheProcess:
    """Stands for something that each process has one of."""

    def __init__(self, name: str) -> None:
        self._name = name

    def __getattr__(self, attribute: str) -> Any:
        actor = worlds.current.scheduler.current
        assert actor is not None
        return getattr(getattr(actor.process, self._name), attribute)


@contextlib.contextmanager
def pools_of_their_own() -> Iterator[None]:
    """Let each process have what modules of the runtime hold for the process that they are in."""
    here, watcher = _OfTheProcess("here"), _OfTheProcess("watcher")
    with mock.patch.multiple(celery_activities, here=here, watcher=watcher):
        yield


# --- its loop -------------------------------------------------------------------------------------


class Loop(TurnLoop):
    """The real loop; it waits in virtual time, and its local activities are actors."""

    def __init__(self, process: Process) -> None:
        super().__init__(process.identity.id)
        self._world = process.world
        self.local = Local(process, wake=self._ring_self)
        self.turns.folding.watchdog = Watchdog(0)  # it looks at the machine's clock

    def _gather(self) -> None:
        """Local outcomes come when they come."""

    def _let_gather(self, batch: Batch, took: float) -> None:
        """And so does what a small batch could wait for."""
        if batch.seen and self._world.faults.switches():
            self._world.scheduler.sleep(0.0)

    def _recover(self) -> None:
        self.turns.cache.clear()
        connections["default"].close()
        self._world.scheduler.sleep(self._pause)


class Local(LocalActivities):
    """Local activities, each in an actor of its own."""

    def __init__(self, process: Process, **options: Any) -> None:
        super().__init__(process.identity.id, threads=0, **options)
        self._process = process

    def _put(self, jobs: list[Job]) -> None:
        for job in jobs:
            self._busy += 1
            self._process.world.spawn(
                f"local {job.activity.activity_id}", lambda job=job: self._do(job), self._process
            )

    def _do(self, job: Job) -> None:
        try:
            if not self._stopping:
                self._run(job)
        finally:
            self._busy -= 1

    def _tidy(self) -> None:
        """The session ends with the actor."""
