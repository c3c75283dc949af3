"""The events of a run, followed while it lives."""

from __future__ import annotations

import asyncio
import itertools
from typing import Any

import pytest
from django.db import connections

from aion import client, workflow
from aion.core.errors import InvalidArgument, ResultTimeout, RunNotFound
from aion.operations import follow
from aion.store.dialects import atomic
from tests.support import kit
from tests.support.engine import Engine, in_thread, running_worker

pytestmark = pytest.mark.django_db

LIVE = pytest.mark.django_db(transaction=True)


def seqs(events: Any) -> list[int]:
    return [each.seq for each in events]


@pytest.fixture
def ended(engine: Engine) -> client.WorkflowHandle:
    handle = client.start_workflow(kit.Waiting, 3)
    for number in range(3):
        handle.signal("go", number)
    engine.go()
    return handle


def test_events_behind_a_seq_are_exactly_the_rest(ended: client.WorkflowHandle) -> None:
    history = ended.fetch_history()

    assert list(ended.events()) == history
    for seq in range(len(history) + 1):
        assert list(ended.events(after=seq)) == history[seq:]


@pytest.mark.parametrize("after", [6, -1, "1", True])
def test_a_seq_beyond_the_head_is_refused(ended: client.WorkflowHandle, after: Any) -> None:
    with pytest.raises(InvalidArgument, match="after"):
        ended.events(after=after)


def test_nobody_can_be_followed() -> None:
    with pytest.raises(RunNotFound):
        client.get_workflow_handle("nobody").events()


def test_windows_are_bounded(ended: client.WorkflowHandle, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(follow, "WINDOW", 2)
    read: list[int] = []
    load = follow.histories.load_one

    def counted(*args: Any, **options: Any) -> Any:
        found = load(*args, **options)
        read.append(len(found))
        return found

    monkeypatch.setattr(follow.histories, "load_one", counted)

    assert seqs(ended.events()) == [1, 2, 3, 4, 5]
    assert read == [2, 2, 1]


def test_an_open_run_is_waited_for_until_the_timeout(engine: Engine) -> None:
    handle = client.start_workflow(kit.Waiting)
    engine.go()
    events = handle.events(timeout=0.01)

    assert next(events).kind == "WorkflowStarted"
    with pytest.raises(ResultTimeout, match="no event behind seq 1"):
        next(events)
    handle.terminate("enough")
    assert [each.kind for each in handle.events(after=1)] == ["WorkflowTerminated"]


def test_a_chain_is_followed_to_its_end(engine: Engine, script: Any) -> None:
    @script
    async def main(me: kit.Scripted, rounds: int) -> int:
        if rounds:
            workflow.continue_as_new("main", rounds - 1)
        return rounds

    handle = engine.start("main", 2)
    engine.go()

    assert [each.kind for each in handle.events()] == [
        "WorkflowStarted",
        "WorkflowContinuedAsNew",
    ]
    followed = list(handle.events(chain=True))
    assert seqs(followed) == [1, 2, 3, 4, 5, 6]
    assert followed[-1].kind == "WorkflowCompleted"
    assert seqs(handle.events(after=2, chain=True)) == [3, 4, 5, 6]


@LIVE
def test_an_event_is_told_when_it_is_committed_and_not_before(engine: Engine) -> None:
    handle = client.start_workflow(kit.Waiting)
    engine.go()

    def look() -> Any:
        try:
            return [each.kind for each in handle.events(after=1, timeout=0)]
        except ResultTimeout:
            return "nothing"

    with atomic():
        handle.terminate("by hand")
        assert in_thread(look).done() == "nothing"
    assert in_thread(look).done() == ["WorkflowTerminated"]


@LIVE
def test_who_stops_again_and_again_misses_nothing(script: Any, acting: Any) -> None:
    """Readers that go on where they stopped, in threads and in a coroutine, while the run is alive."""

    @acting
    def work() -> None: ...

    @script
    async def main(me: kit.Scripted) -> None:
        await workflow.receive("begin")
        for _ in range(30):
            await kit.act.execute_local("work")

    def read(at_once: int) -> list[Any]:
        found: list[Any] = []
        while True:
            after = found[-1].seq if found else 0
            part = list(itertools.islice(handle.events(after=after, timeout=20), at_once))
            found += part
            if len(part) < at_once:
                return found

    async def aread() -> list[Any]:
        try:
            return [each async for each in handle.aevents(timeout=20)]
        finally:
            await asyncio.to_thread(connections.close_all)

    with running_worker(activity_threads=0):
        handle = client.start_workflow(kit.Scripted, "main")
        readers = [in_thread(read, 1), in_thread(read, 7), in_thread(lambda: asyncio.run(aread()))]
        handle.signal("begin")
        followed = [reader.done() for reader in readers]

    history = handle.fetch_history()
    assert len(history) > 30
    assert all(each == history for each in followed)
