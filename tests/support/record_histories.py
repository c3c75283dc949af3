"""Writes the recorded histories that do not exist yet. What exists is never written again."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import msgspec

from aion.core.events import ExternalRequestDelivered, WorkflowFailed
from aion.core.failures import Failure
from aion.core.history import Recorded, to_lines
from aion.core.retry import RetryPolicy
from aion_engine.replay import guards
from tests.replay.histories import workflows
from tests.support.driver import START, Driver

FOLDER = Path(workflows.__file__).parent


def echo(name: str, args: Sequence[Any]) -> Any:
    if name in ("mail", "part-7", "work"):
        raise ValueError(f"{name} is not possible")
    return args[0] ** 2 if name == "square" else f"{name} done"


def approved(run: Driver) -> None:
    run.signal("approve", "ann")
    run.signal("approve", "bob")
    run.complete(2, True)
    run.signal("unknown", 1)
    run.crash().complete(1, True)
    run.run(echo)


def too_late(run: Driver) -> None:
    run.signal("approve", "ann")
    run.complete(1, True)
    run.fire()


def cancelled(run: Driver) -> None:
    run.complete(1)
    run.complete(2)
    run.cancel("the trip is off")
    run.cancelled(3, "asked to")
    run.run(echo)


def timed_out(run: Driver) -> None:
    run.fire()
    run.complete(2, "quick done")
    run.complete(4, "b done")


def with_a_missing_part(run: Driver) -> None:
    run.complete(3)
    run.fail(8, ValueError("part-7 is not possible"))
    run.run(echo)


def cancelled_under_a_shield(run: Driver) -> None:
    run.fire()
    run.complete(2, "tidied")
    run.cancel("enough")
    run.crash().complete(3)


def answered(run: Driver) -> None:
    for number in (1, 2, 3):
        run.complete(number)
    run.arrive(ExternalRequestDelivered(request_id="1"))


def plain(run: Driver) -> None:
    run.run(echo)


FLAKY = RetryPolicy(initial_interval=dt.timedelta(seconds=10), maximum_attempts=2, jitter=0.0)
NINE = START + dt.timedelta(hours=20)

FIRSTS: dict[str, dict[str, Any]] = {
    "retries/v2-first": {"retry": FLAKY},
    "retries/v2-second": {
        "retry": FLAKY,
        "attempt": 2,
        "initiator": "retry",
        "start_delay": dt.timedelta(seconds=10),
        "last_failure": Failure(type="ApplicationError", message="attempt 1"),
    },
    "cron/v2": {
        "cron": "0 9 * * MON-FRI",
        "time_zone": "Europe/Berlin",
        "initiator": "cron",
        "scheduled_at": NINE,
        "start_delay": NINE - START,
        "last_result": msgspec.Raw(b"41"),
        "last_failure": Failure(
            type="TimeoutError", message="The run timeout passed", kind="timeout"
        ),
        "history_suggest_events": 9,
        "history_suggest_bytes": 100_000,
    },
}
"""Fields of first events, for runs that begin as a chain's do."""


def driver_of(name: str) -> Driver:
    """Make the run of a scenario, and let it begin."""
    workflow, args, _ = SCENARIOS[name]
    return Driver(workflow, *args).begin_as(**FIRSTS.get(name, {})).start()


SCENARIOS: dict[str, tuple[Any, tuple[Any, ...], Callable[[Driver], None]]] = {
    "activities/v1": (workflows.activities, (7,), plain),
    "timers/v1": (workflows.timers, (), plain),
    "approval/v1": (workflows.Approval, (2,), approved),
    "approval/v1-late": (workflows.Approval, (2,), too_late),
    "cancellation/v1": (workflows.cancellation, (), cancelled),
    "timeouts/v1": (workflows.timeouts, (), timed_out),
    "group/v1": (workflows.group, (), with_a_missing_part),
    "chance/v1": (workflows.chance, (), lambda run: run.run(lambda name, args: None) and None),
    "workers/v1": (workflows.workers, (), plain),
    "scopes/v1": (workflows.scopes, (), cancelled_under_a_shield),
    "versions/v1": (workflows.versions, (), answered),
    "failing/v1": (workflows.failing, (), plain),
    "retries/v2-first": (workflows.flaky, (), plain),
    "retries/v2-second": (workflows.flaky, (), plain),
    "cron/v2": (workflows.counting, (), plain),
}


def without_paths(recorded: Recorded) -> Recorded:
    """Leave out the traceback of a failed run: it names folders of this machine."""
    event = recorded.event
    if not isinstance(event, WorkflowFailed):
        return recorded
    failure = msgspec.structs.replace(event.failure, traceback="")
    event = msgspec.structs.replace(event, failure=failure)
    return Recorded(recorded.seq, recorded.recorded_at, event)


def main() -> None:
    guards.install()
    for name, (_, _, scenario) in SCENARIOS.items():
        path = FOLDER / f"{name}.jsonl"
        if path.exists():
            continue
        run = driver_of(name)
        scenario(run)
        assert run.closed, f"{name} is still open: {run.kinds}"
        path.parent.mkdir(exist_ok=True)
        lines = to_lines(map(without_paths, run.history))
        path.write_bytes(b"".join(line + b"\n" for line in lines))
        run.instance.close()
        print(f"{path.relative_to(FOLDER)}: {len(run.history)} events")


if __name__ == "__main__":
    main()
