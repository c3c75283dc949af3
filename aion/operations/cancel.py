"""Ask a run to cancel itself."""

from __future__ import annotations

import uuid

from aion.core.events import CancelRequested
from aion.operations.checking import check_text
from aion.operations.send import send


def cancel(
    workflow_id: str | None, run_id: uuid.UUID | str | None = None, *, reason: str = ""
) -> uuid.UUID:
    """Request a cancel: the code sees `asyncio.CancelledError` once, may clean up, and ends.

    Raises:
        RunNotFound: there is no such run.
        RunClosed: it has ended.
        InvalidArgument: the reason is no text.
    """
    check_text("reason", reason, most=None)
    return send(workflow_id, run_id, CancelRequested(reason=reason))
