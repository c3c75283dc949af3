"""One verb for many runs: whatever a filter means, each run in a short transaction of its own.

Theory of operation
-------------------
The walk goes from the oldest start to the newest, by key, and only over runs that had started when it began:
so it ends, and what is started meanwhile is left alone. It looks at a batch of ids, then does one run after
another under that run's own lock, so that nobody waits for more than one of them. What it finds closed, or in
another state than it was chosen for, is skipped; what fails is counted under its error's code; neither stops
the others.

A walk that stops (a limit, a caller that has seen enough, a process that dies) goes on from the cursor of the
last report. The cursor holds the moment and the request id of the walk. No verb does anything to a run
that it has been done to: messages carry the request id, the others find the run in another state.
"""

from __future__ import annotations

import base64
import dataclasses
import datetime as dt
import logging
import uuid
from collections.abc import Callable, Mapping
from typing import Any, Final

import msgspec

from aion.core.errors import AionError, InvalidArgument, RunClosed, RunNotFound, WrongState
from aion.core.events import CancelRequested
from aion.core.ids import uuid7
from aion.core.status import RunStatus
from aion.operations.checking import check_count, check_text
from aion.operations.clock import clock
from aion.operations.filters import RunFilter, choose
from aion.operations.listing import UNREADABLE
from aion.operations.pause import pause, resume
from aion.operations.policies import ResetPoint
from aion.operations.release import release
from aion.operations.reopen import REOPENABLE, reopen
from aion.operations.reset import reset, seq_of
from aion.operations.send import send
from aion.operations.signal import signal
from aion.operations.terminate import terminate
from aion.store import listing
from aion.store.listing import Key, ListedRun, Selection
from aion.visibility import And, Condition, Operator
from aion.visibility.fields import BUILT_IN

log = logging.getLogger("aion.bulk")

LARGEST_BATCH: Final = 1_000
MOST_EXAMPLES: Final = 20


@dataclasses.dataclass(frozen=True, slots=True)
class BulkFailure:
    """A run to which the verb could not be done, and why."""

    workflow_id: str
    run_id: uuid.UUID
    code: str
    message: str


@dataclasses.dataclass(slots=True)
class BulkResult:
    """What a walk has done so far.

    `skipped` had closed, or changed their state, meanwhile, or were not allowed. `errors` counts failures by
    code, `examples` are the first. `cursor` goes on where the walk stopped; None says that it is through.
    A dry run only matches.
    """

    verb: str
    request_id: str
    as_of: dt.datetime
    dry_run: bool = False
    matched: int = 0
    done: int = 0
    skipped: int = 0
    failed: int = 0
    errors: dict[str, int] = dataclasses.field(default_factory=dict)
    examples: list[BulkFailure] = dataclasses.field(default_factory=list)
    cursor: str | None = None


Progress = Callable[[BulkResult], object]
"""Called after each batch; what gives False stops the walk."""

Allow = Callable[[ListedRun], bool]
"""Called before each run; one for which it gives False is skipped."""


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Walk:
    """How a walk goes: at most `limit` runs, `batch_size` ids at a time, from `cursor` on."""

    limit: int | None = None
    batch_size: int = 100
    cursor: str = ""
    dry_run: bool = False
    request_id: str = ""
    progress: Progress | None = None
    allow: Allow | None = None

    def __post_init__(self) -> None:
        if self.limit is not None:
            check_count("limit", self.limit)
        check_count("batch_size", self.batch_size, least=1)
        if self.batch_size > LARGEST_BATCH:
            raise InvalidArgument(
                f"batch_size must be at most {LARGEST_BATCH}, not {self.batch_size}",
                field="batch_size",
            )
        check_text("request_id", self.request_id)


class _Verb(msgspec.Struct, frozen=True):
    name: str
    statuses: tuple[RunStatus, ...]
    do: Callable[[uuid.UUID, str], object]
    """Takes the run and the request id of the walk."""
    held: bool = False  # only those


_OPEN: Final = (RunStatus.RUNNING, RunStatus.PAUSED)
_RESETTABLE: Final = tuple(each for each in RunStatus if each is not RunStatus.CONTINUED_AS_NEW)


