"""From facts to findings. Pure: each rule looks at the facts and says what is wrong with them."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Iterator
from typing import Final

from aion.conf import settings
from aion.operations.doctor.facts import Facts
from aion.operations.doctor.findings import Finding, Level, found
from aion.operations.pending_lists import WorkerInfo
from aion.store.symptoms import MOST, Some, Waiting

_LATE: Final = dt.timedelta(seconds=10)  # work that waits for so long is worth a warning ...
_TOO_LATE: Final = dt.timedelta(seconds=60)  # ... and for so long an error
_SKEW: Final = dt.timedelta(seconds=2)
_KEYS: Final = ("payload_unavailable", "unknown_payload_key", "unknown_payload_codec")
_KEY_PROBLEMS: Final = (*_KEYS, "payload_codec_failed", "payload_storage_failed")
_UNDURABLE: Final = {
    "postgresql": (("synchronous_commit", ("off", "local")), ("fsync", ("off",))),
    "sqlite": (("synchronous", ("0", "1")),),
}

Rule = Callable[[Facts], Iterator[Finding]]


def examine(facts: Facts) -> list[Finding]:
    """Apply every rule; the worst comes first."""
    findings = [finding for rule in _RULES for finding in rule(facts)]
    return sorted(findings, key=lambda finding: list(Level).index(finding.level))


# --- the installation -----------------------------------------------------------------------------


def _settings(facts: Facts) -> Iterator[Finding]:
    for check_id, is_error, text in facts.checks:
        level = Level.ERROR if is_error else Level.WARNING
        yield found("settings", f"{check_id}: {text}", level=level)


def _durability(facts: Facts) -> Iterator[Finding]:
    for name, bad in _UNDURABLE[facts.dialect]:
        value = facts.parameters.get(name, "")
        if value in bad:
            yield found("durability", f"{name} is {value}")


def _pooler(facts: Facts) -> Iterator[Finding]:
    if facts.server_processes > 1 and settings.TUNE_SESSION:
        count = facts.server_processes
        yield found("pooler", f"three statements of one connection met {count} server processes")


def _broker(facts: Facts) -> Iterator[Finding]:
    if facts.broker_problem:
        yield found("broker", facts.broker_problem)


def _bell(facts: Facts) -> Iterator[Finding]:
    if facts.bell_problem:
        yield found("bell", facts.bell_problem)


def _clock_database(facts: Facts) -> Iterator[Finding]:
    if facts.database_at is None:
        return
    ahead = facts.now - facts.database_at
    if abs(ahead) > _SKEW:
        way = "ahead of" if ahead > dt.timedelta(0) else "behind"
        yield found("clock_database", f"this machine is {_length(abs(ahead))} {way} the database")


# --- who is there ---------------------------------------------------------------------------------


def _tick(facts: Facts) -> Iterator[Finding]:
    late = dt.timedelta(seconds=settings.TICK_STALE_AFTER) + settings.lease
    if facts.ticked_at is None:
        yield found("tick", "nobody has ever ticked")
    elif facts.now - facts.ticked_at > late:
        yield found("tick", f"the last tick was {_length(facts.now - facts.ticked_at)} ago")


def _pruning(facts: Facts) -> Iterator[Finding]:
    late = dt.timedelta(seconds=3 * settings.PRUNE_INTERVAL)
    if (
        not settings.RETENTION or facts.pruned_at is None
    ):  # a new installation has nothing to delete
        return
    if facts.now - facts.pruned_at > late:
        yield found("pruning_late", f"the last was {_length(facts.now - facts.pruned_at)} ago")


def _workers(facts: Facts) -> Iterator[Finding]:
    if not any(worker.alive for worker in facts.workers):
        yield found("no_worker", "no worker is alive")
    dead = [worker for worker in facts.workers if not worker.alive]
    if dead or facts.ownerless:
        names = tuple(f"{one.name}, silent since {one.last_seen_at:%H:%M:%S}" for one in dead)
        summary = f"{len(dead)} dead and {facts.ownerless} unknown workers hold leases or a row"
        yield found("dead_leases", summary, examples=names[:5])


def _clock_workers(facts: Facts) -> Iterator[Finding]:
    for worker in facts.workers:
        ahead = worker.last_seen_at - facts.now
        if ahead > _SKEW:
            yield found("clock_worker", f"{worker.name} is {_length(ahead)} ahead")


# --- what waits -----------------------------------------------------------------------------------


def _queues(facts: Facts) -> Iterator[Finding]:
    for backlog, queue in facts.backlog:
        waits = facts.now - backlog.since
        what = f"{_count(backlog.count)} {backlog.activity_type} in queue {queue!r}"
        summary = f"{what}, the oldest for {_length(waits)}"
        if not any(_consumes(worker, queue) for worker in facts.workers):
            yield found("queue_without_worker", summary)
        elif waits > max(_LATE, dt.timedelta(seconds=settings.REPUBLISH_AFTER)):
            yield found("unclaimed_activity", summary, level=_level(waits))


def _consumes(worker: WorkerInfo, queue: str) -> bool:
    return worker.alive and (not worker.queues or queue in worker.queues)


def _timer(facts: Facts) -> Iterator[Finding]:
    yield from _waits("overdue_timer", "timer", facts.timer, facts.now)


def _message(facts: Facts) -> Iterator[Finding]:
    yield from _waits("unfolded_message", "message", facts.message, facts.now)


def _waits(code: str, what: str, one: Waiting | None, now: dt.datetime) -> Iterator[Finding]:
    if one is not None and now - one.since > _LATE:
        waits = now - one.since
        summary = f"{what} {one.detail} of {one.workflow_id} has waited for {_length(waits)}"
        yield found(code, summary, level=_level(waits), examples=(str(one.run_id),))


def _schedules(facts: Facts) -> Iterator[Finding]:
    yield from _several("overdue_schedule", "schedules are overdue", facts.schedules)


# --- runs in trouble ------------------------------------------------------------------------------


def _held(facts: Facts) -> Iterator[Finding]:
    for code, some in facts.held.items():
        kind = "payload_key" if code in _KEY_PROBLEMS else "held_runs"
        yield from _several(kind, f"runs are held with {code}", some)


def _unreadable(facts: Facts) -> Iterator[Finding]:
    if facts.unreadable:
        summary = f"{len(facts.unreadable)} of the newest open runs cannot be read here"
        yield found("payload_key", summary, examples=facts.unreadable[:5])


def _types(facts: Facts) -> Iterator[Finding]:
    unknown = [name for name in facts.open_types if name not in facts.known_types]
    if unknown:
        yield from _several("unknown_type", "types are unknown here", _some(unknown))


def _paused(facts: Facts) -> Iterator[Finding]:
    yield from _several("paused_runs", "runs are paused", facts.paused)


def _failing(facts: Facts) -> Iterator[Finding]:
    yield from _several("failing_activity", "activities fail again and again", facts.failing)


def _several(code: str, what: str, some: Some) -> Iterator[Finding]:
    if some.count:
        yield found(code, f"{_count(some.count)} {what}", examples=some.examples)


def _some(names: list[str]) -> Some:
    return Some(len(names), tuple(names[:5]))


def _count(count: int) -> str:
    return f"{count}+" if count >= MOST else str(count)


def _level(waits: dt.timedelta) -> Level:
    return Level.ERROR if waits > _TOO_LATE else Level.WARNING


def _length(duration: dt.timedelta) -> str:
    """Write a duration in whole seconds, as `1 day, 2:03:04` where it is longer than a minute."""
    whole = dt.timedelta(seconds=round(duration.total_seconds()))
    return f"{round(duration.total_seconds())} s" if whole < _TOO_LATE else str(whole)


_RULES: Final[tuple[Rule, ...]] = (
    _settings,
    _durability,
    _pooler,
    _broker,
    _bell,
    _clock_database,
    _tick,
    _pruning,
    _workers,
    _clock_workers,
    _queues,
    _timer,
    _message,
    _schedules,
    _held,
    _unreadable,
    _types,
    _paused,
    _failing,
)
