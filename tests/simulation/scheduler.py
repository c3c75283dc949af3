"""Actors that take turns in one thread, as a seed says. Each is a greenlet with a session of its own.

An actor runs real, blocking code. It gives way where that code runs a statement, commits, sleeps or waits for
a lock; which actor goes on is drawn. Time is a number that grows a little with each step, and jumps to the
next awaited moment when nobody is ready.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import Any

import greenlet
from django.db import connections

from tests.simulation.database import Killed, Transaction
from tests.simulation.sessions import SimulatedDatabaseWrapper


class Stuck(Exception):
    """Nobody can go on, or nobody comes to an end."""


class Actor:
    """One thread of a simulated process."""

    def __init__(self, name: str, process: Any, database: SimulatedDatabaseWrapper) -> None:
        self.name = name
        self.process = process
        self.database = database
        self.greenlet: greenlet.greenlet
        self.wakes_at = 0.0
        self.waits_for: Transaction | None = None
        self.hears_bells = False
        self.error: BaseException | None = None

    def is_ready(self, now: float) -> bool:
        if self.waits_for is not None:
            return self.waits_for.over or self.database.is_lost
        return self.wakes_at <= now


class Scheduler:
    """Lets actors go on, one at a time."""

    def __init__(self, rng: random.Random) -> None:
        self.rng = rng
        self.now = 0.0
        self.actors: list[Actor] = []
        self.current: Actor | None = None
        self.steps = 0
        self._main = connections["default"]
        self._lost: list[Actor] = []

    def spawn(
        self, name: str, act: Callable[[], None], process: Any, database: SimulatedDatabaseWrapper
    ) -> Actor:
        actor = Actor(name, process, database)

        def run() -> None:
            try:
                act()
            except Killed:
                pass
            except BaseException as error:
                actor.error = error

        actor.greenlet = greenlet.greenlet(run)
        self.actors.append(actor)
        return actor

    # --- what actors call ---

    def give_way(self) -> None:
        """Let others go on, maybe."""
        actor = self.current
        if actor is None:
            return
        if actor.database.is_lost:
            raise Killed
        actor.greenlet.parent.switch()
        if actor.database.is_lost:
            raise Killed

    def sleep(self, seconds: float, *, hears_bells: bool = False) -> None:
        actor = self.current
        assert actor is not None
        actor.wakes_at = self.now + seconds
        actor.hears_bells = hears_bells
        self.give_way()
        actor.hears_bells = False

    def wait_for(self, transaction: Transaction) -> None:
        actor = self.current
        assert actor is not None
        actor.waits_for = transaction
        self.give_way()
        actor.waits_for = None
        actor.database.connection.check()

    # --- what the world calls ---

    def lose(self, process: Any) -> None:
        """End all actors of a process where they are. They are unwound behind the current step."""
        for actor in [one for one in self.actors if one.process is process]:
            actor.database.die()
            self.actors.remove(actor)
            self._lost.append(actor)

    def step(self, until: float = float("inf")) -> bool:
        """Let one actor go on; False when none does before a moment."""
        self.steps += 1
        self.now += self.rng.random() * 0.01
        ready = [actor for actor in self.actors if actor.is_ready(self.now)]
        if not ready:
            waking = [one.wakes_at for one in self.actors if one.waits_for is None]
            if not waking:
                raise Stuck(f"{[actor.name for actor in self.actors]} wait for each other")
            if min(waking) > until:
                self.now = until
                return False
            self.now = max(self.now, min(waking))
            ready = [actor for actor in self.actors if actor.is_ready(self.now)]
        self._switch(self.rng.choice(ready))
        while self._lost:
            self._unwind(self._lost.pop())
        return True

    def _switch(self, actor: Actor) -> None:
        self._in_the_shoes_of(actor, actor.greenlet.switch)
        if actor.greenlet.dead:
            if actor in self.actors:
                self.actors.remove(actor)
            actor.database.close()
            if actor.error is not None:
                raise actor.error

    def _unwind(self, actor: Actor) -> None:
        if actor.greenlet:  # it has begun and not ended
            self._in_the_shoes_of(actor, lambda: actor.greenlet.throw(Killed))

    def _in_the_shoes_of(self, actor: Actor, act: Callable[[], Any]) -> None:
        actor.greenlet.parent = greenlet.getcurrent()
        connections["default"] = actor.database
        self.current = actor
        try:
            act()
        finally:
            self.current = None
            connections["default"] = self._main

    def end(self) -> None:
        """Unwind all that is left."""
        for process in {id(actor.process): actor.process for actor in self.actors}.values():
            self.lose(process)
        while self._lost:
            self._unwind(self._lost.pop())
