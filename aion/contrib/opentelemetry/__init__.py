"""Traces runs with OpenTelemetry: `AION["INTERCEPTORS"] = ["aion.contrib.opentelemetry.TracingInterceptor"]`.

Theory of operation
-------------------
The context of a trace travels in headers, so it is recorded in history and the same on every replay. Spans
are not in history, and each is exported once:

* spans of workflow code are started by live turns only, and ended when their turn is committed. A turn that
  fails to commit never ends its spans, and what is never ended is never exported;
* the span of a run is made when its close is committed, with the times of its history. So a run that sleeps
  for months is in no process's memory;
* each attempt of an activity is an ordinary span around its function.

A span that is made at its end cannot be the parent of earlier ones, unless its id is known before. With
`RunIdGenerator` in the tracer provider it is: the id is derived from the run's, and what a run asks for
stands below the run. Without it that stands beside the run, below the span of whoever started it.
"""

from aion.contrib.opentelemetry.identities import RunIdGenerator
from aion.contrib.opentelemetry.interceptor import TracingInterceptor

__all__ = ["RunIdGenerator", "TracingInterceptor"]
