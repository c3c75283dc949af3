"""Headers travel: from the client to everything that a run leads to; and the variables they carry."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextvars import ContextVar
from typing import Any

import pytest

from aion import RetryPolicy, activity, client, workflow
from aion.core import events
from aion.core.errors import InvalidArgument
from aion.interceptors import ContextVarPropagator, Interceptor, using
from aion.models import Run
from tests.language.worlds import chain, found, rest
from tests.support import kit
from tests.support.clocks import StandingClock
from tests.support.engine import Engine
from tests.support.kit import Scripted

pytestmark = pytest.mark.django_db

tenant: ContextVar[str | None] = ContextVar("tenant", default=None)
user: ContextVar[str | None] = ContextVar("user", default=None)


@pytest.fixture
def seen() -> list[Any]:
    return []


@pytest.fixture
def scripts(script: Any, acting: Any, seen: list[Any]) -> None:
    @acting
    def look(label: str) -> None:
        seen.append((label, dict(activity.info().headers), tenant.get()))

    @acting
    def stumble(label: str) -> None:
        look(label)
        if activity.info().attempt == 1:
            raise ValueError("once more")

    @acting
    def fail(label: str) -> None:
        look(label)
        raise ValueError("for good")

    @script
    async def everything(me: Scripted) -> None:
        await kit.act.execute("stumble", "remote")
        await kit.act.execute_local("look", "local")
        await workflow.execute_child_workflow(Scripted, "kid", id="kid")
        await workflow.get_external_workflow_handle("other").signal("note", 1)
        workflow.continue_as_new("second")

    @script
    async def second(me: Scripted) -> None:
        await kit.act.execute("look", "second")

    @script
    async def kid(me: Scripted) -> None:
        await kit.act.execute("look", "child")

    @script
    async def listen(me: Scripted) -> None:
        await workflow.wait_condition(lambda: me.notes)


@pytest.fixture
def propagating() -> Iterator[None]:
    with using(ContextVarPropagator({"tenant": tenant, "user": user})):
        yield


@pytest.fixture
def as_tenant() -> Iterator[Callable[[str | None], None]]:
    token = tenant.set(None)
    yield lambda name: tenant.set(name) and None
    tenant.reset(token)


EVERYWHERE = ["remote", "remote", "local", "child", "second"]


def test_headers_reach_everything(
    engine: Engine, clock: StandingClock, scripts: None, seen: list[Any]
) -> None:
    engine.start("listen", id="other")
    handle = engine.start("everything", id="w", headers={"tenant": "acme"})

    rest(engine, clock)

    assert [label for label, _, _ in seen] == EVERYWHERE
    assert {tuple(headers.items()) for _, headers, _ in seen} == {(("tenant", "acme"),)}
    assert found(handle, events.ActivityScheduled)[0].headers == {"tenant": "acme"}
    assert found(handle, events.ChildWorkflowStarted)[0].headers == {"tenant": "acme"}
    assert found(handle, events.SignalSent)[0].headers == {"tenant": "acme"}
    received = found(client.get_workflow_handle("other"), events.SignalReceived)
    assert received[0].headers == {"tenant": "acme"}
    for run in [*chain("w"), client.get_workflow_handle("kid")]:
        assert found(run, events.WorkflowStarted)[0].headers == {"tenant": "acme"}


def test_a_retried_run_keeps_its_headers(
    engine: Engine, clock: StandingClock, script: Any, scripts: None, seen: list[Any]
) -> None:
    @script
    async def parent(me: Scripted) -> None:
        retry = RetryPolicy(maximum_attempts=2, jitter=0.0)
        kid = await workflow.start_child_workflow(Scripted, "failing", id="kid", retry=retry)
        with pytest.raises(workflow_error()):
            await kid

    @script
    async def failing(me: Scripted) -> None:
        seen.append(dict(workflow.info().headers))
        raise ValueError("again")

    engine.start("parent", id="p", headers={"a": "1"})

    rest(engine, clock)

    assert len(chain("kid")) == 2
    assert {tuple(headers.items()) for headers in seen} == {(("a", "1"),)}


def workflow_error() -> type[BaseException]:
    from aion import ChildWorkflowError

    return ChildWorkflowError


def test_without_headers_events_have_none(
    engine: Engine, clock: StandingClock, scripts: None, seen: list[Any]
) -> None:
    engine.start("listen", id="other")
    handle = engine.start("everything", id="w")

    rest(engine, clock)

    assert all("headers" not in each.attributes for each in handle.fetch_history())


def test_an_interceptor_may_give_the_successor_other_headers(
    engine: Engine, clock: StandingClock, scripts: None, seen: list[Any]
) -> None:
    class Dropping(Interceptor):
        def continue_as_new(self, input: Any, next: Any) -> Any:
            import dataclasses

            next(dataclasses.replace(input, headers={}))

    engine.start("listen", id="other")
    with using(Dropping()):
        engine.start("everything", id="w", headers={"tenant": "acme"})
        rest(engine, clock)

    assert seen[-1] == ("second", {}, None)
    assert found(chain("w")[0], events.WorkflowContinuedAsNew)[0].headers == {}


@pytest.mark.parametrize("verb", ["start", "signal", "query", "update"])
def test_large_headers_are_refused_and_nothing_changes(
    engine: Engine, scripts: None, verb: str
) -> None:
    handle = engine.start("listen", id="w")
    engine.turns()
    before = handle.fetch_history()
    large = {"h": "x" * 9_000}

    with pytest.raises(InvalidArgument, match="8,192"):
        match verb:
            case "start":
                engine.start("listen", id="v", headers=large)
            case "signal":
                handle.signal("note", 1, headers=large)
            case "query":
                handle.query("length", headers=large)
            case "update":
                handle.start_update("any", headers=large)

    engine.turns()
    assert handle.fetch_history() == before
    assert Run.objects.count() == 1


# --- context variables ---


def test_variables_are_what_they_were_where_a_thing_was_asked_for(
    engine: Engine,
    clock: StandingClock,
    scripts: None,
    seen: list[Any],
    propagating: None,
    as_tenant: Any,
) -> None:
    as_tenant("acme")
    engine.start("listen", id="other")
    engine.start("everything", id="w")
    as_tenant(None)

    rest(engine, clock)

    assert [(label, name) for label, _, name in seen] == [(label, "acme") for label in EVERYWHERE]
    assert {tuple(headers) for _, headers, _ in seen} == {("tenant",)}
    assert tenant.get() is None


def test_runs_do_not_see_each_others_variables(
    engine: Engine, script: Any, scripts: None, seen: list[Any], propagating: None, as_tenant: Any
) -> None:
    @script
    async def change(me: Scripted, to: str | None) -> Any:
        before = tenant.get()
        tenant.set(to)
        await workflow.wait_condition(lambda: me.notes)
        await kit.act.execute("look", "act")
        return [before, tenant.get(), me.notes]

    @script
    async def plain(me: Scripted) -> Any:
        await workflow.wait_condition(lambda: me.notes)
        return tenant.get()

    as_tenant("acme")
    changed = engine.start("change", "other", id="c")
    dropped = engine.start("change", None, id="d")
    as_tenant(None)
    untouched = engine.start("plain", id="u")
    engine.turns()
    for handle in (changed, dropped, untouched):
        handle.signal("note", 1)

    engine.go()

    assert changed.result(0) == ["acme", "other", [1]]
    assert dropped.result(0) == ["acme", None, [1]]
    assert untouched.result(0) is None
    assert sorted(seen, key=str) == [("act", {"tenant": "other"}, "other"), ("act", {}, None)]


def test_a_handler_has_its_messages_variables_else_the_runs(
    engine: Engine, scripts: None, propagating: None, as_tenant: Any
) -> None:
    heard: list[Any] = []

    class Listening(Interceptor):
        async def handle_signal(self, input: Any, next: Any) -> None:
            heard.append((input.args[0], tenant.get(), user.get()))
            await next(input)

        def handle_query(self, input: Any, next: Any) -> Any:
            return [next(input), tenant.get(), user.get()]

    propagator = ContextVarPropagator({"tenant": tenant, "user": user})
    with using(propagator, Listening()):
        as_tenant("acme")
        handle = engine.start("everything", id="w", headers={"user": "ada"})
        as_tenant(None)
        engine.turns()
        handle.signal("note", 1)
        handle.signal("note", 2, headers={"user": "bob"})
        as_tenant("other")
        handle.signal("note", 3)
        engine.turns()

        assert list(dict.fromkeys(heard)) == [
            (1, "acme", "ada"),
            (2, "acme", "bob"),
            (3, "other", "ada"),
        ]
        assert handle.query("length") == [3, "other", "ada"]
    handle.terminate()


def test_a_threads_own_variable_is_not_an_activitys(
    engine: Engine, scripts: None, seen: list[Any], propagating: None, as_tenant: Any
) -> None:
    engine.start("kid", id="w")
    engine.turns()
    as_tenant("the worker's")

    engine.act()

    assert seen == [("child", {}, None)]
    assert tenant.get() == "the worker's"


def test_what_is_no_text_is_refused_at_the_start(
    engine: Engine, scripts: None, propagating: None, as_tenant: Any
) -> None:
    as_tenant(7)

    with pytest.raises(InvalidArgument, match="'tenant': 7"):
        engine.start("kid", id="w")

    assert Run.objects.count() == 0


def test_a_subclass_names_its_variables() -> None:
    class Mine(ContextVarPropagator):
        variables = {"tenant": tenant}

    assert Mine().variables == {"tenant": tenant}
