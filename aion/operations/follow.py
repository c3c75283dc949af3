"""Follow the events of a run while it lives.

What is given was committed: a turn writes its events in one transaction, and only one turn of a run happens
at a time. So the events behind a seq, read in order, have no gap, and none comes later that belongs before
them. Whoever stops goes on from the last seq seen.

Nobody rings for events. The follower looks at the row of the run, which names the head, often at first and
then more rarely; the bell tells it of the close.
"""

from __future__ import annotations

from typing import Final

from aion.core.errors import InvalidArgument, ResultTimeout, RunNotFound
from aion.core.history import Recorded
from aion.core.ports import Waiter
from aion.operations.bell import the_bell, wait
from aion.operations.checking import check_count
from aion.operations.clock import clock
from aion.store import histories, runs

WINDOW: Final = 200
"""How many events are read at once; more are in the next window."""

_FIRST_LOOK: Final = 0.02
_LAST_LOOK: Final = 0.5


class Follower:
    """Reads a run's events from behind a seq on, a window at a time, until the run has ended.

    With `chain`, it goes on with the run that continues an ended one.

    Raises:
        InvalidArgument: `after` is no integer, or beyond the end of the history.
    """

    def __init__(self, run: runs.RunSummary, *, after: int = 0, chain: bool = False) -> None:
        check_count("after", after)
        if after > run.head_seq:
            raise InvalidArgument(
                f"after is {after}, but the history of run {run.id} ends at seq {run.head_seq}",
                field="after",
            )
        self._run_id = run.id
        self._seen = max(after, run.first_seq - 1)
        self._chain = chain

    def window(self, timeout: float | None = None) -> list[Recorded]:
        """Give the next events, one at least, waiting for them; none when the run has ended.

        Raises:
            ResultTimeout: there was none within `timeout` seconds.
            RunNotFound: the run was deleted meanwhile.
        """
        limit = None if timeout is None else clock.monotonic() + timeout
        waiter: Waiter | None = None
        pause = _FIRST_LOOK
        try:
            while True:
                found = self._look()
                if found is not None:
                    return found
                left = None if limit is None else limit - clock.monotonic()
                if left is not None and left <= 0:
                    text = (
                        f"Run {self._run_id} has no event behind seq {self._seen} yet; it goes on"
                    )
                    raise ResultTimeout(text, run_id=self._run_id)
                if waiter is None:
                    waiter = the_bell().result_waiter(self._run_id)
                wait(waiter, pause, left)
                pause = min(pause * 1.5, _LAST_LOOK)
        finally:
            if waiter is not None:
                waiter.close()

    def _look(self) -> list[Recorded] | None:
        """Give what is there, nothing at the end, None when there will be more."""
        while True:
            run = runs.get(self._run_id)
            if run is None:
                raise RunNotFound(f"No run has run id {self._run_id}", run_id=self._run_id)
            if run.head_seq > self._seen:
                found = histories.load_one(run.id, from_seq=self._seen + 1, limit=WINDOW)
                self._seen = found[-1].seq
                return found
            if run.closed_at is None:
                return None
            successor = runs.successor(run.id) if self._chain else None
            if successor is None:
                return []
            self._run_id = successor.id
