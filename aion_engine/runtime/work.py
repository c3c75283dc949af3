"""A claimed run on its way through a batch."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence

from aion.core.events import ActivityOutcome
from aion.store import histories
from aion.store.rows import Claimed, RunRow
from aion_engine.replay.instance import Instance


@dataclasses.dataclass(slots=True, eq=False)
class Work:
    """A claimed run, with what it needs for its turn: its live instance, or else its history."""

    claimed: Claimed
    outcomes: Sequence[ActivityOutcome]  # of local activities
    instance: Instance | None = None
    rows: list[histories.EventRow] = dataclasses.field(default_factory=list)
    to_tell: list[Callable[[], object]] = dataclasses.field(
        default_factory=list
    )  # once it is committed: what interceptors wait to do, and signals

    @property
    def run(self) -> RunRow:
        """The run's row."""
        return self.claimed.run

    def drop_instance(self) -> None:
        """Throw the live instance away; its coroutines end now."""
        if self.instance is not None:
            self.instance.close()
            self.instance = None
