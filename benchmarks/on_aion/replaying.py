"""How fast a history becomes a live instance again."""

from __future__ import annotations

import msgspec

from aion import client
from aion.authoring.registry import registry
from aion.core.events import ActivityCompleted
from aion.core.history import Recorded, decode_event, encode_event
from aion.store import histories
from aion_engine.replay import guards
from aion_engine.replay.advance import advance
from aion_engine.replay.instance import Instance
from aion_engine.replay.replayer import replay
from benchmarks.app.workflows import sequential_steps
from benchmarks.figures import Figures, Size
from benchmarks.measuring import call_durations


def events_per_second(size: Size) -> Figures:
    """Replay a run of local steps: each event is one that code waits for, the dearest kind.

    The fastest of the repeats counts: what the others took longer was taken by somebody else.
    """
    guards.install()
    count = size["events"]
    handle = client.start_workflow(sequential_steps, count)
    run_id = handle.run_id
    assert run_id is not None
    definition = registry.workflow("benchmarks.sequential_steps")
    history = _write_history(
        Instance(definition, str(run_id)), histories.load_one(run_id)[0], count
    )
    histories.append(run_id, history[1:], expected_seq=1)
    stored = [(one.seq, one.recorded_at, one.kind, encode_event(one.event)) for one in history]

    def pure() -> None:
        decoded = [Recorded(seq, at, decode_event(kind, data)) for seq, at, kind, data in stored]
        replay(definition, str(run_id), decoded)[0].close()

    def from_database() -> None:
        replay(definition, str(run_id), histories.load([run_id])[run_id])[0].close()

    return {
        "": count / min(call_durations(pure, calls=size["repeats"])),
        "database": count / min(call_durations(from_database, calls=size["repeats"])),
    }


def _write_history(instance: Instance, start: Recorded, count: int) -> list[Recorded]:
    """Give the first `count` events of the run, as the engine would have written them."""
    history = [start, *advance(instance, [], at=start.recorded_at, start=start)]
    while len(history) < count:
        (step,) = instance.local_activities.values()
        outcome = ActivityCompleted(
            activity_id=step.activity_id,
            activity_type=step.activity_type,
            attempt=1,
            local=True,
            result=msgspec.Raw(b"1"),
        )
        history += advance(instance, [outcome], at=start.recorded_at)
    instance.close()
    return history
