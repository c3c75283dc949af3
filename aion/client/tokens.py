"""Activities completed from outside of their worker, by token."""

from __future__ import annotations

from aion.client.calls import twin
from aion.operations import complete_activity as _tokens

complete_activity = _tokens.complete_activity


fail_activity = _tokens.fail_activity


cancel_activity = _tokens.cancel_activity


heartbeat_activity = _tokens.heartbeat_activity


async def acomplete_activity(token: str, result: object = None) -> None:
    """Async twin of `complete_activity`."""
    await twin(complete_activity)(token, result)


async def afail_activity(token: str, error: BaseException) -> bool:
    """Async twin of `fail_activity`."""
    return bool(await twin(fail_activity)(token, error))


async def acancel_activity(token: str, reason: str = "") -> None:
    """Async twin of `cancel_activity`."""
    await twin(cancel_activity)(token, reason)


async def aheartbeat_activity(token: str, *details: object) -> str | None:
    """Async twin of `heartbeat_activity`."""
    reason: str | None = await twin(heartbeat_activity)(token, *details)
    return reason
