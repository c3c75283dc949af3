"""Spans: one for each thing that happened, however often the code of a workflow was replayed."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable
from typing import Any

import pytest
from django.db import OperationalError
from opentelemetry import trace
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import StatusCode

from aion import ApplicationError, client, workflow
from aion.contrib.opentelemetry import RunIdGenerator, TracingInterceptor
from aion.interceptors import using
from aion.models import Run
from aion.store import turns
from tests.language.worlds import Forgetful, chain, rest
from tests.support import kit
from tests.support.clocks import START, StandingClock
from tests.support.engine import Engine
from tests.support.kit import Scripted

pytestmark = pytest.mark.django_db


class Traced:
    """A tracer provider that keeps what it exports, and the interceptor that uses it."""

    def __init__(self, *, derived: bool) -> None:
        generator: Any = RunIdGenerator() if derived else None
        self.provider = TracerProvider(id_generator=generator)
        self.exporter = InMemorySpanExporter()
        self.provider.add_span_processor(SimpleSpanProcessor(self.exporter))
        self.interceptor = TracingInterceptor(self.provider)

    @property
    def spans(self) -> list[ReadableSpan]:
        return list(self.exporter.get_finished_spans())

    @property
    def names(self) -> list[str]:
        return sorted(span.name for span in self.spans)

    def one(self, name: str) -> ReadableSpan:
        [found] = [span for span in self.spans if span.name == name]
        return found

    def tree(self) -> Counter[Any]:
        """Each span with its parents' names up to the root, its links, status and stable attributes."""
        by_id = {span.context.span_id: span for span in self.spans}

        def path(span: ReadableSpan) -> tuple[str, ...]:
            if span.parent is None:
                return (span.name,)
            above = by_id.get(span.parent.span_id)
            return (*(path(above) if above else ("lost",)), span.name)

        def facts(span: ReadableSpan) -> Any:
            links = tuple(
                by_id[link.context.span_id].name if link.context.span_id in by_id else "lost"
                for link in span.links
            )
            attributes = {k: v for k, v in (span.attributes or {}).items() if "id" not in k}
            return path(span), links, span.status.status_code, tuple(sorted(attributes.items()))

        return Counter(facts(span) for span in self.spans)


@pytest.fixture(params=[False, True], ids=["random ids", "derived ids"])
def traced(request: pytest.FixtureRequest) -> Any:
    made = Traced(derived=request.param)
    with using(made.interceptor):
        yield made


@pytest.fixture
def scripts(script: Any, acting: Any) -> None:
    @acting
    def work() -> str:
        return "done"

    @acting
    def stumble() -> None:
        from aion import activity

        if activity.info().attempt == 1:
            raise ValueError("once more")

    @script
    async def everything(me: Scripted, again: bool = True) -> None:
        await kit.act.execute("stumble")
        await kit.act.execute_local("work")
        await workflow.wait_condition(lambda: me.notes)
        await asyncio.gather(
            workflow.execute_child_workflow(Scripted, "kid", id=f"kid-{again}"),
            kit.aact.execute("awork"),
        )
        await workflow.get_external_workflow_handle("other").signal("note", 1)
        if again:
            workflow.continue_as_new("everything", False)

    async def awork() -> None:
        pass

    kit.ACTS["awork"] = awork

    @script
    async def kid(me: Scripted) -> None:
        await workflow.sleep(60)
        await kit.act.execute("work")

    @script
    async def listen(me: Scripted) -> None:
        await workflow.wait_condition(lambda: len(me.notes) >= 2)

    @script
    async def broken(me: Scripted) -> None:
        raise ValueError("no good")

    @script
    async def benign(me: Scripted) -> None:
        raise ApplicationError("as usual", benign=True)

    @script
    async def idle(me: Scripted) -> None:
        await workflow.wait_condition(lambda: False)


