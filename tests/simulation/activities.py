"""What the activities of a simulated world do, and what they see of promises that are kept to them."""

from __future__ import annotations

import random
from typing import Any

from aion import activity
from aion.authoring.context import ActivityInfo
from aion.core.errors import CancelledError
from aion.store.dialects import connection
from tests.simulation.database import Transaction
from tests.simulation.programs import QUEUES
from tests.simulation.world import World
from tests.support import kit

LEDGER = "CREATE TABLE sim_ledger (id integer PRIMARY KEY AUTOINCREMENT, run text, activity text)"

_RUNNING = (
    "SELECT task_queue, limit_key, count(*) FROM aion_activitytask WHERE state = 'running' "
    "AND owner_id IS NOT NULL GROUP BY task_queue, limit_key"
)


class Activities:
    """The bodies of `kit.act` and `kit.booking`."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.rng = random.Random(world.seed ^ 0xAC7)
        self.begun: dict[tuple[str, str], int] = {}
        """The last attempt of each activity that was seen to run."""
        self._sent: dict[Any, int] = {}
        self._seen: dict[Any, int] = {}
        world.database.committed = self._count
        kit.ACTS.update(work=self._work, book=self._book, pulse=self._pulse)
        kit.ACTS.update(slow=self._slow, hang=self._hang)

    def _begin(self) -> ActivityInfo:
        info = activity.info()
        each = (info.run_id, info.activity_id)
        self.begun[each] = max(info.attempt, self.begun.get(each, 0))
        self._look_for_claim(info)
        return info

    def _look_for_claim(self, info: ActivityInfo) -> None:
        """What runs has been claimed; only a worker that stops gives an attempt back as it was."""
        actor = self.world.scheduler.current
        found = self.world.database.look(
            f"SELECT attempt, state FROM aion_activitytask WHERE activity_id = '{info.activity_id}' "
            f"AND run_id = '{info.run_id.replace('-', '')}'"
        )
        if found == [(info.attempt, "scheduled")] and not actor.process.stopping:
            self.world.problems.append(
                f"attempt {info.attempt} of activity {info.activity_id} of run {info.run_id} runs unclaimed"
            )

    def _work(self, name: str) -> str:
        self._begin()
        self._take_time()
        if name == "bad":
            raise ValueError(name)
        return f"done {name}"

    def _book(self, name: str) -> str:
        info = self._begin()
        with connection().cursor() as cursor:
            cursor.execute(
                "INSERT INTO sim_ledger (run, activity) VALUES (%s, %s)",
                [info.run_id, info.activity_id],
            )
        self._take_time()
        return f"booked {name}"

    def _pulse(self) -> str:
        """Count on from where the attempt before has come, as its heartbeats say."""
        info = self._begin()
        each = (info.run_id, info.activity_id, info.scheduled_at)
        count = info.heartbeat_details[0] if info.heartbeat_details else 0
        if not self._seen.get(each, 0) <= count <= self._sent.get(each, 0):
            self.world.problems.append(
                f"attempt {info.attempt} of activity {info.activity_id} of run {info.run_id} sees heartbeat "
                f"{count}; one before it saw {self._seen.get(each, 0)}, {self._sent.get(each, 0)} was sent"
            )
        self._seen[each] = count
        for _ in range(self.rng.randint(1, 3)):
            count += 1
            self._sent[each] = max(count, self._sent.get(each, 0))
            activity.heartbeat(count)
            self._take_time()
        return "pulse"

    def _slow(self) -> str:
        """Give no sign of life for so long that this may be the attempt that counts, or one given up."""
        self._begin()
        self.world.scheduler.sleep(self.rng.choice([3.0, 8.0, 12.0]))
        return "slow"

    def _hang(self) -> str:
        """Give no sign of life, and never end by itself."""
        self._begin()
        for _ in range(100):
            self.world.scheduler.sleep(5.0)
            if activity.is_cancelled():
                raise CancelledError("told to stop")
        return "hung"

    def _take_time(self) -> None:
        choice = self.rng.choice([0.0, 0.0, 0.1, 1.0, 25.0])
        self.world.scheduler.sleep(0.0 if self.world.faults.over else choice)

    # --- limits ---

    def _count(self, one: Transaction) -> None:
        """Look whether more attempts run than their queues allow, whenever that may have changed."""
        if not any(key[0] == "aion_activitytask" for key in one.changes):
            return
        running: dict[str, int] = {}
        for queue, key, count in self.world.database.look(_RUNNING):
            limits = QUEUES.get(queue, {})
            running[queue] = running.get(queue, 0) + count
            if key and count > limits.get("concurrency_per_key", count):
                self.world.problems.append(f"{count} run at once in queue {queue!r} for {key!r}")
            if running[queue] > limits.get("concurrency", running[queue]):
                self.world.problems.append(f"{running[queue]} run at once in queue {queue!r}")
