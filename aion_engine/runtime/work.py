"""A claimed run on its way through a batch."""

from __future__ import annotations

import dataclasses
import datetime as dt
from collections.abc import Callable, Sequence

from aion.core.events import ActivityOutcome, Event
from aion.core.history import Recorded
from aion.core.requests import UpdateRequest
from aion.core.sealing import Sealer
from aion.store import histories, sealing
from aion.store.dialects import dialect
from aion.store.rows import Claimed, RunRow
from aion.store.turns import TurnWrites
from aion_engine.replay.instance import Instance
from aion_engine.runtime.arrivals import arrivals_of


@dataclasses.dataclass(slots=True, eq=False)
class Work:
    """A claimed run, with what it needs for its turn: its live instance, or else its history."""

    claimed: Claimed
    outcomes: Sequence[ActivityOutcome]  # of local activities
    instance: Instance | None = None
    rows: list[histories.EventRow] = dataclasses.field(default_factory=list)
    pending: int = 0  # activities without an outcome, where their number has a limit
    to_tell: list[Callable[[], object]] = dataclasses.field(
        default_factory=list
    )  # once it is committed: what interceptors wait to do, and signals
    sealer: Sealer = dataclasses.field(default_factory=sealing.sealer)

    def __post_init__(self) -> None:
        if self.sealer.is_on:
            sealing.know(self.run.id, self.run.workflow_id, self.run.workflow_type)
            self.sealer = self.sealer.remembering()

    def read(self) -> tuple[list[Event | UpdateRequest], list[Recorded]]:
        """Give what is to be folded, and the history that it comes behind where no instance knows it.

        Raises:
            PayloadUnavailable: a payload cannot be brought back.
            HistoryError: an event cannot be read.
        """
        arrivals = arrivals_of(self.claimed, self.outcomes, self.sealer)
        return arrivals, histories.decode_rows(self.rows, self.run.id)

    def part_of(self, writes: TurnWrites) -> TurnWrites:
        """Give where this run's turn writes to: a part of its own, if that is sealed before it counts."""
        return TurnWrites() if self.sealer.is_on else writes

    @property
    def run(self) -> RunRow:
        """The run's row."""
        return self.claimed.run

    def moment(self, now: dt.datetime) -> dt.datetime:
        """Give when this turn happens: now, or the time of the run's last event if that is later."""
        if self.instance is not None:
            return max(now, self.instance.recorded_until)
        return max([now, *(dialect().read_time(row[2]) for row in self.rows[-1:])])

    def drop_instance(self) -> None:
        """Throw the live instance away; its coroutines end now."""
        if self.instance is not None:
            self.instance.close()
            self.instance = None
