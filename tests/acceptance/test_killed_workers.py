"""Workers are killed at random moments, and every order is carried out."""

from __future__ import annotations

import os
import random
import time

import pytest

from tests.acceptance import orders
from tests.acceptance.conftest import number
from tests.acceptance.processes import Cluster, Process

SEED = number("AION_SEED", int.from_bytes(os.urandom(3)))


@pytest.mark.timeout(600)
@pytest.mark.redis
@pytest.mark.postgres
def test_orders_survive_killed_celery_workers(workers: Cluster) -> None:
    kills, count = number("AION_KILLS", 3), number("AION_RUNS", 40)
    print(f"AION_SEED={SEED} AION_KILLS={kills} AION_RUNS={count}")
    begin = time.monotonic()

    def start(name: str) -> Process:
        return workers.celery(name, *(["-B"] if name == "first" else []), ready=False)

    running = [start("first"), start("second")]
    for process in running:
        process.wait_for(" ready.")
    keys = orders.start_orders(count)
    share = -(-count // kills)
    orders.kill_at_random(
        running,
        lambda process: start(process.name),
        kills=kills,
        chance=random.Random(SEED),
        pause=(0.2, 2.0),
        between=lambda n: orders.approve(keys[n * share : (n + 1) * share]),
    )

    orders.assert_all_went_well(keys, timeout=60 + count / 4)
    print(
        f"{count} orders, {kills} kills: {time.monotonic() - begin:.1f} s, {orders.repeated()} repeats"
    )


@pytest.mark.timeout(300)
def test_orders_survive_killed_embedded_workers(embedded_workers: Cluster) -> None:
    kills, count = number("AION_KILLS", 2), number("AION_RUNS", 12)
    print(f"AION_SEED={SEED} AION_KILLS={kills} AION_RUNS={count}")
    running = [embedded_workers.aion_worker(name) for name in ("first", "second")]
    keys = orders.start_orders(count)
    share = -(-count // kills)

    orders.kill_at_random(
        running,
        lambda process: embedded_workers.aion_worker(process.name, ready=False),
        kills=kills,
        chance=random.Random(SEED),
        pause=(0.1, 1.0),
        between=lambda n: orders.approve(keys[n * share : (n + 1) * share]),
    )

    orders.assert_all_went_well(keys, timeout=60 + count / 4)
