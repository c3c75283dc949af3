"""The faults, by name, and the injector that chooses among them by a seed and writes down what it did.

Between two faults something must happen, or nothing would be disturbed: the injector waits for events, not
only for time. Faults come from a deck: every one is there, shuffled, and dealt to the end before the deck is
shuffled again. So each kind comes equally often, and in a run that is long enough each has come.
"""

from __future__ import annotations

import contextlib
import json
import math
import os
import random
import signal
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Final

import redis

from tests.acceptance.chaos import points
from tests.acceptance.chaos.stage import DATABASE, QUEUE, Stage
from tests.acceptance.processes import Process
from tools.postgres_server import FAST, IMMEDIATE

LEASE: Final = 3.0
_MOST_PAUSE: Final = 8.0  # seconds without any event after which the next fault comes all the same

Fault = Callable[[Stage, random.Random], str]


# --- processes ---


def _worker(stage: Stage, chance: random.Random) -> Process | None:
    alive = [
        each for each in stage.workers.values() if each.alive and each.pid not in stage.suspended
    ]
    return chance.choice(alive) if alive else None


def _kill_worker(stage: Stage, chance: random.Random) -> str:
    """The parent; its pool processes are left to notice."""
    process = _worker(stage, chance)
    if process is None:
        return "none is alive"
    process.kill()
    return process.name


def _kill_worker_and_pool(stage: Stage, chance: random.Random) -> str:
    process = _worker(stage, chance)
    if process is None:
        return "none is alive"
    os.killpg(process.pid, signal.SIGKILL)
    process.popen.wait(10)
    return process.name


def _kill_pool_process(stage: Stage, chance: random.Random) -> str:
    process = _worker(stage, chance)
    children = _children(process)
    if process is None or not children:
        return "there is none"
    child = chance.choice(sorted(children))
    with contextlib.suppress(ProcessLookupError):
        os.kill(child, signal.SIGKILL)
    return f"{child} of {process.name}"


def _children(process: Process | None) -> list[int]:
    if process is None:
        return []
    path = Path(f"/proc/{process.pid}/task/{process.pid}/children")
    with contextlib.suppress(OSError):
        return [int(pid) for pid in path.read_text().split()]
    return []


def _terminate_worker(stage: Stage, chance: random.Random) -> str:
    process = _worker(stage, chance)
    if process is None:
        return "none is alive"
    threading.Thread(target=stage.hand_over, args=(process,), daemon=True).start()
    return process.name


def _suspend(stage: Stage, chance: random.Random, *, with_pool: bool) -> str:
    process = _worker(stage, chance)
    if process is None:
        return "none is alive"
    seconds = LEASE * chance.uniform(1.2, 2.0)
    stage.suspend(process, seconds, with_pool=with_pool)
    return f"{process.name} for {seconds:.1f} s"


def _suspend_worker(stage: Stage, chance: random.Random) -> str:
    """The parent only: its pool goes on under a lease that ends."""
    return _suspend(stage, chance, with_pool=False)


def _suspend_worker_and_pool(stage: Stage, chance: random.Random) -> str:
    return _suspend(stage, chance, with_pool=True)


def _kill_beat(stage: Stage, chance: random.Random) -> str:
    return _end(stage.beat, signal.SIGKILL)


def _terminate_beat(stage: Stage, chance: random.Random) -> str:
    return _end(stage.beat, signal.SIGTERM)


def _kill_callers(stage: Stage, chance: random.Random) -> str:
    return _end(stage.callers, signal.SIGKILL)


def _end(process: Process | None, how: signal.Signals) -> str:
    if process is None or not process.alive:
        return "it is not alive"
    process.send(how)
    return str(process.pid)


# --- servers ---


def _restart_postgres(stage: Stage, chance: random.Random) -> str:
    pause = chance.uniform(0.0, 1.0)
    stage.restart_postgres(FAST, pause)
    return f"away for {pause:.1f} s"


def _crash_postgres(stage: Stage, chance: random.Random) -> str:
    pause = chance.uniform(0.0, 1.0)
    stage.restart_postgres(IMMEDIATE, pause)
    return f"away for {pause:.1f} s"


_BACKENDS = (
    "SELECT pid FROM pg_stat_activity WHERE datname = %s AND pid <> pg_backend_pid() ORDER BY pid"
)


def _terminate_backends(stage: Stage, chance: random.Random) -> str:
    return _terminate(stage, lambda pids: pids)


def _terminate_one_backend(stage: Stage, chance: random.Random) -> str:
    return _terminate(stage, lambda pids: pids and [chance.choice(pids)])


def _terminate(stage: Stage, choose: Callable[[list[int]], list[int]]) -> str:
    with stage.database() as connection:
        pids = [row[0] for row in connection.execute(_BACKENDS, [DATABASE])]
        chosen = choose(pids)
        connection.execute("SELECT pg_terminate_backend(pid) FROM unnest(%s::int[]) pid", [chosen])
    return f"{len(chosen)} of {len(pids)}"


