"""What is measured: the cases, their sizes, their figures and what each figure should reach."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from benchmarks.figures import Case, Figure, Goal

DBOS, ABSURD, RESTATE, CELERY = "dbos-postgres", "absurd-postgres", "restate", "celery-redis"


def _cpu(of: str) -> Figure:
    """The steadiest figure of all: a neighbour takes time from a process, and hardly any work."""
    return Figure(f"... processor time of it, for each {of}", f"ms/{of}", "lower", digits=2)


def _higher(title: str, unit: str, *goals: Goal, digits: int = 0) -> Figure:
    return Figure(title, unit, "higher", goals, digits)


def _lower(title: str, unit: str, *goals: Goal, digits: int = 1) -> Figure:
    return Figure(title, unit, "lower", goals, digits)


def _rates() -> Iterator[Case]:
    """Many runs at once."""
    yield Case(
        "starts",
        {
            "": _higher("Starts, a transaction each, one process", "starts/s", Goal(3, DBOS)),
            "bulk": _higher("Starts, 100 in a transaction", "starts/s", Goal(5000)),
            "cpu": _cpu("start"),
        },
        full={"starts": 2000, "peers_starts": 500, "together": 100},
        quick={"starts": 500, "peers_starts": 200, "together": 100},
    )
    yield Case(
        "trivial_workflows",
        {
            "": _higher(
                "Waiting runs without a step completed by one worker", "runs/s", Goal(10, DBOS)
            ),
            "cpu": _cpu("run"),
        },
        full={"runs": 5000, "peers_runs": 400},
        quick={"runs": 1000, "peers_runs": 200},
    )
    yield Case(
        "ten_steps_throughput",
        {
            "": _higher(
                "Steps of many ten-step runs, one worker",
                "steps/s",
                *(Goal(25, DBOS), Goal(4, RESTATE), Goal(5, ABSURD)),
            ),
            "two": _higher(
                "Steps of many ten-step runs, two workers",
                "steps/s",
                *(Goal(25, DBOS), Goal(4, RESTATE), Goal(5, ABSURD)),
            ),
            "cpu": _cpu("step"),
        },
        full={"runs": 1000, "peers_runs": 200, "steps": 10},
        quick={"runs": 300, "peers_runs": 60, "steps": 10},
    )
    yield Case(
        "remote_activities",
        {
            "": _higher(
                "Activities of runs with three remote ones", "activities/s", Goal(0.7, CELERY)
            ),
            "cpu": _cpu("activity"),
        },
        full={"runs": 1000, "activities": 3},
        quick={"runs": 200, "activities": 3},
    )


def _single_runs() -> Iterator[Case]:
    """One run, and its steps."""
    yield Case(
        "sequential_step",
        {
            "": _lower(
                "A step of one run of many steps",
                "ms/step",
                *(Goal(0.3, DBOS), Goal(0.7, ABSURD)),
                digits=2,
            ),
            "cpu": _cpu("step"),
        },
        full={"steps": 1000, "peers_steps": 500},
        quick={"steps": 300, "peers_steps": 150},
    )
    yield Case(
        "linear_cost",
        {"": _lower("A step of a long run over one of a short run", "ratio", Goal(1.2), digits=2)},
        full={"steps": 10_000, "part": 1_000, "parts": 2},
        quick={"steps": 1_000, "part": 100, "parts": 2},
    )


def _latencies() -> Iterator[Case]:
    """How long somebody waits."""
    yield Case(
        "start_to_result",
        {
            "": _lower("From start to result, median", "ms", Goal(0.7, RESTATE), Goal(1.3, CELERY)),
            "p99": _lower("From start to result, 99 of 100", "ms"),
        },
        full={"calls": 400, "seconds": 5},
        quick={"calls": 100, "seconds": 1},
    )
    yield Case(
        "start_to_first_activity",
        {
            "": _lower("From start to the first remote activity, median", "ms", Goal(15)),
            "p99": _lower("From start to the first remote activity, 99 of 100", "ms"),
        },
        full={"calls": 200, "seconds": 5},
        quick={"calls": 50, "seconds": 1},
    )
    yield Case(
        "signal_round_trip",
        {
            "": _lower("From a signal to its answer, median", "ms", Goal(0.5, DBOS)),
            "p99": _lower("From a signal to its answer, 99 of 100", "ms"),
        },
        full={"signals": 200, "peers_signals": 50, "seconds": 5},
        quick={"signals": 50, "peers_signals": 20, "seconds": 1},
    )
    yield Case(
        "timer_lateness",
        {
            "": _lower("From a timer's time to the code behind it, median", "ms", Goal(20)),
            "p99": _lower("From a timer's time to the code behind it, 99 of 100", "ms", Goal(100)),
        },
        full={"timers": 1000, "peers_timers": 200, "seconds": 10, "peers_seconds": 4},
        quick={"timers": 100, "peers_timers": 50, "seconds": 1, "peers_seconds": 1},
    )


def _breadth() -> Iterator[Case]:
    """One run with much beneath it."""
    yield Case(
        "fan_out",
        {
            "": _higher(
                "Children of one parent, of one step each",
                "children/s",
                *(Goal(10, DBOS), Goal(3, RESTATE)),
            ),
            "turns": _lower("... turns of the parent", "turns", Goal(30), digits=0),
            "activities": _higher("Parallel remote activities of one run", "activities/s"),
            "activity_turns": _lower("... turns of the run", "turns", Goal(30), digits=0),
        },
        full={"children": 1000, "peers_children": 100, "activities": 1000},
        quick={"children": 200, "peers_children": 50, "activities": 200},
    )
    yield Case(
        "workers_scaling",
        {
            "": _higher("Steps/s of four workers over those of one", "ratio", Goal(0.5), digits=2),
            **{
                f"{n}": _higher(f"Steps of many ten-step runs, {n} worker{s}", "steps/s")
                for n, s in ((1, ""), (2, "s"), (4, "s"))
            },
        },
        full={"runs": 1500, "steps": 10},
        quick={"runs": 400, "steps": 10},
    )


def _engine() -> Iterator[Case]:
    """Parts of the engine, on their own."""
    yield Case(
        "replay",
        {
            "": _higher("Replay from JSON in memory", "events/s", Goal(100_000)),
            "database": _higher("Replay from the database", "events/s", Goal(50_000)),
        },
        full={"events": 10_000, "repeats": 5},
        quick={"events": 10_000, "repeats": 2},
    )
    names = ("10 events", "10,000 events", "a batch of 1", "a batch of 100")
    keys = ("", "history_10000", "batch_1", "batch_100")
    yield Case(
        "statements_per_turn",
        {
            **{
                key: _lower(f"SQL of a turn, {name}", "statements", Goal(12), digits=0)
                for key, name in zip(keys, names, strict=True)
            },
            "whole_runs": _lower(
                "SQL of a batch in which 100 runs begin and end", "statements", Goal(12), digits=0
            ),
        },
        full={"history": 10_000, "batch": 100},
        quick={"history": 1_000, "batch": 100},
    )
    yield Case(
        "event_write_limit",
        {
            "": _higher(
                "Events written by turns over rows written by bare COPY",
                "ratio",
                Goal(0.2),
                digits=2,
            ),
            "turns": _higher("... events by turns", "events/s"),
            "copy": _higher("... rows by COPY (SQLite: executemany), 50 a commit", "rows/s"),
        },
        full={"runs": 1000, "steps": 10},
        quick={"runs": 300, "steps": 10},
    )


def _masses() -> Iterator[Case]:
    """What lies there, what dies, what grows."""
    yield Case(
        "sleeping_runs",
        {
            "": _lower("Memory that a worker takes for all sleeping runs", "MiB", Goal(1)),
            "rss": _lower("... what it takes in all", "MiB"),
            "each": _lower("Memory for each sleeping run", "KiB", digits=2),
            "statements": _lower("... statements of the idle worker", "statements/s", Goal(2)),
            "tick": _lower("... a tick", "ms", Goal(20)),
        },
        full={"runs": 100_000, "peers_runs": 400, "seconds": 5},
        quick={"runs": 10_000, "peers_runs": 100, "seconds": 1},
    )
    yield Case(
        "recovery",
        {"": _lower("Recovery of killed runs, half of their steps done", "s", Goal(0.15, DBOS))},
        full={"runs": 200, "steps": 20, "done": 10},
        quick={"runs": 50, "steps": 20, "done": 10},
    )
    yield Case(
        "long_load",
        {
            "": _higher(
                "Messages/s in the last tenth of a long load over the first",
                "ratio",
                Goal(0.8),
                digits=2,
            ),
            "rate": _higher("... messages, tenth by tenth", "messages/s"),
        },
        full={"messages": 500_000, "runs": 500},
        quick={"messages": 8_000, "runs": 100},
        runs=(1, 1),
    )
    yield Case(
        "list_page",
        {
            "": _lower(
                "A page of a list among many runs, the slowest kind, 95 of 100", "ms", Goal(50)
            ),
            "first": _lower("... the first page, 95 of 100", "ms", Goal(50)),
            "type_and_status": _lower("... by type and status, 95 of 100", "ms", Goal(50)),
            "search_attribute": _lower("... by search attribute, 95 of 100", "ms", Goal(50)),
            "count": _lower("... a count with its cap, 95 of 100", "ms", Goal(50)),
            "statements": _lower("... statements of a page", "statements", digits=0),
        },
        full={"runs": 1_000_000, "events": 10_000_000, "pages": 40},
        quick={"runs": 10_000, "events": 100_000, "pages": 10},
        runs=(1, 1),
    )


CASES: Final = {
    case.name: case
    for group in (_rates, _single_runs, _latencies, _breadth, _engine, _masses)
    for case in group()
}
