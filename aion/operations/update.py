"""Update a run: a message that is validated, recorded and answered."""

from __future__ import annotations

import uuid
from typing import Final

import msgspec

from aion.conf import settings
from aion.core.errors import (
    OperationError,
    ResultTimeout,
    RunClosed,
    UpdateAbandoned,
    UpdateFailed,
    UpdateLimitReached,
    UpdateRefused,
)
from aion.core.failures import Failure, decode_failure, exception_from
from aion.operations import bell
from aion.operations.checking import check_headers, check_text
from aion.operations.clock import clock
from aion.operations.target import lock_open
from aion.store import mailbox, runs, updates
from aion.store.dialects import atomic
from aion.store.updates import Standing, UpdateAnswer

_FIRST_LOOK: Final = 0.002
_LAST_LOOK: Final = 0.5
_LOST_RING: Final = 2.0


def send_update(
    workflow_id: str | None,
    run_id: uuid.UUID | str | None,
    name: str,
    data: bytes,
    *,
    update_id: str,
    headers: dict[str, str] | None = None,
) -> uuid.UUID:
    """Ask a run to take an update, and give the run's id. The same update id twice has one effect.

    An update that the run has taken is found again also when the run has ended.

    Raises:
        RunNotFound: there is no such run.
        RunClosed: it has ended.
        UpdateLimitReached: too many updates of the run are in flight, or it has taken too many.
        InvalidArgument: id or name cannot be stored, or the headers are no text or too large.
    """
    check_text("id", update_id)
    check_text("name", name)
    check_headers(headers or {})
    body = {
        "update_id": update_id,
        "name": name,
        "input": msgspec.Raw(data),
        "headers": headers or {},
    }
    with atomic():
        try:
            run = lock_open(workflow_id, run_id)
        except RunClosed as closed:
            if updates.find(closed.run_id, update_id) is not None:
                return closed.run_id
            raise
        standing = updates.standing(run.id, update_id)
        if standing.known:
            return run.id
        _check_limits(run.id, standing)
        now = clock.now()
        updates.admit(run.id, update_id, name, now=now)
        message = (run.id, updates.KIND, msgspec.json.encode(body).decode())
        mailbox.post([message], now=now)
        bell.ring_loops_after_commit()
    return run.id


def _check_limits(run_id: uuid.UUID, standing: Standing) -> None:
    for setting, count, remedy in (
        ("UPDATES_IN_FLIGHT", standing.in_flight, "wait until some of them are answered"),
        (
            "UPDATES_TOTAL",
            standing.total,
            "let the workflow continue as new before it comes so far",
        ),
    ):
        limit: int = getattr(settings, setting)
        if count >= limit:
            what = (
                "updates in flight" if setting == "UPDATES_IN_FLIGHT" else "updates in its history"
            )
            text = f"Run {run_id} has {count} {what}, and AION[{setting!r}] is {limit}: {remedy}"
            raise UpdateLimitReached(text, run_id=run_id, setting=setting, limit=limit)


def wait_for_update(
    run_id: uuid.UUID, update_id: str, *, until: str = "completed", timeout: float | None = None
) -> bytes | None:
    """Wait until an update is accepted or completed; gives the encoded result where it is waited for.

    Who waits for the acceptance does not hear of the handler's error: that is the result's. An update that
    found its run gone on is waited for where it was handed on to.

    Raises:
        UpdateRefused: its validator refused it, or the run ended before; `__cause__` says why.
        UpdateFailed: its handler failed; `__cause__` says why.
        UpdateAbandoned: the run ended before the handler did.
        ResultTimeout: that did not happen in time; the update goes on.
        PayloadUnavailable: the answer cannot be decoded or fetched.
    """
    limit = None if timeout is None else clock.monotonic() + timeout
    waiter = bell.the_bell().result_waiter(run_id)
    pause = _FIRST_LOOK
    try:
        while True:
            found = updates.find(run_id, update_id)
            if found is None and (successor := runs.successor(run_id)) is not None:
                run_id = successor.id  # which had to take it, because the run had just gone on
                waiter.close()
                waiter = bell.the_bell().result_waiter(run_id)
                continue
            if found is not None and found.state in _THERE[until]:
                return _read(found, until)
            left = None if limit is None else limit - clock.monotonic()
            if left is not None and left <= 0:
                raise ResultTimeout(f"Update {update_id!r} is not {until} yet; it goes on")
            pause = _LOST_RING if bell.the_bell().listens else min(pause * 1.5, _LAST_LOOK)
            bell.wait(waiter, pause, left)
    finally:
        waiter.close()


_ENDS: Final = ("completed", "refused", "abandoned")
_THERE: Final = {"accepted": ("accepted", *_ENDS), "completed": _ENDS}
_ERRORS: Final[dict[str, tuple[type[OperationError], str]]] = {
    "refused": (UpdateRefused, "was refused"),
    "completed": (UpdateFailed, "failed"),
    "abandoned": (UpdateAbandoned, "was not finished when its run ended"),
}


def _read(found: UpdateAnswer, until: str) -> bytes | None:
    if until == "accepted" and found.state != "refused":
        return None
    found = updates.opened(found)
    failure: Failure | None = decode_failure(found.failure.encode()) if found.failure else None
    if failure is not None:
        kind, word = _ERRORS[found.state]
        error = kind(
            f"Update {found.update_id!r} {word}: {failure.message}", update_id=found.update_id
        )
        raise error from exception_from(failure)
    return found.result.encode() if found.result is not None else None
