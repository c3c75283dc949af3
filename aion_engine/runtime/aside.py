"""What waited for a run and does not become history there: it is answered, or goes elsewhere."""

from __future__ import annotations

import dataclasses
import uuid

from aion.core.events import Event, SignalReceived
from aion.core.failures import Failure, encode_failure
from aion.core.requests import UpdateRequest
from aion.store.turns import TurnWrites
from aion.store.updates import UpdateAnswer
from aion_engine.runtime import effects


@dataclasses.dataclass(slots=True)
class Aside:
    """What waited for a run and does not become history there."""

    refused: list[tuple[str, Failure]] = dataclasses.field(default_factory=list)  # updates
    # For the successor:
    passed_on: list[Event | UpdateRequest] = dataclasses.field(default_factory=list)
    repeated: list[SignalReceived] = dataclasses.field(default_factory=list)  # taken before

    def clear(self) -> None:
        """Forget everything: the turn is taken again."""
        for kept in (self.refused, self.passed_on, self.repeated):
            kept.clear()

    def answer(self, run_id: uuid.UUID, writes: TurnWrites) -> None:
        """Tell whoever waits for an answer."""
        writes.updates.extend(
            UpdateAnswer(run_id, update_id, "refused", None, encode_failure(failure).decode())
            for update_id, failure in self.refused
        )
        writes.messages_out.extend(effects.delivered(signal) for signal in self.repeated)
