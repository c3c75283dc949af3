"""Interceptors in the worker: around attempts, and what they do after a commit."""

from __future__ import annotations

import asyncio
import dataclasses
import logging
from contextvars import ContextVar
from typing import Any

import pytest
from django.core.exceptions import ImproperlyConfigured
from django.db import OperationalError
from django.test import override_settings

from aion import activity, workflow
from aion.interceptors import ActivityInterceptor, Interceptor, after_commit, using
from aion.store import turns
from tests.support import kit
from tests.support.engine import Engine
from tests.support.kit import Scripted

pytestmark = pytest.mark.django_db

mark: ContextVar[str] = ContextVar("mark", default="none")


class Around(ActivityInterceptor):
    def __init__(self) -> None:
        self.seen: list[Any] = []

    def execute_activity(self, input: Any, next: Any) -> Any:
        info = activity.info()
        self.seen.append((input.activity_type, *input.args, info.attempt, info.is_local))
        mark.set("inside")
        try:
            return next(dataclasses.replace(input, args=(*input.args, "more")))
        except ValueError as error:
            raise KeyError("translated") from error

    def heartbeat(self, input: Any, next: Any) -> None:
        self.seen.append(("heartbeat", *input.details))
        next(input)


@pytest.mark.parametrize("how", ["kit.act", "kit.booking", "kit.aact", "local"])
def test_every_kind_of_activity_is_seen(engine: Engine, script: Any, acting: Any, how: str) -> None:
    @acting
    def work(*args: Any) -> Any:
        return [*args, mark.get()]

    async def async_work(*args: Any) -> Any:
        await asyncio.sleep(0)
        return work(*args)

    kit.ACTS["work"] = async_work if how == "kit.aact" else work

    @script
    async def run(me: Scripted) -> Any:
        if how == "local":
            return await kit.act.execute_local("work", 1)
        return await workflow.execute_activity(how, "work", 1)

    around = Around()
    with using(around):
        handle = engine.start("run")
        engine.go()

    name = "kit.act" if how == "local" else how
    assert handle.result(0) == [1, "more", "inside"]
    assert around.seen == [(name, "work", 1, 1, how == "local")]
    assert mark.get() == "none"


def test_an_error_of_an_interceptor_is_the_attempts(
    engine: Engine, script: Any, acting: Any, clock: Any
) -> None:
    @acting
    def work(*args: Any) -> Any:
        if activity.info().attempt == 1:
            raise ValueError("once")
        activity.heartbeat("half")
        return "done"

    @script
    async def run(me: Scripted) -> Any:
        return await kit.act.execute("work")

    around = Around()
    with using(around):
        handle = engine.start("run")
        engine.go()
        clock.move(60)
        engine.go()

    assert handle.result(0) == "done"
    assert around.seen == [
        ("kit.act", "work", 1, False),
        ("kit.act", "work", 2, False),
        ("heartbeat", "half"),
    ]


class Telling(Interceptor):
    def __init__(self) -> None:
        self.told: list[Any] = []

    async def handle_signal(self, input: Any, next: Any) -> None:
        value = input.args[0]
        after_commit(lambda: self.tell(value))
        await next(input)

    def tell(self, value: Any) -> None:
        self.told.append((value, workflow.in_workflow()))
        if value == "bad":
            raise RuntimeError("cannot tell")


@pytest.fixture
def waiting(script: Any) -> None:
    @script
    async def waits(me: Scripted, count: int) -> Any:
        await workflow.wait_condition(lambda: len(me.notes) >= count)


def test_what_waits_for_a_commit_is_done_once_per_commit(
    engine: Engine, waiting: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    telling = Telling()
    with using(telling):
        handle = engine.start("waits", 3)
        engine.turns()
        handle.signal("note", 1)
        with monkeypatch.context() as patch:
            patch.setattr(turns, "write", _fail)
            with pytest.raises(OperationalError):
                engine.turn()
        assert telling.told == []

        engine.turns()
        engine.loop.turns.cache.clear()
        handle.signal("note", 2)
        engine.turns()
        handle.signal("note", 3)
        engine.turns()

    assert telling.told == [(1, False), (2, False), (3, False)]


def _fail(*_: Any, **__: Any) -> None:
    raise OperationalError("the connection is gone")


def test_an_error_after_the_commit_is_logged_and_harms_nobody(
    engine: Engine, waiting: None, caplog: pytest.LogCaptureFixture
) -> None:
    telling = Telling()
    with using(telling), caplog.at_level(logging.ERROR, "aion.turns"):
        handle = engine.start("waits", 2)
        handle.signal("note", "bad")
        handle.signal("note", "good")
        engine.turns()

    assert handle.describe().status == "completed"
    assert [value for value, _ in telling.told] == ["bad", "good"]
    assert "after the commit failed" in caplog.text


def test_a_turn_that_holds_its_run_forgets_what_waited(engine: Engine, waiting: None) -> None:
    class Breaking(Telling):
        async def handle_signal(self, input: Any, next: Any) -> None:
            await super().handle_signal(input, next)
            raise SystemExit

    breaking = Breaking()
    with using(breaking):
        handle = engine.start("waits", 2)
        engine.turns()
        handle.signal("note", 1)
        engine.turns()

    assert breaking.told == []
    assert handle.describe().problem is not None


def test_a_worker_with_a_broken_setting_does_not_begin(db: None) -> None:
    with override_settings(AION={"INTERCEPTORS": ["no.such.Thing"]}):
        with pytest.raises(ImproperlyConfigured, match=r"no\.such\.Thing"):
            Engine()