def play(engine: Engine, clock: StandingClock) -> None:
    engine.start("listen", id="other")
    handle = engine.start("everything", id="w")
    rest(engine, clock)
    handle.signal("note", "a")
    rest(engine, clock)
    client.get_workflow_handle("w").signal("note", "b")
    rest(engine, clock)
    assert [str(run.describe().status) for run in chain("w")] == ["continued_as_new", "completed"]


@pytest.mark.parametrize("derived", [False, True])
def test_replays_add_and_change_no_spans(
    scripts: None, clock: StandingClock, derived: bool
) -> None:
    trees = []
    for kind in (Engine, Forgetful):
        Run.objects.all().delete()
        clock.at = START
        traced = Traced(derived=derived)
        with using(traced.interceptor):
            engine = kind()
            play(engine, clock)
            engine.close()
        trees.append(traced.tree())

    assert trees[0] == trees[1]
    assert not any("lost" in path for path, *_ in trees[0])
    assert Counter(path[-1] for (path, *_), n in trees[0].items() for _ in range(n)) == {
        "StartWorkflow:kit.Scripted": 2,
        "RunWorkflow:kit.Scripted": 5,
        "RunActivity:kit.act": 8,
        "RunActivity:kit.aact": 2,
        "SignalWorkflow:note": 2,
        "HandleSignal:note": 4,
        "StartChildWorkflow:kit.Scripted": 2,
        "SignalExternalWorkflow:note": 2,
        "ContinueAsNew:kit.Scripted": 1,
    }


def test_parents_are_those_who_asked(
    engine: Engine, clock: StandingClock, scripts: None, traced: Traced
) -> None:
    handle = engine.start("kid", id="w")
    rest(engine, clock)

    start, run = traced.one("StartWorkflow:kit.Scripted"), traced.one("RunWorkflow:kit.Scripted")
    attempt = traced.one("RunActivity:kit.act")
    derived = traced.interceptor._derives_ids
    assert start.parent is None
    assert run.parent is not None
    assert run.parent.span_id == start.context.span_id
    assert attempt.parent is not None
    assert attempt.parent.span_id == (run if derived else start).context.span_id
    assert len({span.context.trace_id for span in traced.spans}) == 1
    assert run.attributes is not None
    assert run.attributes["aion.run_id"] == str(handle.run_id)
    assert run.attributes["aion.status"] == "completed"
    history = handle.fetch_history()
    assert run.start_time == round(history[0].recorded_at.timestamp()) * 10**9
    assert run.end_time == round(history[-1].recorded_at.timestamp()) * 10**9
    assert run.end_time - run.start_time == 60 * 10**9


def test_a_callers_trace_goes_on_in_the_run(
    engine: Engine, clock: StandingClock, scripts: None, traced: Traced
) -> None:
    tracer = trace.get_tracer("test", tracer_provider=traced.provider)
    with tracer.start_as_current_span("request"):
        engine.start("kid", id="w")

    rest(engine, clock)

    assert len({span.context.trace_id for span in traced.spans}) == 1
    assert traced.one("StartWorkflow:kit.Scripted").parent == traced.one("request").context


def test_each_attempt_is_a_span_with_its_error(
    engine: Engine, clock: StandingClock, script: Any, scripts: None, traced: Traced
) -> None:
    @script
    async def stumbling(me: Scripted) -> None:
        await kit.act.execute("stumble")

    engine.start("stumbling", id="w")
    engine.go()
    clock.move(60)
    engine.go()

    first, second = (span for span in traced.spans if span.name == "RunActivity:kit.act")
    assert [dict(span.attributes or {})["aion.attempt"] for span in (first, second)] == [1, 2]
    assert first.status.status_code is StatusCode.ERROR
    assert [event.name for event in first.events] == ["exception"]
    assert second.status.status_code is StatusCode.UNSET


@pytest.mark.parametrize(
    ("name", "code"), [("broken", StatusCode.ERROR), ("benign", StatusCode.UNSET)]
)
def test_the_span_of_a_run_says_how_it_ended(
    engine: Engine, scripts: None, traced: Traced, name: str, code: StatusCode
) -> None:
    engine.start(name, id="w")
    engine.turns()

    run = traced.one("RunWorkflow:kit.Scripted")
    assert dict(run.attributes or {})["aion.status"] == "failed"
    assert run.status.status_code is code


