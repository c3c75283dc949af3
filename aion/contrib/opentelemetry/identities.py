"""Ids of spans that are known before the spans are made."""

from __future__ import annotations

import contextvars
import hashlib
import uuid
from typing import Any

from opentelemetry import trace
from opentelemetry.context import Context

wanted_ids: contextvars.ContextVar[tuple[int, int] | None] = contextvars.ContextVar(
    "aion_span_ids", default=None
)


class RunIdGenerator:
    """Makes ids for spans: those of runs from the runs' ids, all others as `inner` does.

    `TracerProvider(id_generator=RunIdGenerator())`. A run that nobody's trace has started is a trace whose id
    is the run's id.
    """

    def __init__(self, inner: Any = None) -> None:
        if inner is None:
            from opentelemetry.sdk.trace.id_generator import RandomIdGenerator

            inner = RandomIdGenerator()
        self._inner = inner

    def __getattr__(self, name: str) -> Any:
        return getattr(self._inner, name)

    def generate_span_id(self) -> int:
        """Give the id of a span."""
        wanted = wanted_ids.get()
        return int(self._inner.generate_span_id()) if wanted is None else wanted[1]

    def generate_trace_id(self) -> int:
        """Give the id of a trace."""
        wanted = wanted_ids.get()
        return int(self._inner.generate_trace_id()) if wanted is None else wanted[0]


def ids_of(run_id: str, parent: Context) -> tuple[int, int]:
    """Derive the ids of a run's span: of its trace, where it has no parent, and of itself."""
    above = trace.get_current_span(parent).get_span_context()
    digest = hashlib.sha256(run_id.encode()).digest()
    trace_id = above.trace_id if above.is_valid else uuid.UUID(run_id).int
    return trace_id, int.from_bytes(digest[:8]) or 1
