"""Release a held run: let it try again now, not when its delay has passed."""

from __future__ import annotations

import uuid

from aion.core.errors import WrongState
from aion.operations import bell
from aion.operations.clock import clock
from aion.operations.target import lock_open
from aion.store import holds
from aion.store.dialects import atomic


def release(workflow_id: str | None, run_id: uuid.UUID | str | None = None) -> None:
    """Let a held run try again with the code that the workers have now.

    Raises:
        RunNotFound: there is no such run.
        RunClosed: it has ended.
        WrongState: it is not held.
    """
    with atomic():
        run = lock_open(workflow_id, run_id)
        if run.held_until is None:
            raise WrongState(f"Run {run.id} is not held", run_id=run.id)
        holds.release(now=clock.now(), run_id=run.id)
        bell.ring_loops_after_commit()