def cancel_all(wanted: RunFilter, walk: Walk, *, reason: str = "") -> BulkResult:
    """Ask open runs to cancel themselves.

    Raises:
        InvalidArgument: the filter is empty or cannot be used, or an option; nothing is done.
    """
    check_text("reason", reason, most=None)

    def do(run_id: uuid.UUID, request_id: str) -> None:
        send(None, run_id, CancelRequested(reason=reason), request_id=request_id)

    return _walk(_Verb("cancel", _OPEN, do), wanted, walk)


def terminate_all(wanted: RunFilter, walk: Walk, *, reason: str = "") -> BulkResult:
    """End open runs at once.

    Raises:
        InvalidArgument: as for `cancel_all`.
    """
    check_text("reason", reason, most=None)
    verb = _Verb("terminate", _OPEN, lambda run_id, _: terminate(None, run_id, reason=reason))
    return _walk(verb, wanted, walk)


def signal_all(wanted: RunFilter, walk: Walk, name: str, data: bytes) -> BulkResult:
    """Send open runs a signal.

    Raises:
        InvalidArgument: as for `cancel_all`.
    """
    check_text("name", name, most=None)

    def do(run_id: uuid.UUID, request_id: str) -> None:
        signal(None, run_id, name, data, request_id=request_id)

    return _walk(_Verb("signal", _OPEN, do), wanted, walk)


def pause_all(wanted: RunFilter, walk: Walk, *, reason: str = "") -> BulkResult:
    """Pause running runs.

    Raises:
        InvalidArgument: as for `cancel_all`.
    """
    check_text("reason", reason, most=None)
    running = (RunStatus.RUNNING,)
    verb = _Verb("pause", running, lambda run_id, _: pause(None, run_id, reason=reason))
    return _walk(verb, wanted, walk)


def resume_all(wanted: RunFilter, walk: Walk, *, reason: str = "") -> BulkResult:
    """Let paused runs go on.

    Raises:
        InvalidArgument: as for `cancel_all`.
    """
    check_text("reason", reason, most=None)
    paused = (RunStatus.PAUSED,)
    verb = _Verb("resume", paused, lambda run_id, _: resume(None, run_id, reason=reason))
    return _walk(verb, wanted, walk)


def reopen_all(wanted: RunFilter, walk: Walk, *, reason: str = "") -> BulkResult:
    """Let failed, cancelled, timed out and terminated runs go on from before their failure.

    Raises:
        InvalidArgument: as for `cancel_all`.
    """
    check_text("reason", reason, most=None)
    verb = _Verb("reopen", REOPENABLE, lambda run_id, _: reopen(None, run_id, reason=reason))
    return _walk(verb, wanted, walk)


def release_all(wanted: RunFilter, walk: Walk) -> BulkResult:
    """Let held runs try again now.

    Raises:
        InvalidArgument: as for `cancel_all`.
    """
    return _walk(
        _Verb("release", _OPEN, lambda run_id, _: release(None, run_id), True), wanted, walk
    )


def reset_all(
    wanted: RunFilter,
    walk: Walk,
    *,
    to: ResetPoint,
    reason: str = "",
    reapply_signals: bool = True,
) -> BulkResult:
    """Let runs go on from a point of their histories as new runs; open ones are terminated.

    Raises:
        InvalidArgument: as for `cancel_all`.
    """
    check_text("reason", reason, most=None)

    def do(run_id: uuid.UUID, _: str) -> None:
        reset(
            None,
            run_id,
            to_seq=seq_of(run_id, to),
            reason=reason,
            reapply_signals=reapply_signals,
        )

    return _walk(_Verb("reset", _RESETTABLE, do), wanted, walk)


# --- the walk -------------------------------------------------------------------------------------


class _Cursor(msgspec.Struct, array_like=True):
    verb: str
    as_of: dt.datetime
    request_id: str
    at: dt.datetime | None
    id: uuid.UUID | None


def _walk(verb: _Verb, wanted: RunFilter, walk: Walk) -> BulkResult:
    cursor = _read_cursor(walk.cursor, verb)
    as_of = cursor.as_of if cursor else clock.now()
    request_id = (cursor.request_id if cursor else walk.request_id) or str(uuid7())
    selection = _selection(verb, wanted, as_of)
    result = BulkResult(verb.name, request_id, as_of, walk.dry_run)
    after = Key(cursor.at, cursor.id) if cursor and cursor.id else None
    while True:
        left = None if walk.limit is None else walk.limit - result.matched
        size = walk.batch_size if left is None else min(walk.batch_size, left)
        runs = _batch(selection, after, size) if size else []
        for run in runs:
            result.matched += 1
            if walk.allow is not None and not walk.allow(run):
                result.skipped += 1
            elif not walk.dry_run:
                _do(verb, run, result)
        after = listing.key_of(runs[-1], "StartTime") if runs else after
        is_through = len(runs) < size
        result.cursor = None if is_through else _write_cursor(result, after)
        stop = walk.progress is not None and walk.progress(result) is False
        if stop or is_through or result.matched == walk.limit:
            return result


