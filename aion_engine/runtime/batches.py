"""What a batch of turns leads to."""

from __future__ import annotations

import dataclasses
import uuid
from collections.abc import Callable, Iterable, Iterator
from itertools import zip_longest
from typing import Final

from aion.core.ports import Handover
from aion.store.rows import Claimed
from aion_engine.replay.instance import Instance


@dataclasses.dataclass(slots=True)
class Batch:
    """What a batch did: to be handed over after the commit."""

    turns: int = 0
    left: int = 0  # runs claimed but not reached in time
    seen: set[uuid.UUID] = dataclasses.field(default_factory=set)  # runs whose outcomes are folded
    handovers: list[Handover] = dataclasses.field(default_factory=list)
    closed: list[uuid.UUID] = dataclasses.field(default_factory=list)
    answered: list[uuid.UUID] = dataclasses.field(
        default_factory=list
    )  # runs with updates to answer
    others_wait: bool = True  # whether there is mail, or a due timer, for anyone
    patient: bool = (
        False  # its runs have taken some outcomes of many, and their code does not go on
    )
    posted: bool = False  # messages went to mailboxes, maybe to these very runs
    locals: list[tuple[Claimed, Instance]] = dataclasses.field(default_factory=list)
    committed: list[Callable[[], object]] = dataclasses.field(
        default_factory=list
    )  # what interceptors wait to do, and signals


_FEWEST: Final = 8  # a batch claims at least so many runs


class Reach:
    """How many runs a batch claims: what the last one reached in its time, and more where time was left."""

    def __init__(self, most: int) -> None:
        self._most = most
        self.runs = most

    def learn(self, reached: int, *, left: int) -> None:
        """Take note of how many runs of a batch were reached, and how many were left."""
        if left:
            self.runs = min(max(reached + reached // 4, _FEWEST), self._most)
        else:
            self.runs = min(self.runs * 2, self._most)


def in_turn(claimed: Iterable[Claimed]) -> Iterator[Claimed]:
    """Take runs with mail and runs that only go on with local activities in turn, each in their order.

    A batch may end before all are reached: neither kind keeps the other waiting for ever.
    """
    with_mail: list[Claimed] = []
    going_on: list[Claimed] = []
    for one in claimed:
        (with_mail if one.messages or one.timers else going_on).append(one)
    pairs = zip_longest(going_on, with_mail)
    return (one for pair in pairs for one in pair if one is not None)