def test_a_run_that_is_terminated_has_its_span_too(
    engine: Engine,
    scripts: None,
    traced: Traced,
    django_capture_on_commit_callbacks: Callable[..., Any],
) -> None:
    handle = engine.start("idle", id="w")
    engine.turns()
    with django_capture_on_commit_callbacks(execute=True):
        handle.terminate("enough")

    run = traced.one("RunWorkflow:kit.Scripted")
    start = traced.one("StartWorkflow:kit.Scripted")
    assert dict(run.attributes or {})["aion.status"] == "terminated"
    assert run.parent is not None
    assert run.parent.span_id == start.context.span_id


def test_a_successor_is_linked_to_the_run_before_it(
    engine: Engine, clock: StandingClock, script: Any, scripts: None, traced: Traced
) -> None:
    @script
    async def count(me: Scripted, left: int) -> None:
        await workflow.sleep(1)
        if left:
            workflow.continue_as_new("count", left - 1)

    engine.start("count", 2, id="w")
    rest(engine, clock)

    asked = [span for span in traced.spans if span.name == "ContinueAsNew:kit.Scripted"]
    runs = [span for span in traced.spans if span.name == "RunWorkflow:kit.Scripted"]
    linked = [[link.context.span_id for link in run.links] for run in runs]
    assert linked == [[], [asked[0].context.span_id], [asked[1].context.span_id]]
    assert len({run.parent.span_id for run in runs if run.parent}) == 1
    assert len({span.context.trace_id for span in traced.spans}) == 1


def test_a_turn_that_fails_to_commit_exports_nothing(
    engine: Engine, script: Any, scripts: None, traced: Traced, monkeypatch: pytest.MonkeyPatch
) -> None:
    @script
    async def parent(me: Scripted) -> None:
        await workflow.wait_condition(lambda: me.notes)
        await workflow.start_child_workflow(Scripted, "idle", id="kid")

    handle = engine.start("parent", id="w")
    engine.turns()
    handle.signal("note", 1)
    before = traced.names
    with monkeypatch.context() as patch:
        patch.setattr(turns, "write", _fail)
        with pytest.raises(OperationalError):
            engine.turn()
    assert traced.names == before

    engine.turns()

    assert Counter(traced.names) - Counter(before) == {
        "HandleSignal:note": 1,
        "RunWorkflow:kit.Scripted": 2,  # the child ends with its parent
        "StartChildWorkflow:kit.Scripted": 1,
    }


def _fail(*_: Any, **__: Any) -> None:
    raise OperationalError("the connection is gone")


def test_messages_and_queries_are_traced(engine: Engine, scripts: None, traced: Traced) -> None:
    handle = engine.start("listen", id="w")
    engine.turns()
    handle.signal("note", 1)
    engine.turns()

    assert handle.query("length") == 1

    handled, sent = traced.one("HandleSignal:note"), traced.one("SignalWorkflow:note")
    assert [link.context.span_id for link in handled.links] == [sent.context.span_id]
    answered, asked = traced.one("HandleQuery:length"), traced.one("QueryWorkflow:length")
    assert answered.parent is not None
    assert answered.parent.span_id == asked.context.span_id


def test_without_a_trace_from_the_caller_the_runs_id_is_that_of_the_trace(
    engine: Engine, clock: StandingClock, scripts: None
) -> None:
    handle = engine.start("kid", id="w")  # nobody traces here
    assert handle.run_id is not None
    traced = Traced(derived=True)
    with using(traced.interceptor):
        rest(engine, clock)

    run, attempt = traced.one("RunWorkflow:kit.Scripted"), traced.one("RunActivity:kit.act")
    assert run.context.trace_id == attempt.context.trace_id == handle.run_id.int
    assert run.parent is None
    assert attempt.parent is not None
    assert attempt.parent.span_id == run.context.span_id
