"""Programs for `families.Member`, drawn: what the workflows of a simulated world do."""

from __future__ import annotations

import random
from collections.abc import Callable

from tests.language.families import Node


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

QUEUES = {
    "single": {"concurrency": 1},
    "keyed": {"concurrency": 2, "concurrency_per_key": 1},
    "slow": {"rate": 2.0},
}
"""Task queues with limits, as the setting has them."""

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
    lambda rng: ["watched", rng.choice(["pulse", "pulse", "slow", "hang"])],
    lambda rng: ["queued", rng.choice([*QUEUES]), rng.choice(["", "k", "l"])],
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
    lambda rng, _: _many(rng),
    lambda rng, _: _left_behind(rng),
    lambda rng, _: _steps(rng),
    lambda rng, depth: [rng.choice(["try", "saga"]), _node(rng, depth), _node(rng, 0)],
)


def _many(rng: random.Random) -> Node:
    """Several activities at once, which may travel in one message, or wait for each other's place."""
    leaf = rng.choice(
        [
            lambda: ["activity", _name(rng), "wait"],
            lambda: ["watched", rng.choice(["pulse", "slow"])],
            lambda: ["queued", "single", ""],
            lambda: ["queued", "keyed", rng.choice(["", "k", "k", "l"])],
        ]
    )
    return ["gather", [leaf() for _ in range(rng.randint(2, 5))]]


def _steps(rng: random.Random) -> Node:
    """Local steps one behind the other: the worker that owns the run goes on by itself."""
    steps = [["local", rng.choice(["a", "a", "bad"])] for _ in range(rng.randint(3, 8))]
    return [rng.choice(["sequence", "sequence", "gather"]), steps]


def _left_behind(rng: random.Random) -> Node:
    """A child that would live for ever, if its parent's close did not end it."""
    policy = rng.choice(["terminate", "request_cancel"])
    return ["timeout", rng.choice([0, 1]), ["child", ["forever"], policy, "abandon", False]]
