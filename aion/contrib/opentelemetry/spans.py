"""What the interceptor needs of contexts and spans, in the terms of runs."""

from __future__ import annotations

import contextvars
import datetime as dt
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, Final, TypeVar

from opentelemetry import propagate, trace
from opentelemetry.context import Context
from opentelemetry.trace import Link, Span, SpanContext, StatusCode

from aion.authoring.context import ActivityInfo, WorkflowInfo, current_workflow
from aion.interceptors import QueryInput, SignalInput, UpdateInput, after_commit
from aion.signals import RunFacts

T = TypeVar("T")

CONTINUED_FROM: Final = "aion-continued-from"
"""The header in which a run tells its successor the span to link to: its own id, and a `traceparent`."""


def outside(function: Callable[..., T], *args: Any, **kwargs: Any) -> T:
    """Call something that is no workflow code: the SDK reads the clock and draws ids."""
    scope = contextvars.copy_context()
    scope.run(current_workflow.set, None)
    return scope.run(function, *args, **kwargs)


def end_after_commit(span: Span, at: dt.datetime | None) -> None:
    """End a span when the turn is committed: at a time of the history, else then."""
    end = None if at is None else nanoseconds(at)
    after_commit(lambda: span.end(end))


def note_error(span: Span, error: Exception) -> None:
    """Let a span say that it failed."""
    span.record_exception(error)
    span.set_status(StatusCode.ERROR, f"{type(error).__name__}: {error}")


@contextmanager
def noting_errors(span: Span) -> Iterator[None]:
    """Let a span say that workflow code inside of it failed."""
    try:
        yield
    except Exception as error:
        outside(note_error, span, error)
        raise


def injected(context: Context | None = None) -> dict[str, str]:
    """Give the headers that carry a context, by default the current one."""
    headers: dict[str, str] = {}
    propagate.inject(headers, context)
    return headers


def links_to(span: SpanContext | None) -> list[Link]:
    """Give the links of a span to another, where there is one."""
    return [Link(span)] if span is not None and span.is_valid else []


def predecessor_of(run: RunFacts) -> SpanContext | None:
    """Find the span of the run before this one; a run that is tried again has the headers of the first."""
    run_id, _, carrier = run.headers.get(CONTINUED_FROM, "").partition(" ")
    if not carrier or run_id != run.continued_from_run_id:
        return None
    found = propagate.extract({"traceparent": carrier}, Context())
    return trace.get_current_span(found).get_span_context()


def about_run(run: RunFacts | WorkflowInfo | ActivityInfo) -> dict[str, Any]:
    """Name a run."""
    return {
        "aion.workflow_id": run.workflow_id,
        "aion.run_id": run.run_id,
        "aion.workflow_type": run.workflow_type,
    }


def about_target(input: SignalInput | QueryInput | UpdateInput) -> dict[str, str]:
    """Name the run that a message is for, as far as its sender does."""
    named = {"aion.workflow_id": input.workflow_id}
    return named | ({"aion.run_id": input.run_id} if input.run_id else {})


_EPOCH: Final = dt.datetime(1970, 1, 1, tzinfo=dt.UTC)


def nanoseconds(at: dt.datetime) -> int:
    """Give a time as spans have it, exactly."""
    return (at - _EPOCH) // dt.timedelta(microseconds=1) * 1_000
