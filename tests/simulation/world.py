"""A simulated installation: processes on hosts with clocks of their own, a broker, and what befalls them.

Turn loops, local activities, keepers, ticks, attempts and clients are the real ones; each runs in an actor.
Not real are the threads (actors), the broker (a list that loses, repeats, delays and reorders), the bell
(some rings get lost), the database (see `database`), and time.
"""

from __future__ import annotations

import contextlib
import datetime as dt
import random
import uuid
from collections.abc import Iterable, Sequence
from typing import Any

from django.db import Error as DatabaseError
from django.db import connections

from aion.conf import settings
from aion.core.ports import Handover
from aion.store.workers import WorkerIdentity
from aion_engine.replay.watchdog import Watchdog
from aion_engine.runtime import execution
from aion_engine.runtime.execution import Running
from aion_engine.runtime.giving_up import hand_over
from aion_engine.runtime.keeper import Keeper
from aion_engine.runtime.local_activities import Job, LocalActivities
from aion_engine.runtime.tick import tick
from aion_engine.runtime.turn_loop import TurnLoop
from tests.simulation.database import Database, Transaction
from tests.simulation.faults import Faults
from tests.simulation.scheduler import Scheduler
from tests.simulation.sessions import Session, SimulatedDatabaseWrapper
from tests.support.clocks import START

current: World


