"""One verb for all the runs that a list would show."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from aion.client.calls import message, policy, waiting_twin
from aion.client.listing import type_name
from aion.operations import bulk as _bulk
from aion.operations.bulk import BulkResult, Walk
from aion.operations.filters import RunFilter
from aion.operations.policies import ResetPoint


def _asked(query: str, options: Mapping[str, Any]) -> tuple[RunFilter, Walk]:
    walk, filters = _bulk.options_of(options)
    filters["workflow_type"] = type_name(filters.get("workflow_type"))
    return RunFilter(query=query, **filters), walk


def cancel_workflows(query: str = "", *, reason: str = "", **options: Any) -> BulkResult:
    """Ask the open runs that a query and filters mean to cancel themselves.

    The options of every function here: the filters of `list_workflows`; `limit`, the most runs to do it to;
    `dry_run=True`, which counts and does nothing; `batch_size`; `allow`, called with each run, which is
    skipped when it gives False; `progress`, called with the result so far after each batch, which may
    return False to stop; `cursor`, of a result, to go on; and `request_id`, which makes a repeat have no
    second effect. Runs that start after the call are left alone.

    Raises:
        InvalidListQuery: the query or search cannot be read; the message points at the place.
        InvalidArgument: an option cannot be used, or nothing says which runs; nothing is done.
    """
    return _bulk.cancel_all(*_asked(query, options), reason=reason)


def terminate_workflows(query: str = "", *, reason: str = "", **options: Any) -> BulkResult:
    """End the open runs that a query and filters mean (see `cancel_workflows`)."""
    return _bulk.terminate_all(*_asked(query, options), reason=reason)


def signal_workflows(
    query: str,
    signal: str | Callable[..., Any],
    *args: Any,
    kwargs: Mapping[str, Any] | None = None,
    **options: Any,
) -> BulkResult:
    """Send a signal to the open runs that a query and filters mean (see `cancel_workflows`)."""
    name, encode = message("signal", signal)
    data = encode(args, dict(kwargs or {}))
    return _bulk.signal_all(*_asked(query, options), name, data)


def pause_workflows(query: str = "", *, reason: str = "", **options: Any) -> BulkResult:
    """Pause the running runs that a query and filters mean (see `cancel_workflows`)."""
    return _bulk.pause_all(*_asked(query, options), reason=reason)


def resume_workflows(query: str = "", *, reason: str = "", **options: Any) -> BulkResult:
    """Let the paused runs that a query and filters mean go on (see `cancel_workflows`)."""
    return _bulk.resume_all(*_asked(query, options), reason=reason)


def reopen_workflows(query: str = "", *, reason: str = "", **options: Any) -> BulkResult:
    """Let runs that ended badly go on from before their failure (see `cancel_workflows`)."""
    return _bulk.reopen_all(*_asked(query, options), reason=reason)


def release_workflows(query: str = "", **options: Any) -> BulkResult:
    """Let the held runs that a query and filters mean try again now (see `cancel_workflows`)."""
    return _bulk.release_all(*_asked(query, options))


def reset_workflows(
    query: str = "",
    *,
    to: ResetPoint | str = ResetPoint.START,
    reason: str = "",
    reapply_signals: bool = True,
    **options: Any,
) -> BulkResult:
    """Let the runs that a query and filters mean go on from a point as new runs (see `cancel_workflows`).

    `to` is `start`, to begin anew, or `last`, to keep all but the end. Runs that others have followed are
    skipped.
    """
    wanted, walk = _asked(query, options)
    point = policy(ResetPoint, to, "to")
    return _bulk.reset_all(wanted, walk, to=point, reason=reason, reapply_signals=reapply_signals)


async def acancel_workflows(query: str = "", **options: Any) -> BulkResult:
    """Async twin of `cancel_workflows`, on a thread of its own."""
    result: BulkResult = await waiting_twin(cancel_workflows)(query, **options)
    return result


async def aterminate_workflows(query: str = "", **options: Any) -> BulkResult:
    """Async twin of `terminate_workflows`, on a thread of its own."""
    result: BulkResult = await waiting_twin(terminate_workflows)(query, **options)
    return result


async def asignal_workflows(
    query: str, signal: str | Callable[..., Any], *args: Any, **options: Any
) -> BulkResult:
    """Async twin of `signal_workflows`, on a thread of its own."""
    result: BulkResult = await waiting_twin(signal_workflows)(query, signal, *args, **options)
    return result


async def apause_workflows(query: str = "", **options: Any) -> BulkResult:
    """Async twin of `pause_workflows`, on a thread of its own."""
    result: BulkResult = await waiting_twin(pause_workflows)(query, **options)
    return result


async def aresume_workflows(query: str = "", **options: Any) -> BulkResult:
    """Async twin of `resume_workflows`, on a thread of its own."""
    result: BulkResult = await waiting_twin(resume_workflows)(query, **options)
    return result


async def areopen_workflows(query: str = "", **options: Any) -> BulkResult:
    """Async twin of `reopen_workflows`, on a thread of its own."""
    result: BulkResult = await waiting_twin(reopen_workflows)(query, **options)
    return result


async def arelease_workflows(query: str = "", **options: Any) -> BulkResult:
    """Async twin of `release_workflows`, on a thread of its own."""
    result: BulkResult = await waiting_twin(release_workflows)(query, **options)
    return result


async def areset_workflows(query: str = "", **options: Any) -> BulkResult:
    """Async twin of `reset_workflows`, on a thread of its own."""
    result: BulkResult = await waiting_twin(reset_workflows)(query, **options)
    return result
