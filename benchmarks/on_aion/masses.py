"""A hundred thousand runs that sleep, two hundred whose worker dies, half a million messages."""

from __future__ import annotations

import os
import time
import uuid
from collections.abc import Callable
from pathlib import Path

from aion import client
from aion.core.events import SignalReceived
from aion.models import Run, Timer, Worker
from aion.operations.bell import the_bell
from aion.operations.clock import clock
from aion.store import mailbox
from aion_engine.runtime.tick import tick
from benchmarks.app.workflows import Counting, interrupted, sleeper
from benchmarks.counted import Counter, counting
from benchmarks.figures import Figures, Size
from benchmarks.measuring import call_durations, percentile, stopwatch, wait_until
from benchmarks.on_aion.copies import copy_run
from benchmarks.on_aion.throughput import start_many
from benchmarks.on_aion.worker import done_activities, wait_until_closed, wait_until_idle, working

_LEASE = 3.0  # seconds; what it is does not count, only what happens when it has ended
_DEEP = 4  # messages in a mailbox


def sleeping_runs(size: Size) -> Figures:
    """Let one run fall asleep, and copy its rows; the worker knows none of the copies."""
    directory = Path(os.environ["AION_BENCHMARKS_DIRECTORY"])
    with counting(directory / "statements") as counter, working() as workers:
        handle = client.start_workflow(sleeper)
        assert handle.run_id is not None
        wait_until(Timer.objects.exists, timeout=30)
        before = _settled(workers.processes.memory_mib, size["seconds"])
        copy_run(handle.run_id, size["runs"])
        after = _settled(workers.processes.memory_mib, size["seconds"])
        rate = _statements_per_second(counter, size["seconds"])
        ticks = call_durations(lambda: tick(force=True), calls=10)
    assert Timer.objects.count() == size["runs"] + 1
    return {
        "": after - before,
        "rss": after,
        "each": (after - before) * 1024 / size["runs"],
        "statements": rate,
        "tick": percentile(ticks, 50) * 1000,
    }


def _settled(value: Callable[[], float], seconds: float) -> float:
    time.sleep(seconds)
    return value()


def _statements_per_second(counter: Counter, seconds: float) -> float:
    before = counter.value
    with stopwatch() as watch:
        time.sleep(seconds)
    return (counter.value - before) / watch.seconds


def recovery(size: Size) -> Figures:
    """Kill a worker and let another, which is there already, go on when the lease has ended."""
    block = Path(os.environ["AION_BENCHMARKS_DIRECTORY"]) / "block"
    block.touch()
    environment = {"AION_LEASE": str(_LEASE), "AION_BENCHMARKS_BLOCK": str(block)}
    start_many(interrupted, size["done"], size["steps"], count=size["runs"])
    with working(environment=environment) as doomed:
        wait_until(lambda: done_activities() == size["runs"] * size["done"], timeout=120)
        wait_until_idle()
        owner = Worker.objects.get()
        with working(environment=environment):
            doomed.processes.kill()
            last_seen = Worker.objects.values_list("last_seen_at", flat=True).get(pk=owner.pk)
            block.unlink()
            wait_until_closed()
    ended = Run.objects.order_by("-closed_at").values_list("closed_at", flat=True)[0]
    assert ended is not None
    assert done_activities() == size["runs"] * size["steps"]
    return {"": (ended - last_seen).total_seconds() - _LEASE}


def long_load(size: Size) -> Figures:
    """Keep the mailboxes of many runs full, and look how many messages are folded, tenth by tenth.

    Each of them also cancels a timer and sets another, so messages, timers and runs are all rewritten.
    """
    count, parts = size["runs"], 10
    rounds = max(size["messages"] // (count * parts * _DEEP), 1)
    start_many(Counting, count=count)
    run_ids = list(Run.objects.values_list("id", flat=True))
    rates = []
    with working():
        wait_until_idle()
        for _ in range(parts):
            with stopwatch() as watch:
                for _ in range(rounds):
                    _post(run_ids)
                    wait_until_idle()
            rates.append(rounds * count * _DEEP / watch.seconds)
    return {"": rates[-1] / rates[0], "rate": rates}


def _post(run_ids: list[uuid.UUID]) -> None:
    signal = SignalReceived(name="count")
    messages = [mailbox.message(run_id, signal) for run_id in run_ids for _ in range(_DEEP)]
    mailbox.post(messages, now=clock.now())
    the_bell().ring_loops()
