"""Finds attempts that are a process's own by their rows, and that it does not run.

Such an attempt was claimed by a statement whose answer was lost with the connection, or its outcome could not
be written for too long. Nobody will settle it; and since its worker lives, no lease ends. Without this it
would wait for its own timeouts, which are an hour by default.
"""

from __future__ import annotations

import os
import uuid
from collections.abc import Iterable

from aion.conf import settings
from aion_engine.runtime.board import Notice
from aion_engine.runtime.execution import Running
from aion_engine.runtime.giving_up import give_up_held


class Strangers:
    """Compares what the rows say of this process with what it runs, at each look.

    An attempt is claimed a moment before it is known here, so it counts when it was a stranger at all looks
    during a third of the lease.
    """

    def __init__(self, owner_id: uuid.UUID) -> None:
        self._owner_id = owner_id
        self._since: dict[tuple[str, int], float] = {}

    def give_up(self, running: Iterable[Running], notice: Notice) -> int:
        """Give up those that are strangers for too long; give their number."""
        found = self._found(running, notice)
        for task_id, number in found:
            give_up_held(self._owner_id, task_id, number, "its worker does not run it")
        return len(found)

    def _found(self, running: Iterable[Running], notice: Notice) -> list[tuple[uuid.UUID, int]]:
        known = {item.attempt.id.hex for item in running}
        strange = [
            (name, number)
            for name, (number, _) in notice.held.items()
            if notice.pids.get(name) == os.getpid() and name not in known
        ]
        self._since = {each: self._since.get(each, notice.looked_at) for each in strange}
        grace = settings.LEASE / 3
        return [
            (uuid.UUID(name), number)
            for (name, number), since in self._since.items()
            if notice.looked_at - since >= grace
        ]
