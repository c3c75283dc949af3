"""Recorded lives: stories that a real engine lives, and whose histories are kept as files.

A story stands beside the workflows that it is about, in `tests/replay/histories/<feature>/workflows.py`. It
is lived on a database, with a standing clock and counted ids, so that it is the same each time.
"""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec

from aion import activity, client
from aion.client import WorkflowHandle
from aion.core.errors import ApplicationError
from aion.core.history import Recorded, from_lines, to_lines
from tests.replay import histories
from tests.support.clocks import StandingClock
from tests.support.engine import Engine

FOLDER = Path(histories.__file__).parent

Story = Callable[["World"], None]


@activity.defn(name="histories.work")
def work(name: str, fails_until: int = 0) -> str:
    """What the activities of the stories do: fail for some attempts, then succeed."""
    if activity.info().attempt <= fails_until:
        raise ApplicationError(f"{name} is not possible", type="NotPossible")
    return f"{name} done"


class World:
    """An engine on a standing clock, and the runs of a story that are to be kept."""

    def __init__(self, engine: Engine, clock: StandingClock) -> None:
        self.engine = engine
        self.clock = clock
        self.kept: dict[str, WorkflowHandle] = {}

    def start(self, name: str, workflow: Any, *args: Any, **options: Any) -> WorkflowHandle:
        """Start a run, whose history will be kept, and let it take its first turns."""
        handle = client.start_workflow(workflow, *args, **{"id": name, **options})
        self.engine.turns()
        return self.keep(name, handle)

    def keep(self, name: str, handle: WorkflowHandle) -> WorkflowHandle:
        self.kept[name] = handle
        return handle

    def turns(self, seconds: float = 0) -> None:
        """Let time pass, and fold what is there. No activity runs."""
        self.clock.move(seconds)
        self.engine.turns()

    def go(self, seconds: float = 0) -> None:
        """Let time pass, fold what is there, and run the activities that are due."""
        self.clock.move(seconds)
        self.engine.go()


def stories() -> dict[str, Story]:
    """The story of each feature, by the name of its folder."""
    found = {}
    for info in pkgutil.iter_modules([str(FOLDER)]):
        if info.ispkg:
            module = importlib.import_module(f"{histories.__name__}.{info.name}.workflows")
            found[info.name] = module.story
    return found


def files() -> list[Path]:
    return sorted(FOLDER.rglob("*.jsonl"))


def named(path: Path) -> str:
    return path.relative_to(FOLDER).with_suffix("").as_posix()


def written(history: list[Recorded]) -> list[bytes]:
    """A history as the lines of a file, without tracebacks: they name folders of this machine."""
    lines = (_without_tracebacks(msgspec.json.decode(line)) for line in to_lines(history))
    return list(to_lines(from_lines([msgspec.json.encode(line) for line in lines])))


def _without_tracebacks(value: Any) -> Any:
    if isinstance(value, dict):
        return {k: _without_tracebacks(v) for k, v in value.items() if k != "traceback"}
    return [_without_tracebacks(each) for each in value] if isinstance(value, list) else value
