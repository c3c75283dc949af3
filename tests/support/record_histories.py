"""Writes the recorded histories that do not exist yet. What exists is never written again."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import msgspec

from aion.core.events import WorkflowFailed
from aion.core.history import Recorded, to_lines
from aion_engine.replay import guards
from tests.replay.histories import workflows
from tests.support.driver import Driver

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


def plain(run: Driver) -> None:
    run.run(echo)


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
    "failing/v1": (workflows.failing, (), plain),
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
    for name, (workflow, args, scenario) in SCENARIOS.items():
        path = FOLDER / f"{name}.jsonl"
        if path.exists():
            continue
        run = Driver(workflow, *args).start()
        scenario(run)
        assert run.closed, f"{name} is still open: {run.kinds}"
        path.parent.mkdir(exist_ok=True)
        lines = to_lines(map(without_paths, run.history))
        path.write_bytes(b"".join(line + b"\n" for line in lines))
        run.instance.close()
        print(f"{path.relative_to(FOLDER)}: {len(run.history)} events")


if __name__ == "__main__":
    main()
