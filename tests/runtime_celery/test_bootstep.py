"""Which Celery workers host a turn loop, and when their pool processes are workers of their own."""

from __future__ import annotations

import os
from types import SimpleNamespace
from typing import Any

import pytest

from aion_engine.runtime import bootstep, stop_watch
from aion_engine.runtime.here import Here
from aion_engine.runtime.identity import new_worker


def app(*queues: str, default: str = "celery") -> Any:
    return SimpleNamespace(
        amqp=SimpleNamespace(queues=SimpleNamespace(consume_from=dict.fromkeys(queues))),
        conf=SimpleNamespace(task_default_queue=default),
    )


@pytest.mark.parametrize(
    ("turn_loop", "queues", "hosts"),
    [
        ("auto", ["celery"], True),
        ("auto", ["default"], True),
        ("auto", ["emails"], False),
        ("auto", ["emails", "celery"], True),
        ("always", ["emails"], True),
        ("never", ["celery"], False),
    ],
)
def test_the_settings_and_the_queues_say_who_hosts_a_loop(
    settings: Any, turn_loop: str, queues: list[str], hosts: bool
) -> None:
    settings.AION = {**settings.AION, "TURN_LOOP": turn_loop}

    assert bootstep.hosts_loop(app(*queues)) is hosts


@pytest.fixture
def here(monkeypatch: pytest.MonkeyPatch) -> Here:
    fresh = Here()
    monkeypatch.setattr(bootstep, "here", fresh)
    return fresh


@pytest.fixture
def watched(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    calls: list[Any] = []
    monkeypatch.setattr(stop_watch, "start", lambda *arguments: calls.append(arguments))
    return calls


def test_a_pool_in_the_workers_own_process_needs_no_watch(here: Here, watched: list[Any]) -> None:
    here.become(new_worker("celery"))

    bootstep._on_pool_process()

    assert watched == []


def test_a_forked_pool_process_reads_its_parents_board(here: Here, watched: list[Any]) -> None:
    here.become(new_worker("celery"))
    board = here.board
    here._worker = new_worker("celery").__class__(
        id=here.worker.id, name="parent", host="here", pid=os.getppid()
    )

    bootstep._on_pool_process()

    assert [call[0] for call in watched] == [board]


def test_a_spawned_pool_process_is_a_worker_of_its_own(
    here: Here, monkeypatch: pytest.MonkeyPatch
) -> None:
    begun: list[bool] = []
    monkeypatch.setattr(bootstep, "_begin_spawned", lambda: begun.append(True))

    bootstep._on_pool_process()

    assert begun == [True]
