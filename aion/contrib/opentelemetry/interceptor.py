"""The interceptor that makes spans. See the package for how it goes together with replay."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any, NoReturn

from opentelemetry import context as otel_context
from opentelemetry import propagate, trace
from opentelemetry.context import Context
from opentelemetry.trace import (
    Link,
    NonRecordingSpan,
    Span,
    SpanContext,
    SpanKind,
    StatusCode,
    TraceFlags,
)

from aion import activity, signals, workflow
from aion.contrib.opentelemetry.identities import RunIdGenerator, ids_of, wanted_ids
from aion.contrib.opentelemetry.spans import (
    CONTINUED_FROM,
    about_run,
    about_target,
    end_after_commit,
    injected,
    links_to,
    nanoseconds,
    note_error,
    noting_errors,
    outside,
    predecessor_of,
)
from aion.core.errors import CancelledError
from aion.core.failures import Failure
from aion.core.headers import Headers
from aion.interceptors import (
    ContinueAsNewInput,
    ExecuteActivityInput,
    ExecuteWorkflowInput,
    HandleQueryInput,
    HandleSignalInput,
    HandleUpdateInput,
    Interceptor,
    QueryInput,
    SignalExternalInput,
    SignalInput,
    StartActivityInput,
    StartChildWorkflowInput,
    StartWorkflowInput,
    UpdateInput,
)
from aion.signals import RunFacts


class TracingInterceptor(Interceptor):
    """Makes spans of starts, messages, runs, handlers and attempts, and carries their context in headers."""

    def __init__(self, tracer_provider: trace.TracerProvider | None = None) -> None:
        self._provider = tracer_provider
        self._tracer = trace.get_tracer("aion", tracer_provider=tracer_provider)
        signals.workflow_closed.connect(self._closed)  # weakly: for as long as this object lives

    # --- the client ---

    def start_workflow(
        self, input: StartWorkflowInput, next: Callable[[StartWorkflowInput], Any]
    ) -> Any:
        """Around a start."""
        with self._calling(f"StartWorkflow:{input.workflow_type}") as span:
            handle = next(input.with_headers(injected()))
            span.set_attribute("aion.workflow_id", handle.workflow_id)
            span.set_attribute("aion.run_id", str(handle.run_id))
            return handle

    def signal(self, input: SignalInput, next: Callable[[SignalInput], None]) -> None:
        """Around a signal."""
        with self._calling(f"SignalWorkflow:{input.name}", about_target(input)):
            next(input.with_headers(injected()))

    def query(self, input: QueryInput, next: Callable[[QueryInput], Any]) -> Any:
        """Around a query."""
        with self._calling(f"QueryWorkflow:{input.name}", about_target(input)):
            return next(input.with_headers(injected()))

    def update(self, input: UpdateInput, next: Callable[[UpdateInput], Any]) -> Any:
        """Around the sending of an update."""
        with self._calling(f"UpdateWorkflow:{input.name}", about_target(input)):
            return next(input.with_headers(injected()))

    def _calling(self, name: str, attributes: Mapping[str, str] | None = None) -> Any:
        return self._tracer.start_as_current_span(
            name, kind=SpanKind.CLIENT, attributes=attributes or {}
        )

    # --- into workflow code ---

    async def execute_workflow(
        self, input: ExecuteWorkflowInput, next: Callable[[ExecuteWorkflowInput], Any]
    ) -> Any:
        """Let what the run asks for belong to its trace."""
        otel_context.attach(self._inside(input.headers, workflow.info().run_id))
        return await next(input)

    async def handle_signal(
        self, input: HandleSignalInput, next: Callable[[HandleSignalInput], Any]
    ) -> None:
        """Around a handler."""
        with self._handling(f"HandleSignal:{input.name}", input.headers):
            await next(input)

    async def handle_update(
        self, input: HandleUpdateInput, next: Callable[[HandleUpdateInput], Any]
    ) -> Any:
        """Around a handler."""
        with self._handling(
            f"HandleUpdate:{input.name}", input.headers, {"aion.update_id": input.id}
        ):
            return await next(input)

    def handle_query(self, input: HandleQueryInput, next: Callable[[HandleQueryInput], Any]) -> Any:
        """Around a handler, in the process that answers."""
        attributes = about_run(workflow.info())
        span = self._start(
            f"HandleQuery:{input.name}", propagate.extract(dict(input.headers)), attributes
        )
        try:
            with noting_errors(span):
                return next(input)
        finally:
            outside(span.end)

    @contextmanager
    def _handling(
        self, name: str, headers: Headers, attributes: Mapping[str, str] | None = None
    ) -> Iterator[None]:
        """Trace a handler in the times of the history, when it ends; it may have begun in another process."""
        info = workflow.info()
        begun = workflow.now()
        parent = self._inside(info.headers, info.run_id)
        otel_context.attach(parent)
        error: BaseException | None = None
        try:
            yield
        except BaseException as raised:
            error = raised
            raise
        finally:
            if not workflow.is_replaying():
                sender = trace.get_current_span(propagate.extract(dict(headers), Context()))
                span = self._start(
                    name,
                    parent,
                    {**about_run(info), **(attributes or {})},
                    links=links_to(sender.get_span_context()),
                    at=begun,
                )
                if isinstance(error, Exception):
                    outside(note_error, span, error)
                end_after_commit(span, workflow.now())

    # --- out of workflow code ---

    def start_activity(
        self, input: StartActivityInput, next: Callable[[StartActivityInput], Any]
    ) -> Any:
        """Carry the context."""
        return next(input.with_headers(injected()))

    def start_local_activity(
        self, input: StartActivityInput, next: Callable[[StartActivityInput], Any]
    ) -> Any:
        """Carry the context."""
        return next(input.with_headers(injected()))

    async def start_child_workflow(
        self, input: StartChildWorkflowInput, next: Callable[[StartChildWorkflowInput], Any]
    ) -> Any:
        """Around the start of a child."""
        span, headers = self._asking(f"StartChildWorkflow:{input.workflow_type}")
        handle = await next(input.with_headers(headers))
        if span is not None:
            span.set_attribute("aion.child_workflow_id", handle.workflow_id)
        return handle

    async def signal_external(
        self, input: SignalExternalInput, next: Callable[[SignalExternalInput], Any]
    ) -> None:
        """Around a signal to another workflow."""
        _, headers = self._asking(f"SignalExternalWorkflow:{input.name}")
        await next(input.with_headers(headers))

    def continue_as_new(
        self, input: ContinueAsNewInput, next: Callable[[ContinueAsNewInput], NoReturn]
    ) -> NoReturn:
        """Let the next run be started by the same span as this one, and linked to it."""
        _, headers = self._asking(f"ContinueAsNew:{input.workflow_type}")
        link = {CONTINUED_FROM: f"{workflow.info().run_id} {headers.get('traceparent', '')}"}
        next(input.with_headers(link))

    def _asking(self, name: str) -> tuple[Span | None, dict[str, str]]:
        """Trace a command. On replay there is no span: it was exported when its event was written."""
        if workflow.is_replaying():
            return None, injected()
        span = self._start(name, otel_context.get_current(), about_run(workflow.info()))
        end_after_commit(span, None)
        return span, injected(trace.set_span_in_context(span))

    # --- activities ---

    def execute_activity(
        self, input: ExecuteActivityInput, next: Callable[[ExecuteActivityInput], Any]
    ) -> Any:
        """Around an attempt."""
        info = activity.info()
        attributes = {
            **about_run(info),
            "aion.activity_id": info.activity_id,
            "aion.attempt": info.attempt,
        }
        with self._tracer.start_as_current_span(
            f"RunActivity:{input.activity_type}",
            context=propagate.extract(dict(input.headers), Context()),
            kind=SpanKind.CONSUMER,
            attributes=attributes,
        ) as span:
            try:
                return next(input)
            except CancelledError:
                span.set_attribute("aion.cancelled", True)
                raise

    # --- the span of a run ---

    def _closed(
        self,
        *,
        run: RunFacts,
        status: str,
        closed_at: dt.datetime,
        failure: Failure | None,
        **_: Any,
    ) -> None:
        parent = propagate.extract(dict(run.headers), Context())
        span = self._start(
            f"RunWorkflow:{run.workflow_type}",
            parent,
            {**about_run(run), "aion.status": str(status), "aion.attempt": run.attempt},
            links=links_to(predecessor_of(run)),
            at=run.started_at,
            ids=ids_of(run.run_id, parent) if self._derives_ids else None,
        )
        if failure is not None and not failure.benign:
            span.set_status(StatusCode.ERROR, f"{failure.type}: {failure.message}")
        span.end(nanoseconds(closed_at))

    @property
    def _derives_ids(self) -> bool:
        provider = self._provider or trace.get_tracer_provider()
        return isinstance(getattr(provider, "id_generator", None), RunIdGenerator)

    def _inside(self, headers: Headers, run_id: str) -> Context:
        """Give the context of a run's code: the run's own span where its id is known, else who started it."""
        parent = propagate.extract(dict(headers), Context())
        if not self._derives_ids:
            return parent
        above = trace.get_current_span(parent).get_span_context()
        trace_id, span_id = ids_of(run_id, parent)
        span = SpanContext(
            trace_id,
            span_id,
            is_remote=True,
            trace_flags=above.trace_flags if above.is_valid else TraceFlags(TraceFlags.SAMPLED),
            trace_state=above.trace_state,
        )
        return trace.set_span_in_context(NonRecordingSpan(span), parent)

    def _start(
        self,
        name: str,
        parent: Context,
        attributes: Mapping[str, Any],
        *,
        links: list[Link] | None = None,
        at: dt.datetime | None = None,
        ids: tuple[int, int] | None = None,
    ) -> Span:
        def start() -> Span:
            wanted_ids.set(ids)
            return self._tracer.start_span(
                name,
                context=parent,
                attributes=attributes,
                links=links,
                start_time=None if at is None else nanoseconds(at),
            )

        return outside(start)
