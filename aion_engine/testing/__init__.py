"""The kit that users test with: `from aion_engine.testing import WorkflowEnvironment`.

Names are imported when they are asked for. So the pure part, `ActivityEnvironment` and `replay_history`,
needs no Django, and naming this package in a test configuration costs nothing.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from aion_engine.testing.activity_environment import ActivityEnvironment
    from aion_engine.testing.driving_bell import NothingMoves
    from aion_engine.testing.environment import WorkflowEnvironment
    from aion_engine.testing.open_runs import replay_open_runs
    from aion_engine.testing.replayer import ReplayResult, replay_history

__all__ = [
    "ActivityEnvironment",
    "NothingMoves",
    "ReplayResult",
    "WorkflowEnvironment",
    "replay_history",
    "replay_open_runs",
]

_HOMES: Final = {
    "ActivityEnvironment": "activity_environment",
    "NothingMoves": "driving_bell",
    "ReplayResult": "replayer",
    "WorkflowEnvironment": "environment",
    "replay_history": "replayer",
    "replay_open_runs": "open_runs",
}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(f"{__name__}.{_HOMES[name]}"), name)
