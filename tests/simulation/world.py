"""A simulated installation: processes on hosts with clocks of their own, a broker, and what befalls them.

Turn loops, local activities, keepers, ticks, attempts and clients are the real ones; each runs in an actor.
Not real are the threads (actors), the broker and the bell (see `broker`), the database (see `database`), and
time.
"""

from __future__ import annotations

import datetime as dt
import random
import uuid
from collections.abc import Iterable
from typing import Any

from django.db import Error as DatabaseError
from django.db import connections

from aion.conf import settings
from aion_engine.runtime.tick import tick
from tests.simulation.broker import Broker
from tests.simulation.database import Database, Transaction
from tests.simulation.faults import Faults
from tests.simulation.processes import Beat, Host, Process
from tests.simulation.scheduler import Scheduler
from tests.simulation.sessions import Session, SimulatedDatabaseWrapper
from tests.support.clocks import START

current: World


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
        self.broker = Broker(self)
        self.hosts = [Host("a"), Host("b"), Host("c")]
        self.processes: list[Process] = []
        self.problems: list[str] = []
        self.trace: list[str] | None = [] if traced else None
        self.statements = 0
        self.most_statements = 0  # behind them nobody goes on unseen
        self._ids = 0
        self._made = 0
        database.empty()
        database.wait = self._wait
        database.snapshot_taken = self._snapshot_taken
        database.committed = lambda one: None
        for number in range(self.faults.beats):
            self.add_beat(number)

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
        self.statements += 1
        if self.faults.switches(kind) or self.statements > self.most_statements:
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
        due = min(self.broker.next_due(), until)
        return self.scheduler.step(due) or due < until

    def _deliver(self) -> None:
        if not self.broker.waiting:
            return
        able = [one for one in self.processes if not one.stopping]
        for message in self.broker.take_due(somebody=bool(able)):
            process = self.rng.choice(able)
            task_id, attempt = message.attempts[0]
            self.spawn(
                f"attempt {attempt} of {task_id.hex[8:12]}",
                lambda p=process, m=message: self._perform(p, m.attempts),
                process,
            )

    def _perform(self, process: Process, attempts: list[tuple[uuid.UUID, int]]) -> None:
        try:
            process.perform(attempts)
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
                self.broker.waiting.clear()
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
        self.add_beat(self.faults.beats)

    @property
    def host(self) -> Host:
        return self.hosts[0]

    def add_beat(self, number: int) -> None:
        """Let Celery's beat tick on one of the hosts; there may be several, by mistake."""
        beat = Beat(self.rng.choice(self.hosts))
        self.spawn(f"beat {number}", self._beat, beat)

    def _beat(self) -> None:
        while True:
            self.scheduler.sleep(settings.TICK_INTERVAL)
            try:
                tick()
            except DatabaseError:
                connections["default"].close()
