"""What happens in a simulated world: generated families of workflows, and clients that disturb them."""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import Any

from django.db import Error as DatabaseError
from django.db import connections

from aion import activity, client
from aion.client import WorkflowHandle
from aion.core.errors import AionError, RunClosed, WorkflowAlreadyStarted
from aion.store.dialects import atomic, connection
from tests.language.families import Member, Node
from tests.simulation.world import World
from tests.support import kit

LEDGER = "CREATE TABLE sim_ledger (id integer PRIMARY KEY AUTOINCREMENT, run text, activity text)"


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
        kit.ACTS["work"] = self._work
        kit.ACTS["book"] = self._book
        self.count = self.rng.choice([1, 1, 2, 3])
        for number in range(self.count):
            world.spawn(f"client {number}", lambda n=number: self._talk(n), world)

    # --- activities ---

    def _work(self, name: str) -> str:
        self.world.scheduler.sleep(self._duration())
        if name == "bad":
            raise ValueError(name)
        return f"done {name}"

    def _book(self, name: str) -> str:
        info = activity.info()
        with connection().cursor() as cursor:
            cursor.execute(
                "INSERT INTO sim_ledger (run, activity) VALUES (%s, %s)",
                [info.run_id, info.activity_id],
            )
        self.world.scheduler.sleep(self._duration())
        return f"booked {name}"

    def _duration(self) -> float:
        if self.world.faults.over:
            return 0.0
        return self.rng.choice([0.0, 0.0, 0.1, 1.0, 25.0])

    # --- clients ---

    def _talk(self, number: int) -> None:
        me = f"m{number}"
        program = program_of(self.rng)
        self.world.note(f"{me}: {program}")
        self._start(me, program)
        for turn in range(self.rng.randrange(6)):
            self.world.scheduler.sleep(self.rng.choice([0.0, 0.5, 3.0]))
            to = me if self.rng.random() < 0.7 else f"{me}.1"
            self.rng.choice(self._verbs)(self, to, f"{me}-{turn}")

    def _start(self, workflow_id: str, program: Node) -> None:
        key = f"start {workflow_id}"

        def start() -> None:
            client.start_workflow(Member, program, id=workflow_id, request_id=key)

        if self.rng.random() < 0.2:
            self._roll_back(start, f"start {workflow_id}")
        if self._until_answered(start):
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
        if self._until_answered(signal):
            self.accepted.append((to, key))

    def _cancel(self, to: str, key: str) -> None:
        self._until_answered(lambda: WorkflowHandle(to, None).cancel("enough"))

    def _terminate(self, to: str, key: str) -> None:
        self._until_answered(lambda: WorkflowHandle(to, None).terminate("by chance"))

    def _pause(self, to: str, key: str) -> None:
        self._until_answered(WorkflowHandle(to, None).pause)
        self.world.scheduler.sleep(self.rng.choice([0.1, 3.0]))
        self._until_answered(WorkflowHandle(to, None).resume)

    def _update(self, to: str, key: str) -> None:
        number = self.rng.randrange(30)
        self._until_answered(
            lambda: WorkflowHandle(to, None).start_update("ask", number, id=key, wait_for="")
        )

    def _query(self, to: str, key: str) -> None:
        self._until_answered(lambda: WorkflowHandle(to, None).query("length"))

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

    def _until_answered(self, act: Callable[[], Any]) -> bool:
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


# --- programs -------------------------------------------------------------------------------------


def program_of(rng: random.Random) -> Node:
    """A program for `families.Member`, of a few leaves."""
    return ["sequence", [_node(rng, 2) for _ in range(rng.randint(1, 3))]]


def _node(rng: random.Random, depth: int) -> Node:
    if depth == 0 or rng.random() < 0.5:
        return rng.choice(_LEAVES)(rng)
    return rng.choice(_BRANCHES)(rng, depth - 1)


def _name(rng: random.Random) -> str:
    return rng.choice(["a", "b", "bad"])


_SECONDS = (0, 1, 5)

_LEAVES: tuple[Callable[[random.Random], Node], ...] = (
    lambda rng: ["activity", _name(rng), rng.choice(["try", "wait", "abandon"])],
    lambda rng: ["activity", "a", "wait"],
    lambda rng: ["local", _name(rng)],
    lambda rng: ["booking", rng.choice([True, False])],
    lambda rng: ["booking", rng.choice([True, False])],
    lambda rng: [rng.choice(["sleep", "note", "receive"]), rng.choice(_SECONDS)],
    lambda rng: [
        "tell",
        rng.choice(["self", "parent", "1", "1", "2", "nobody"]),
        rng.choice(["note", "mail", "cancel"]),
    ],
    lambda rng: ["show", _name(rng)],
    lambda rng: [rng.choice(["again", "raise"])],
)

_BRANCHES: tuple[Callable[[random.Random, int], Node], ...] = (
    lambda rng, depth: [
        "child",
        _node(rng, depth),
        rng.choice(["terminate", "abandon", "request_cancel"]),
        rng.choice(["wait", "try", "abandon"]),
        rng.random() < 0.5,
    ],
    lambda rng, depth: [
        rng.choice(["sequence", "gather", "race", "map"]),
        [_node(rng, depth) for _ in range(rng.randint(2, 3))],
    ],
    lambda rng, depth: ["timeout", rng.choice(_SECONDS), _node(rng, depth)],
    lambda rng, depth: [rng.choice(["try", "saga"]), _node(rng, depth), _node(rng, 0)],
)
