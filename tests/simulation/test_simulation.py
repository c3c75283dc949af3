"""Seeded worlds of several workers, clients and faults: whatever happens, every promise holds at rest.

`make simulate SECONDS=600` lives as many new ones as there is time for; `SEED=` says where to begin.
"""

from __future__ import annotations

import threading

import pytest

from aion.store import activity_limits
from aion_engine.runtime import redis_bell
from tests.simulation.database import Database
from tests.simulation.simulator import play

SEEDS = range(100, 112)

FAILED_ONCE = {
    41: "a resumed schedule forgot what waited, when it was triggered before the next tick",
    148: "the end of a terminated run lay before its last event: the client's clock was behind",
    77006: "the simulated database lost an update whose row went to a successor while others wrote",
    77127: "a run waited for a local activity that was over: the turn that folded it committed unseen",
}


@pytest.mark.slow
@pytest.mark.parametrize("first", SEEDS[::4])
def test_every_promise_holds_at_rest(first: int, simulation: Database) -> None:
    for seed in range(first, first + 4):
        _, problems = play(seed, simulation)

        assert not problems, f"seed {seed}: {problems}"


@pytest.mark.parametrize("seed", FAILED_ONCE)
def test_what_failed_once_holds(seed: int, simulation: Database) -> None:
    _, problems = play(seed, simulation)

    assert not problems


def test_a_seed_always_lives_the_same_life(simulation: Database) -> None:
    traces = [play(7, simulation, traced=True)[0].trace for _ in range(2)]

    assert traces[0]
    assert traces[0] == traces[1]


def test_a_thread_that_another_test_has_left_lives_by_the_real_machine(
    simulation: Database,
) -> None:
    """It sleeps, and asks for chance, while a world lives; the world's life is the same."""
    alone = play(7, simulation, traced=True)[0].trace
    over, seen = threading.Event(), []

    def live() -> None:
        while not over.is_set():
            redis_bell.time.sleep(0.001)
            seen.append(redis_bell.time.monotonic() - activity_limits.random.random())

    thread = threading.Thread(target=live)
    thread.start()
    try:
        beside = play(7, simulation, traced=True)[0].trace
    finally:
        over.set()
        thread.join(10)

    assert seen
    assert beside == alone
