"""Signal a run."""

from __future__ import annotations

import uuid

import msgspec

from aion.core.events import SignalReceived
from aion.operations.checking import check_headers, check_text
from aion.operations.send import send


def signal(
    workflow_id: str | None,
    run_id: uuid.UUID | str | None,
    name: str,
    data: bytes,
    *,
    request_id: str = "",
    headers: dict[str, str] | None = None,
) -> uuid.UUID:
    """Send a signal with encoded arguments; the workflow sees it before it closes.

    Raises:
        RunNotFound: there is no such run.
        RunClosed: it has ended.
        InvalidArgument: name, request id or headers are no text.
    """
    check_text("name", name, most=None)
    check_headers(headers or {})
    event = SignalReceived(
        name=name, input=msgspec.Raw(data), request_id=request_id, headers=headers or {}
    )
    return send(workflow_id, run_id, event, request_id=request_id)