class Host:
    """A machine; its clock may be wrong."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.skew = 0.0


class Process:
    """A worker: a loop, a keeper, and attempts as they come."""

    def __init__(self, world: World, number: int, host: Host) -> None:
        self.world = world
        self.host = host
        self.name = f"worker {number}"
        self.stopping = False
        self.attempts: list[Running] = []
        self.identity = WorkerIdentity(world.new_id(), self.name, host.name, number, ("default",))
        self.keeper = Keeper(self.identity, running=lambda: self.attempts)
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
        for running in self.attempts:
            running.context.stop("shutdown")

    def perform(self, task_id: uuid.UUID, attempt: int) -> None:
        """Do what a Celery task or a thread of `aion_worker` does."""
        running = execution.begin(task_id, attempt, self.identity)
        if running is not None:
            running.begun = self.world.scheduler.now
            self.attempts.append(running)
            try:
                execution.run(running, self.identity)
            finally:
                self.attempts.remove(running)


class Loop(TurnLoop):
    """The real loop; it waits in virtual time, and its local activities are actors."""

    def __init__(self, process: Process) -> None:
        super().__init__(process.identity.id)
        self._world = process.world
        self.local = Local(process, wake=self._ring_self)
        self.turns._watchdog = Watchdog(0)  # it looks at the machine's clock

    def _gather(self) -> None:
        """Local outcomes come when they come."""

    def _let_gather(self, took: float) -> None:
        """And so does what a small batch could wait for."""
        if current.faults.switches():
            current.scheduler.sleep(0.0)

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


class Bell:
    """Rings for the loops of all processes, and sometimes does not."""

    listens = drives = False

    def ring_loops(self) -> None:
        for actor in current.scheduler.actors:
            if actor.hears_bells and not current.faults.loses_ring():
                actor.wakes_at = current.scheduler.now

    def ring_closed(self, run_ids: Iterable[uuid.UUID]) -> None:
        pass

    def loop_waiter(self) -> Waiter:
        return Waiter()

    def result_waiter(self, run_id: uuid.UUID) -> Waiter:
        return Waiter()


class Waiter:
    """Waits in virtual time."""

    rung = False

    def wait(self, timeout: float) -> bool:
        if not self.rung:
            current.scheduler.sleep(timeout, hears_bells=True)
        self.rung = False
        return True

    def ring(self) -> None:
        self.rung = True
        for actor in current.scheduler.actors:
            if actor.hears_bells:
                actor.wakes_at = current.scheduler.now

    def close(self) -> None:
        pass


class Dispatcher:
    """Puts messages into the broker, which does with them what it likes."""

    def publish(self, handovers: Sequence[Handover]) -> None:
        for one in handovers:
            for delay in current.faults.deliveries():
                current.broker.append((current.scheduler.now + delay, one.task_id, one.attempt))


class World:
    """Everything that one seed makes."""

    def __init__(self, seed: int, database: Database, *, traced: bool = False) -> None:
        global current
        current = self
        self.seed = seed
        self.rng = random.Random(seed)
        self.database = database
        self.scheduler = Scheduler(self.rng)
        self.faults = Faults(self.rng)
        self.broker: list[tuple[float, uuid.UUID, int]] = []
        self.hosts = [Host("a"), Host("b"), Host("c")]
        self.processes: list[Process] = []
        self.problems: list[str] = []
        self.trace: list[str] | None = [] if traced else None
        self._ids = 0
        self._made = 0
        database.empty()
        database.wait = self._wait
        database.snapshot_taken = self._snapshot_taken

    # --- what the code under test reads ---

    def time(self) -> dt.datetime:
        """The time, as the host of the current actor has it."""
        actor = self.scheduler.current
        skew = actor.process.host.skew if actor is not None else 0.0
        return START + dt.timedelta(seconds=self.scheduler.now + skew)

    def monotonic(self) -> float:
        return self.scheduler.now

    def new_id(self) -> uuid.UUID:
        """The next UUIDv7."""
        self._ids += 1
        milliseconds = int(START.timestamp() * 1000) + self._ids
        return uuid.UUID(int=milliseconds << 80 | 0x7 << 76 | 0b10 << 62 | self.rng.getrandbits(62))

    def note(self, what: str) -> None:
        if self.trace is not None:
            actor = self.scheduler.current
            self.trace.append(
                f"{self.scheduler.now:9.3f} {actor.name if actor else '-':<22} {what}"
            )

    # --- actors ---

    def spawn(self, name: str, act: Any, process: Any) -> None:
        wrapper = SimulatedDatabaseWrapper(self.database, self._before)
        self.scheduler.spawn(name, act, process, wrapper)

    def add_process(self) -> Process:
        self._made += 1
        process = Process(self, self._made, self.rng.choice(self.hosts))
        self.processes.append(process)
        return process

    def kill(self, process: Process) -> None:
        self.note(f"kill {process.name}")
        if process in self.processes:  # and not stopping
            self.processes.remove(process)
        self.scheduler.lose(process)

    def end_sessions(self, worker_ids: Iterable[uuid.UUID]) -> int:
        """What `fencing.end_sessions` asks of PostgreSQL: the loops of dead workers lose their session."""
        gone = set(worker_ids)
        for actor in self.scheduler.actors:
            session = actor.database.connection
            if session is None or not actor.name.startswith(("loop", "local")):
                continue
            if actor.process.identity.id in gone and actor is not self.scheduler.current:
                session.lose()
        return 0

    def _wait(self, transaction: Transaction) -> None:
        self.scheduler.wait_for(transaction)

    def _snapshot_taken(self) -> None:
        if self.faults.switches():
            self.scheduler.give_way()
            actor = self.scheduler.current
            if actor is not None:
                actor.database.connection.check()

    def _before(self, session: Session, kind: str) -> None:
        actor = self.scheduler.current
        if actor is None or session.is_killed:
            return
        if self.trace is not None and kind in ("commit", "claim"):
            self.note(kind)
        if self.faults.switches(kind):
            self.scheduler.give_way()
        match self.faults.at(kind):
            case "break":
                self.note(f"session lost at {kind}")
                session.lose()
            case "kill" if isinstance(actor.process, Process):
                self.kill(actor.process)

    # --- time goes on ---

    def step(self, until: float = float("inf")) -> bool:
        self._befall()
        self._deliver()
        due = min((one[0] for one in self.broker), default=until)
        return self.scheduler.step(min(due, until)) or bool(self.broker)

    def _deliver(self) -> None:
        now = self.scheduler.now
        due = [one for one in self.broker if one[0] <= now]
        able = [one for one in self.processes if not one.stopping]
        if not due or not able:
            if due:
                self.broker = [(max(at, now + 1.0), *rest) for at, *rest in self.broker]  # type: ignore[misc]
            return
        for one in due:
            self.broker.remove(one)
            _, task_id, attempt = one
            process = self.rng.choice(able)
            self.spawn(
                f"attempt {attempt} of {task_id.hex[8:12]}",
                lambda p=process, t=task_id, a=attempt: self._perform(p, t, a),
                process,
            )

    def _perform(self, process: Process, task_id: uuid.UUID, attempt: int) -> None:
        try:
            process.perform(task_id, attempt)
        except DatabaseError as error:
            self.note(f"attempt lost: {error}")  # Celery would log it; the row is the truth

    def _befall(self) -> None:
        """What happens to processes and clocks between two steps."""
        match self.faults.between():
            case "kill" if self.processes:
                self.kill(self.rng.choice(self.processes))
            case "stop" if self.processes:
                process = self.rng.choice(self.processes)
                if hasattr(process, "loop") and not process.stopping:
                    self.note(f"stop {process.name}")
                    process.stop()
                    self.processes.remove(process)
            case "freeze" if self.processes:
                self._freeze(self.rng.choice(self.processes))
            case "jump":
                self.rng.choice(self.hosts).skew = self.rng.uniform(-20.0, 20.0)
            case "flush":
                self.broker.clear()
            case "break" if self.scheduler.actors:
                actor = self.rng.choice(self.scheduler.actors)
                if actor.database.connection is not None:
                    actor.database.connection.lose()
        while len(self.processes) < 2:
            self.add_process()

    def _freeze(self, process: Process) -> None:
        """A process stands still, maybe for longer than its lease, with its sessions and locks."""
        self.note(f"freeze {process.name}")
        until = self.scheduler.now + self.rng.choice([2.0, 10.0, 40.0])
        for actor in self.scheduler.actors:
            if actor.process is process:
                actor.wakes_at = max(actor.wakes_at, until)
                actor.hears_bells = False

    def heal(self) -> None:
        """From now on nothing bad happens, and clocks agree."""
        self.note("healed")
        self.faults.over = True
        for host in self.hosts:
            host.skew = 0.0
        self.spawn("beat", self._beat, self)

    @property
    def host(self) -> Host:
        return self.hosts[0]

    def _beat(self) -> None:
        while True:
            self.scheduler.sleep(settings.TICK_INTERVAL)
            try:
                tick()
            except DatabaseError:
                connections["default"].close()
