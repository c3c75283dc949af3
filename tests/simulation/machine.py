"""What the code under test takes for its machine: time, chance and new ids are the world's.

All that happens in a world happens in one thread. Threads that other tests have left behind live on, and keep
the real machine: one of them would take a number of the world's chance, or sleep in the middle of its life.
"""

from __future__ import annotations

import random
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import Any
from unittest import mock

from aion.core import ids
from tests.simulation import world as worlds

_FLOORS = ("aion.operations", "aion.store", "aion_engine.runtime")


class Time:
    """What modules know as `time`."""

    def sleep(self, seconds: float) -> None:
        worlds.current.scheduler.sleep(seconds)

    def monotonic(self) -> float:
        return worlds.current.scheduler.now

    perf_counter = monotonic


class Chance:
    """What modules know as `random`."""

    def random(self) -> float:
        return worlds.current.rng.random()

    def uniform(self, low: float, high: float) -> float:
        return worlds.current.rng.uniform(low, high)


class Ids:
    """The source of new ids."""

    def next(self) -> Any:
        return worlds.current.new_id()


class OfItsThread:
    """One thing in the thread that makes it, another in all others."""

    def __init__(self, here: Any, elsewhere: Any) -> None:
        self._thread = threading.get_ident()
        self._here = here
        self._elsewhere = elsewhere

    def __getattr__(self, name: str) -> Any:
        is_here = threading.get_ident() == self._thread
        return getattr(self._here if is_here else self._elsewhere, name)


@contextmanager
def simulated_machine() -> Iterator[None]:
    """Put the world's time and chance in the place of the machine's, in every module that asks for them.

    Whatever a module asks of them that is not here fails loudly: no seed may depend on the real ones.
    """
    with ExitStack() as stack:
        new_ids = OfItsThread(Ids(), ids._generator)
        stack.enter_context(mock.patch.object(ids, "_generator", new_ids))
        for name, module in list(sys.modules.items()):
            if not name.startswith(_FLOORS):
                continue
            for attribute, real, ours in (("time", time, Time()), ("random", random, Chance())):
                if vars(module).get(attribute) is real:
                    ours_here = OfItsThread(ours, real)
                    stack.enter_context(mock.patch.object(module, attribute, ours_here))
        yield
