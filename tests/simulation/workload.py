"""What happens in a simulated world: generated families of workflows, and clients that disturb them."""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import Any

from django.db import Error as DatabaseError
from django.db import connections

from aion import client
from aion.client import WorkflowHandle
from aion.core.errors import AionError, RunClosed, WorkflowAlreadyStarted
from aion.core.pending import effective, group_ends
from aion.store.dialects import atomic
from tests.language.families import Member, Node
from tests.simulation.activities import Activities
from tests.simulation.planner import Planner
from tests.simulation.programs import program_of
from tests.simulation.world import World


class RolledBack(Exception):
    """Ends a client's transaction on purpose."""


class Workload:
    """Starts workflows and talks to them; remembers what it was promised."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.rng = random.Random(world.seed ^ 0x5EED)
        self.is_sealed = False
        self.accepted: list[tuple[str, str]] = []  # workflow id, request id of a signal
        self.withdrawn: list[str] = []  # request ids of what was rolled back
        self.started: list[tuple[str, str]] = []
        self.activities = Activities(world)
        self.count = self.rng.choice([1, 1, 2, 3])
        for number in range(self.count):
            world.spawn(f"client {number}", lambda n=number: self._talk(n), world)
        if self.rng.random() < 0.3:
            planner = Planner(world, self)
            world.spawn("planner", planner.plan, world)

    def _talk(self, number: int) -> None:
        me = f"m{number}"
        program = program_of(self.rng)
        self.world.note(f"{me}: {program}")
        self._start(me, program)
        for turn in range(self.rng.randrange(6)):
            self.world.scheduler.sleep(self.rng.choice([0.0, 0.5, 3.0]))
            to = me if self.rng.random() < 0.7 else f"{me}.1"
            self.rng.choice(self._verbs)(self, to, f"{me}-{turn}")
        if self.rng.random() < 0.3:
            self._try_again(me)

    def _start(self, workflow_id: str, program: Node) -> None:
        key = f"start {workflow_id}"

        def start() -> None:
            client.start_workflow(Member, program, id=workflow_id, request_id=key)

        if self.rng.random() < 0.2:
            self._roll_back(start, f"start {workflow_id}")
        if self.until_answered(start):
            self.started.append((workflow_id, key))

    def _signal(self, to: str, key: str) -> None:
        name = self.rng.choice(["note", "mail", "chore"])
        args = {"note": [], "mail": [7], "chore": ["c"]}[name]

        def signal() -> None:
            WorkflowHandle(to, None).signal(name, *args, request_id=key)

        if self.rng.random() < 0.2:
            self.withdrawn.append(f"{key} rolled back")
            self._roll_back(
                lambda: WorkflowHandle(to, None).signal(
                    name, *args, request_id=f"{key} rolled back"
                ),
                key,
            )
        if self.until_answered(signal):
            self.accepted.append((to, key))

    def _cancel(self, to: str, key: str) -> None:
        self.until_answered(lambda: WorkflowHandle(to, None).cancel("enough"))

    def _terminate(self, to: str, key: str) -> None:
        self.until_answered(lambda: WorkflowHandle(to, None).terminate("by chance"))

    def _pause(self, to: str, key: str) -> None:
        self.until_answered(WorkflowHandle(to, None).pause)
        self.world.scheduler.sleep(self.rng.choice([0.1, 3.0]))
        self.until_answered(WorkflowHandle(to, None).resume)

    def _update(self, to: str, key: str) -> None:
        number = self.rng.randrange(30)
        self.until_answered(
            lambda: WorkflowHandle(to, None).start_update("ask", number, id=key, wait_for="")
        )

    def _query(self, to: str, key: str) -> None:
        self.until_answered(lambda: WorkflowHandle(to, None).query("length"))

    def _try_again(self, me: str) -> None:
        """Wait for an end, and if it is one, let the run go on from before it."""
        for _ in range(10):
            self.world.scheduler.sleep(3.0)
            if self.until_answered(lambda: WorkflowHandle(me, None).reopen("once more")):
                return

    def _reopen(self, to: str, key: str) -> None:
        if to.count(".") == 0:  # a child whose parent is gone might never end
            self.until_answered(lambda: WorkflowHandle(to, None).reopen("by chance"))

    def _reset(self, to: str, key: str) -> None:
        if to.count(".") == 0:
            chance = self.rng.random()
            self.until_answered(lambda: self._reset_to(to, chance))

    def _reset_to(self, to: str, chance: float) -> None:
        handle = WorkflowHandle(to, None)
        places = group_ends(effective(handle.fetch_history()))
        handle.reset(places[int(chance * len(places))])

    _verbs = (
        _signal,
        _signal,
        _signal,
        _signal,
        _cancel,
        _terminate,
        _pause,
        _update,
        _update,
        _query,
        _reopen,
        _reset,
        _reset,
    )

    def _roll_back(self, act: Callable[[], Any], what: str) -> None:
        try:
            with atomic():
                act()
                raise RolledBack
        except (RolledBack, AionError):
            self.world.note(f"rolled back: {what}")
        except DatabaseError:
            connections["default"].close()

    def until_answered(self, act: Callable[[], Any]) -> bool:
        """Repeat a call whose fate is unknown; tell whether it was accepted."""
        while True:
            try:
                act()
            except DatabaseError:
                connections["default"].close()
                self.world.scheduler.sleep(0.5)
            except WorkflowAlreadyStarted:
                raise
            except (AionError, RunClosed) as error:
                self.world.note(f"refused: {error}")
                return False
            else:
                return True
