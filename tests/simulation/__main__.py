"""`python -m tests.simulation --seconds 60 --seed 1`: live one seed after the other, and count.

Each process takes every n-th seed. A seed lives the same life in whichever process and order.
"""

from __future__ import annotations

import argparse
import gc
import multiprocessing
import os
import sys
import time
from collections.abc import Iterator
from typing import Any

import django

_processes = multiprocessing.get_context("fork")  # which inherits what was set up


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=60.0)
    parser.add_argument("--seed", type=int, default=None, help="the first seed")
    parser.add_argument("--processes", type=int, default=len(os.sched_getaffinity(0)))
    parser.add_argument("--only", action="store_true", help="one seed, with all that happens in it")
    parser.add_argument("--histories", action="store_true", help="print what it left, too")
    arguments = parser.parse_args()
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings.test")
    django.setup()

    seed = time.time_ns() % 10**9 if arguments.seed is None else arguments.seed
    if arguments.only:
        return _tell(seed, histories=arguments.histories)
    return _live(seed, max(arguments.processes, 1), arguments.seconds)


# --- many seeds -----------------------------------------------------------------------------------


def _live(first: int, processes: int, seconds: float) -> int:
    begun = time.monotonic()
    results = _processes.SimpleQueue()
    workers = [
        _processes.Process(target=_live_some, args=(first + n, processes, begun + seconds, results))
        for n in range(processes)
    ]
    for worker in workers:
        worker.start()
    bad, steps, count = [], 0, 0
    for seed, found, took in _answers(results, workers):
        count += 1
        steps += took
        if found:
            bad.append(seed)
            print(f"seed {seed}:", *found[:5], sep="\n  ", flush=True)
    lost = [worker.exitcode for worker in workers if worker.exitcode]
    minutes = (time.monotonic() - begun) / 60
    print(
        f"{count} schedules from seed {first} in {processes} processes, {count / minutes:.0f} a minute, "
        f"{steps / max(count, 1):.0f} steps each; failed: {sorted(bad) or 'none'}"
        + (f"; processes ended with {lost}" if lost else "")
    )
    return int(bool(bad or lost))


def _live_some(first: int, step: int, until: float, results: Any) -> None:
    from tests.simulation.simulator import play, simulated

    seed = first
    with simulated() as database:
        gc.freeze()  # all that was loaded will stay
        gc.set_threshold(20_000)
        while True:
            world, found = play(seed, database)
            results.put((seed, found, world.scheduler.steps))
            seed += step
            if time.monotonic() >= until:
                return


def _answers(results: Any, workers: list[Any]) -> Iterator[tuple[int, list[str], int]]:
    """Give what the workers answer, until all of them have ended."""
    while any(worker.is_alive() for worker in workers) or not results.empty():
        if results.empty():
            time.sleep(0.05)
        else:
            yield results.get()


# --- one seed -------------------------------------------------------------------------------------


def _tell(seed: int, *, histories: bool) -> int:
    from tests.simulation.simulator import play, simulated

    with simulated() as database:
        world, found = play(seed, database, traced=True)
        if histories:
            _print_histories()
    print("\n".join([*(world.trace or []), *found]))
    return int(bool(found))


def _print_histories() -> None:
    from aion.models import Run
    from aion.store import histories

    for run in Run.objects.order_by("workflow_id", "first_seq"):
        print(f"{run.workflow_id} {run.id} {run.status}")
        for recorded in histories.load_one(run.id):
            print(f"  {recorded.seq:3} {recorded.recorded_at:%H:%M:%S.%f} {recorded.event}"[:200])


if __name__ == "__main__":
    sys.exit(main())
