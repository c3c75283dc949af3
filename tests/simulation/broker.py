"""The broker and the bell: what carries messages and rings, or does not."""

from __future__ import annotations

import dataclasses
import uuid
from collections.abc import Iterable, Sequence
from typing import Any

from aion.core.ports import Handover
from tests.simulation import world as worlds
from tests.simulation.database import Killed

Reference = tuple[uuid.UUID, int]

_NEVER = float("inf")


@dataclasses.dataclass
class Message:
    """Attempts that travel together, for a queue, with the moment of their arrival."""

    at: float
    queue: str
    attempts: list[Reference]


class Broker:
    """Messages on their way. Some get lost, arrive twice, or late; so their order is any."""

    def __init__(self, world: Any) -> None:
        self._world = world
        self.waiting: list[Message] = []

    def send(self, handovers: Sequence[Handover]) -> None:
        """Cut what is handed over into messages, or put it to what waits for its queue, as chance says."""
        faults = self._world.faults
        for one in handovers:
            reference = (one.task_id, one.attempt)
            company = [message for message in self.waiting if message.queue == one.task_queue]
            if company and not one.doubtful and faults.bundles():
                company[-1].attempts.append(reference)
                continue
            now = self._world.scheduler.now
            self.waiting += [
                Message(now + delay, one.task_queue, [reference]) for delay in faults.deliveries()
            ]

    def next_due(self) -> float:
        if not self.waiting:
            return _NEVER
        return min(message.at for message in self.waiting)

    def take_due(self, *, somebody: bool) -> list[Message]:
        """Take what has come; it waits a while when there is nobody to take it."""
        now = self._world.scheduler.now
        due = [message for message in self.waiting if message.at <= now]
        if not due:
            return []
        if not somebody:
            for message in due:
                message.at = now + 1.0
            return []
        self.waiting = [message for message in self.waiting if message.at > now]
        return due


class Dispatcher:
    """Hands attempts over to the broker of the world that is."""

    def publish(self, handovers: Sequence[Handover]) -> None:
        actor = worlds.current.scheduler.current
        if actor is not None and actor.database.is_lost:
            raise Killed  # nothing of the dead reaches anybody
        worlds.current.broker.send(handovers)


class Bell:
    """Rings for the loops of all processes, and sometimes does not."""

    listens = drives = False

    def ring_loops(self, *, urgent: bool = True) -> None:
        world = worlds.current
        for actor in world.scheduler.actors:
            if actor.hears_bells and not world.faults.loses_ring():
                actor.wakes_at = world.scheduler.now

    def ring_activities(self) -> None:
        pass  # no process of the world claims attempts without a broker

    def ring_closed(self, run_ids: Iterable[uuid.UUID]) -> None:
        pass

    def loop_waiter(self) -> Waiter:
        return Waiter()

    def activity_waiter(self) -> Waiter:
        return Waiter()

    def result_waiter(self, run_id: uuid.UUID) -> Waiter:
        return Waiter()


class Waiter:
    """Waits in virtual time."""

    rung = False

    def wait(self, timeout: float) -> bool:
        if not self.rung:
            worlds.current.scheduler.sleep(timeout, hears_bells=True)
        self.rung = False
        return True

    def wait_for_urgent(self, timeout: float) -> None:
        worlds.current.scheduler.sleep(timeout)

    def ring(self) -> None:
        self.rung = True
        scheduler = worlds.current.scheduler
        for actor in scheduler.actors:
            if actor.hears_bells:
                actor.wakes_at = scheduler.now

    def close(self) -> None:
        pass
