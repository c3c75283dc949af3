"""What a batch of turns leads to."""

from __future__ import annotations

import dataclasses
import datetime as dt
import uuid
from collections.abc import Callable

from aion.core.ports import Handover
from aion.store.rows import Claimed
from aion_engine.replay.instance import Instance


@dataclasses.dataclass(slots=True)
class Batch:
    """What a batch did: to be handed over after the commit."""

    turns: int = 0
    events: int = 0
    left: int = 0  # runs claimed but not reached in time
    seen: set[uuid.UUID] = dataclasses.field(default_factory=set)  # runs whose outcomes are folded
    handovers: list[Handover] = dataclasses.field(default_factory=list)
    closed: list[uuid.UUID] = dataclasses.field(default_factory=list)
    answered: list[uuid.UUID] = dataclasses.field(
        default_factory=list
    )  # runs with updates to answer
    posted: bool = False  # messages went to mailboxes, maybe to these very runs
    timers: list[dt.datetime] = dataclasses.field(default_factory=list)
    locals: list[tuple[Claimed, Instance]] = dataclasses.field(default_factory=list)
    committed: list[Callable[[], object]] = dataclasses.field(
        default_factory=list
    )  # what interceptors wait to do, and signals
