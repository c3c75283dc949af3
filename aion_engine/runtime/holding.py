"""Why a run is held, and until when: shown in its row, tried again with growing delay."""

from __future__ import annotations

import datetime as dt
import threading
import traceback

from aion.authoring.registry import registry
from aion.conf import settings
from aion.core.errors import AionError, NonDeterminismError, PendingActivityLimitExceeded
from aion.core.failures import message_of
from aion.store.rows import Hold, Problem, RunRow

_LONGEST_TRACEBACK = 8_000  # characters: the end of it says where


def hold_for(run: RunRow, error: BaseException, now: dt.datetime) -> Hold:
    """Describe the problem of a turn that failed, and say when to try again."""
    count = run.problem_count + 1
    first, last = settings.HOLD_RETRY_FIRST, settings.HOLD_RETRY_LAST
    delay = min(first * 2 ** min(count - 1, 30), last)
    if isinstance(error, PendingActivityLimitExceeded):
        delay = first  # no code has to come: some activities have to end
    text = bounded_end("".join(traceback.format_exception(error)))
    problem = Problem(
        code=error.code if isinstance(error, AionError) else "workflow_error",
        type=type(error).__name__,
        message=message_of(error)[:2_000],
        traceback=_storable(text),
        where=(error.where or "") if isinstance(error, NonDeterminismError) else "",
        at=now,
    )
    return Hold(run.id, problem, count, now + dt.timedelta(seconds=delay))


def bounded_end(text: str) -> str:
    """Keep the end of a long traceback, in whole lines."""
    if len(text) <= _LONGEST_TRACEBACK:
        return text
    return "...\n" + text[-_LONGEST_TRACEBACK:].partition("\n")[2]


def _storable(text: str) -> str:
    return text.encode("utf-8", "backslashreplace").decode()


def stops_the_process(error: BaseException) -> bool:
    """Tell whether somebody stops the process by hand; in another thread workflow code has said so."""
    by_hand = threading.current_thread() is threading.main_thread()
    return by_hand and isinstance(error, KeyboardInterrupt)


def fails_run(error: BaseException, workflow_type: str) -> bool:
    """Tell whether an error fails the run, where others hold it: as its type says, else the settings."""
    if not isinstance(error, NonDeterminismError):
        return False
    definition = registry.workflows.get(workflow_type)
    chosen = definition.on_non_determinism if definition is not None else None
    return (chosen or settings.ON_NON_DETERMINISM) == "fail"