def _batch(selection: Selection, after: Key | None, size: int) -> list[ListedRun]:
    return listing.page(selection, order="StartTime", descending=False, after=after, limit=size)


def _selection(verb: _Verb, wanted: RunFilter, as_of: dt.datetime) -> Selection:
    chosen = choose(wanted, now=as_of)
    if chosen.is_ordered:
        raise InvalidArgument("query must have no order: walks have their own", field="query")
    selection = chosen.selection
    if selection.where is None and selection.other_code is None:
        raise InvalidArgument(
            f"query is empty: say which runs to {verb.name}. "
            "`WorkflowId IS NOT NULL` means every one",
            field="query",
        )
    statuses = tuple(map(str, verb.statuses))
    terms: list[Any] = [
        Condition(BUILT_IN["ExecutionStatus"], Operator.IN, statuses),
        Condition(BUILT_IN["StartTime"], Operator.LE, (as_of,)),
    ]
    if verb.held:
        terms.append(Condition(BUILT_IN["Held"], Operator.EQ, (True,)))
    if selection.where is not None:
        terms.insert(0, selection.where)
    return Selection(And(tuple(terms)), selection.other_code)


def _do(verb: _Verb, run: ListedRun, result: BulkResult) -> None:
    try:
        verb.do(run.id, result.request_id)
    except (RunClosed, RunNotFound):
        result.skipped += 1
    except WrongState as error:
        if verb.name == "reopen":  # its id has another open run: somebody has to look at it
            _note(run, error.code, error, result)
        else:
            result.skipped += 1
    except AionError as error:
        _note(run, error.code, error, result)
    except Exception as error:
        log.exception("Run %s: %s failed", run.id, verb.name)
        _note(run, "unexpected", error, result)
    else:
        result.done += 1


def _note(run: ListedRun, code: str, error: Exception, result: BulkResult) -> None:
    result.failed += 1
    result.errors[code] = result.errors.get(code, 0) + 1
    if len(result.examples) < MOST_EXAMPLES:
        text = f"{type(error).__name__}: {error}" if code == "unexpected" else str(error)
        result.examples.append(BulkFailure(run.workflow_id, run.id, code, text[:1_000]))


def _write_cursor(result: BulkResult, after: Key | None) -> str:
    at, run_id = (after.at, after.id) if after else (None, None)
    raw = msgspec.json.encode(_Cursor(result.verb, result.as_of, result.request_id, at, run_id))
    return base64.urlsafe_b64encode(raw).decode().rstrip("=")


def _read_cursor(cursor: str, verb: _Verb) -> _Cursor | None:
    if cursor in ("", None):
        return None
    try:
        raw = base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4))
        read = msgspec.json.decode(raw, type=_Cursor)
        check_text("request_id", read.request_id)
        times = [read.as_of, *([read.at] if read.at else [])]
        for each in times:
            each.astimezone(dt.UTC)  # one at the ends of time has none there
    except UNREADABLE as error:
        raise InvalidArgument("cursor is none that a walk gave", field="cursor") from error
    if any(each.utcoffset() is None for each in times) or (read.at is None) != (read.id is None):
        raise InvalidArgument("cursor is none that a walk gave", field="cursor")
    if read.verb != verb.name:
        raise InvalidArgument(
            f"cursor belongs to a walk that does {read.verb}, not {verb.name}", field="cursor"
        )
    return read


def options_of(options: Mapping[str, Any]) -> tuple[Walk, dict[str, Any]]:
    """Part a caller's keywords into those of the walk and those of the filter.

    Raises:
        InvalidArgument: one of the walk's cannot be used.
    """
    names = {field.name for field in dataclasses.fields(Walk)}
    walk = Walk(**{name: value for name, value in options.items() if name in names})
    return walk, {name: value for name, value in options.items() if name not in names}