def _restart_redis(stage: Stage, chance: random.Random) -> str:
    pause = chance.uniform(0.0, 2.0)
    stage.restart_redis(pause)
    return f"away for {pause:.1f} s"


def _flush_redis(stage: Stage, chance: random.Random) -> str:
    return f"{stage.redis.flush()} keys"


def _double_messages(stage: Stage, chance: random.Random) -> str:
    """Put a copy of each message that waits behind it."""
    with redis.Redis.from_url(stage.redis.url) as broker:
        waiting = broker.lrange(QUEUE, 0, -1)
        if waiting:
            broker.lpush(QUEUE, *waiting)
    return f"{len(waiting)} messages"


def _hold_messages_back(stage: Stage, chance: random.Random) -> str:
    """Take the messages that wait out, and put them back when their rows have long been published again."""
    with redis.Redis.from_url(stage.redis.url) as broker:
        waiting = broker.lrange(QUEUE, 0, -1)
        broker.delete(QUEUE)
        if waiting:
            time.sleep(chance.uniform(0.5, 5.0))
            broker.lpush(QUEUE, *waiting)
    return f"{len(waiting)} messages"


# --- points in the code ---


def _at_point(point: str, action: str) -> Fault:
    def fault(stage: Stage, chance: random.Random) -> str:
        points.arm(stage.points, point, action)
        return "armed"

    return fault


FAULTS: Final[dict[str, Fault]] = {
    "kill a worker": _kill_worker,
    "kill a worker and its pool": _kill_worker_and_pool,
    "kill a pool process": _kill_pool_process,
    "stop a worker (SIGTERM)": _terminate_worker,
    "suspend a worker past its lease": _suspend_worker,
    "suspend a worker and its pool past its lease": _suspend_worker_and_pool,
    "kill beat": _kill_beat,
    "stop beat (SIGTERM)": _terminate_beat,
    "kill the callers": _kill_callers,
    "restart PostgreSQL (fast)": _restart_postgres,
    "restart PostgreSQL (immediate)": _crash_postgres,
    "terminate all backends": _terminate_backends,
    "terminate a backend": _terminate_one_backend,
    "kill Redis and start it empty": _restart_redis,
    "flush Redis": _flush_redis,
    "double the messages of the broker": _double_messages,
    "hold messages of the broker back": _hold_messages_back,
    **{
        f"{action} at {point}": _at_point(point, action)
        for point, actions in points.POINTS.items()
        for action in actions
    },
}
AT_POINTS: Final = {name for name in FAULTS if " at " in name}


class Injector:
    """Deals faults until it is told to stop."""

    def __init__(self, stage: Stage, seed: str, *, pause: tuple[float, float]) -> None:
        self._stage = stage
        self._chance = random.Random(f"{seed}:faults")
        self._pause = pause
        self._log = stage.directory / "faults.jsonl"
        self.counts: Counter[str] = Counter()

    def run(self, seconds: float, least: int) -> None:
        """Deal faults for so long, and at least so many kinds; supervise the processes meanwhile."""
        until = time.monotonic() + seconds
        for name in self._deck():
            pause = self._chance.uniform(*self._pause)
            enough = len(self.counts) >= least  # what happens at points is counted later
            if not self._supervise(pause, until if enough else math.inf):
                return
            begin = time.monotonic()
            try:
                detail = FAULTS[name](self._stage, self._chance)
                self._count(name)
            except Exception as error:  # one fault met another: there was nothing to disturb
                detail = f"not done: {type(error).__name__}: {error}"
            self._note(name, detail, time.monotonic() - begin)

    def _deck(self) -> Iterator[str]:
        while True:
            cards = list(FAULTS)
            self._chance.shuffle(cards)
            yield from cards

    def _supervise(self, pause: float, until: float) -> bool:
        """Start what died, for a while, then until the runs have moved; tell whether there is time left."""
        begin = time.monotonic()
        seen = self._stage.count_events()
        while (now := time.monotonic()) < until:
            self._stage.revive()
            time.sleep(0.05)
            waited = now - begin
            if waited >= _MOST_PAUSE or (waited >= pause and self._stage.count_events() > seen):
                return True
        return False

    def _count(self, name: str) -> None:
        if name not in AT_POINTS:
            self.counts[name] += 1

    def _note(self, name: str, detail: str, took: float) -> None:
        line: dict[str, Any] = {"at": time.time(), "fault": name, "detail": detail, "took": took}
        with self._log.open("a") as log:
            log.write(json.dumps(line) + "\n")

    def finish(self) -> None:
        """Take back what was armed and not reached; count what was."""
        points.disarm(self._stage.points)
        for each in points.fired(self._stage.points):
            self.counts[f"{each['action']} at {each['point']}"] += 1
