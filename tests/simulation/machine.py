"""What the code under test takes for its machine: time, chance and new ids are the world's."""

from __future__ import annotations

import random
import sys
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

    @staticmethod
    def sleep(seconds: float) -> None:
        worlds.current.scheduler.sleep(seconds)

    @staticmethod
    def monotonic() -> float:
        return worlds.current.scheduler.now

    perf_counter = monotonic


class Chance:
    """What modules know as `random`."""

    @staticmethod
    def random() -> float:
        return worlds.current.rng.random()

    @staticmethod
    def uniform(low: float, high: float) -> float:
        return worlds.current.rng.uniform(low, high)


class Ids:
    """The source of new ids."""

    def next(self) -> Any:
        return worlds.current.new_id()


@contextmanager
def simulated_machine() -> Iterator[None]:
    """Put the world's time and chance in the place of the machine's, in every module that asks for them.

    Whatever a module asks of them that is not here fails loudly: no seed may depend on the real ones.
    """
    with ExitStack() as stack:
        stack.enter_context(mock.patch.object(ids, "_generator", Ids()))
        for name, module in list(sys.modules.items()):
            if not name.startswith(_FLOORS):
                continue
            for attribute, real, ours in (("time", time, Time), ("random", random, Chance)):
                if vars(module).get(attribute) is real:
                    stack.enter_context(mock.patch.object(module, attribute, ours))
        yield
