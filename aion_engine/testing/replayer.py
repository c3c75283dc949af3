"""Replays recorded histories with the code that is here: does it still fit? Pure.

Nothing is written and no activity runs. Export a history with `manage.py export_history`, keep the file with
your tests, and a change that would hold the runs of production fails the test instead.
"""

from __future__ import annotations

import dataclasses
import gzip
import io
import json
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, Final

from aion.authoring.registry import registry
from aion.authoring.workflow_definition import WorkflowDefinition, definition_of
from aion.core.archives import lines_of
from aion.core.errors import HistoryError, NonDeterminismError, UnknownType
from aion.core.events import Role, WorkflowStarted
from aion.core.history import Recorded, from_lines
from aion_engine.replay.replayer import replay

_GZIP: Final = b"\x1f\x8b"
Source = str | bytes | Path | Iterable[Recorded] | Iterable[dict[str, Any]]


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class ReplayResult:
    """How a history and the code that is here get on: `error` is None when they fit."""

    workflow_id: str
    run_id: str
    workflow_type: str
    event_count: int
    error: BaseException | None

    @property
    def ok(self) -> bool:
        """Whether the code fits the history."""
        return self.error is None

    @property
    def diff(self) -> str:
        """Where they part, on a few lines; "" when they fit."""
        if self.error is None:
            return ""
        title = f"{self.workflow_type} {self.workflow_id} (run {self.run_id or 'unknown'})"
        if not isinstance(self.error, NonDeterminismError):
            return f"{title}\n  {type(self.error).__name__}: {self.error}"
        error = self.error
        where = f"\n  in the code at: {error.where}" if error.where else ""
        return (
            f"{title}\n  event {error.seq}:\n"
            f"  - history has: {error.expected}\n"
            f"  + the code asks for: {error.found}{where}"
        )

    def raise_if_failed(self) -> None:
        """Raise the error, if there is one, with the difference as a note."""
        if self.error is not None:
            self.error.add_note(self.diff)
            raise self.error


def replay_history(
    source: Source, *, workflow: Any = None, run_id: str = "", check: bool = True
) -> ReplayResult:
    """Replay one history: a path, JSON lines or a JSON list as text, or what `fetch_history` gave.

    The workflow is the registered one of the history's type, or `workflow`. With `check` a misfit is raised,
    otherwise it is in the result.

    Raises:
        NonDeterminismError: the code no longer fits.
        HistoryError: this is no history.
        UnknownType: there is no workflow of its type.
    """
    history = read_history(source)
    started = history[0].event
    if not isinstance(started, WorkflowStarted):
        raise HistoryError("A history begins with WorkflowStarted")
    error = _replay(workflow, started.workflow_type, run_id, history)
    result = ReplayResult(
        workflow_id=started.workflow_id,
        run_id=run_id,
        workflow_type=started.workflow_type,
        event_count=len(history),
        error=error,
    )
    if check:
        result.raise_if_failed()
    return result


def _replay(
    workflow: Any, name: str, run_id: str, history: Sequence[Recorded]
) -> BaseException | None:
    try:
        definition = _definition(workflow, name)
        if all(recorded.event.role is Role.NOTE for recorded in history[1:]):
            return None  # its code has not begun: whatever there is, fits
        instance, _ = replay(definition, run_id, history)
    except Exception as error:  # noqa: BLE001  # whatever the code does to a replay is the answer
        return error
    instance.close()
    return None


def _definition(workflow: Any, name: str) -> WorkflowDefinition:
    if workflow is None:
        return registry.workflow(name)
    found = definition_of(workflow)
    if found is None:
        raise UnknownType(f"{workflow!r} is not decorated with @workflow.defn", name=name)
    return found


def read_history(source: Source) -> list[Recorded]:
    """Read a history in any of the forms that `replay_history` takes.

    Raises:
        HistoryError: there is none, or it cannot be read.
    """
    if isinstance(source, Path) or (isinstance(source, str) and _is_path(source)):
        source = Path(source).read_bytes()
        if source.startswith(_GZIP):
            with gzip.open(io.BytesIO(source)) as packed:
                source = b"".join(lines_of(packed))
    is_text = isinstance(source, (str, bytes))
    history = _from_text(source) if is_text else _from_items(list(source))  # type: ignore[arg-type]
    if not history:
        raise HistoryError("The history is empty")
    return history


def _is_path(text: str) -> bool:
    """Tell a path from JSON, which begins with a bracket."""
    return "\n" not in text and text.lstrip()[:1] not in ("{", "[", "")


def _from_text(text: str | bytes) -> list[Recorded]:
    if not text.lstrip().startswith("[" if isinstance(text, str) else b"["):  # type: ignore[arg-type]
        return from_lines(text.splitlines())
    try:
        items = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise HistoryError(f"This is no JSON: {error}") from error
    return _from_items(items)


def _from_items(items: list[Any]) -> list[Recorded]:
    if all(isinstance(item, Recorded) for item in items):
        return items
    return from_lines(json.dumps(item) for item in items)
