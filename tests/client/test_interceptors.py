"""Interceptors around the client: they see and change calls, and their errors stop them."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from contextvars import ContextVar
from typing import Any

import pytest
from asgiref.sync import async_to_sync
from django.core.exceptions import ImproperlyConfigured
from django.test import override_settings

from aion import client
from aion.authoring.interception import chains
from aion.core.errors import UnknownType
from aion.interceptors import ClientInterceptor, ContextVarPropagator, Interceptor, using
from aion.models import Message, Run, Update
from tests.support.engine import Engine
from tests.support.kit import Scripted, Waiting

pytestmark = pytest.mark.django_db


class Watch(ClientInterceptor):
    def __init__(self) -> None:
        self.seen: list[Any] = []

    def start_workflow(self, input: Any, next: Any) -> Any:
        self.seen.append(("start", input.workflow_type, input.id, *input.args, dict(input.kwargs)))
        handle = next(input)
        self.seen.append(("started", handle.workflow_id))
        return handle

    def signal(self, input: Any, next: Any) -> None:
        self.seen.append(("signal", input.workflow_id, input.run_id, input.name, *input.args))
        next(input)

    def query(self, input: Any, next: Any) -> Any:
        self.seen.append(("query", input.name, *input.args))
        return next(input)

    def update(self, input: Any, next: Any) -> Any:
        self.seen.append(("update", input.id, input.name, *input.args))
        return next(input)

    def cancel(self, input: Any, next: Any) -> None:
        self.seen.append(("cancel", input.workflow_id, input.reason))
        next(input)

    def terminate(self, input: Any, next: Any) -> None:
        self.seen.append(("terminate", input.workflow_id, input.reason))
        next(input)


@pytest.fixture
def watch() -> Iterator[Watch]:
    made = Watch()
    with using(made):
        yield made


def test_every_call_is_seen(engine: Engine, watch: Watch) -> None:
    handle = client.start_workflow(Waiting, id="w", kwargs={"want": 3})
    handle.signal(Waiting.on_go, 1)
    client.signal_with_start(Waiting, id="w", signal="count", signal_args=(2,))
    engine.turns()
    assert handle.query("nth", 0) == 1
    handle.start_update("any", 5, id="u1", wait_for="")
    client.get_workflow_handle("w").cancel("please")
    client.get_workflow_handle("w").terminate("now")

    assert watch.seen == [
        ("start", "kit.Waiting", "w", {"want": 3}),
        ("started", "w"),
        ("signal", "w", str(handle.run_id), "go", 1),
        ("start", "kit.Waiting", "w", {}),
        ("started", "w"),
        ("signal", "w", str(handle.run_id), "count", 2),
        ("query", "nth", 0),
        ("update", "u1", "any", 5),
        ("cancel", "w", "please"),
        ("terminate", "w", "now"),
    ]


class Refusing(ClientInterceptor):
    def __init__(self, verb: str) -> None:
        def refuse(input: Any, next: Any) -> Any:
            raise PermissionError("not you")

        setattr(type(self), verb, lambda self, input, next: refuse(input, next))


@pytest.mark.parametrize(
    "verb", ["start_workflow", "signal", "query", "update", "cancel", "terminate"]
)
def test_an_error_stops_the_call_and_nothing_changes(engine: Engine, verb: str) -> None:
    handle = client.start_workflow(Waiting, id="w")
    engine.turns()
    kind = type("Mine", (Refusing,), {})
    calls = {
        "start_workflow": lambda: client.start_workflow(Waiting, id="v"),
        "signal": lambda: handle.signal("go"),
        "query": lambda: handle.query("got"),
        "update": lambda: handle.start_update("any", wait_for=""),
        "cancel": handle.cancel,
        "terminate": handle.terminate,
    }

    with using(kind(verb)), pytest.raises(PermissionError, match="not you"):
        calls[verb]()

    assert Run.objects.count() == 1
    assert Message.objects.count() == Update.objects.count() == 0
    assert handle.describe().status == "running"


def test_a_start_can_be_changed(engine: Engine) -> None:
    class Changing(ClientInterceptor):
        def start_workflow(self, input: Any, next: Any) -> Any:
            return next(
                dataclasses.replace(
                    input,
                    id=f"acme-{input.id}",
                    args=(2,),
                    search_attributes={**input.search_attributes, "color": "red"},
                    memo={"by": "interceptor"},
                    task_queue="theirs",
                )
            )

    with using(Changing()):
        handle = client.start_workflow(Waiting, id="w", search_attributes={"a": 1})

    run = Run.objects.get()
    assert (
        (run.workflow_id, run.task_queue) == (handle.workflow_id, "theirs") == ("acme-w", "theirs")
    )
    assert run.search_attributes == {"a": 1, "color": "red"}
    started: Any = handle.fetch_history()[0].event
    assert bytes(started.input) == b'{"args":[2]}'
    assert bytes(started.memo) == b'{"by":"interceptor"}'


def test_another_type_can_be_started(engine: Engine) -> None:
    class Other(ClientInterceptor):
        def __init__(self, name: str) -> None:
            self.name = name

        def start_workflow(self, input: Any, next: Any) -> Any:
            return next(dataclasses.replace(input, workflow_type=self.name, args=("ada",)))

    with using(Other("kit.greet")):
        handle = client.start_workflow(Waiting)
    engine.turns()
    assert handle.result(0).text == "hello ada"

    with using(Other("no.such")), pytest.raises(UnknownType):
        client.start_workflow(Waiting)


tenant: ContextVar[str | None] = ContextVar("tenant", default=None)


@pytest.mark.django_db(transaction=True)
def test_async_twins_see_the_callers_variables(engine: Engine) -> None:
    async def call() -> None:
        tenant.set("acme")
        handle = await client.astart_workflow(Waiting, id="w")
        await handle.asignal("go", 1)

    with using(ContextVarPropagator({"tenant": tenant})):
        async_to_sync(call)()
        engine.turns()

    history = client.get_workflow_handle("w").fetch_history()
    assert [getattr(each.event, "headers", None) for each in history[:2]] == [
        {"tenant": "acme"},
        {"tenant": "acme"},
    ]


# --- the setting ---


class Configured(Interceptor):
    made = 0

    def __init__(self) -> None:
        type(self).made += 1

    def start_workflow(self, input: Any, next: Any) -> Any:
        return next(input.with_headers({"from": "the settings"}))


INSTANCE = ContextVarPropagator({"tenant": tenant})


def test_the_setting_names_classes_and_instances_made_once() -> None:
    Configured.made = 0
    paths = [f"{__name__}.Configured", f"{__name__}.INSTANCE"]

    with override_settings(AION={"INTERCEPTORS": paths}):
        first = client.start_workflow(Scripted, "x")
        client.start_workflow(Scripted, "y")

        assert Configured.made == 1
        assert chains().handle_signal is not None
    started: Any = first.fetch_history()[0].event
    assert started.headers == {"from": "the settings"}
    assert chains().start_workflow is None


@pytest.mark.parametrize(
    ("path", "text"),
    [
        ("no.such.Thing", "ModuleNotFoundError"),
        (f"{__name__}.tenant", "no interceptor"),
        ("aion.interceptors.using", "no interceptor"),
        (f"{__name__}.Watch", ""),
    ],
)
def test_what_is_no_interceptor_stops_the_first_call(path: str, text: str) -> None:
    with override_settings(AION={"INTERCEPTORS": [path]}):
        if not text:
            client.start_workflow(Scripted, "x")
            return
        with pytest.raises(ImproperlyConfigured, match=text):
            client.start_workflow(Scripted, "x")

    assert Run.objects.count() == 0
