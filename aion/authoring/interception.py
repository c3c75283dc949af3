"""The interceptors of this process, as chains: for each call, those that take part in it.

Theory of operation
-------------------
A chain is made of the interceptors that override a method, the first of the setting outermost. Where nobody
does, the chain is None and the caller takes the short way: whether anything is wrapped is decided once, not
at each call. The chains are made when they are first asked for, from the source that the settings provide;
a run keeps those that it began with in this process.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from aion.authoring.interceptor_bases import (
    BASES,
    WorkflowInboundInterceptor,
    WorkflowOutboundInterceptor,
)
from aion.authoring.purity import impure_calls

Step = Callable[[Any], Any]
Chain = Callable[[Any, Step], Any]
"""Called with the input and the last step, which does the thing itself."""


class Chains:
    """The chain of each method; None where no interceptor overrides it."""

    __slots__ = (
        "cancel",
        "cancel_external",
        "continue_as_new",
        "execute_activity",
        "execute_workflow",
        "handle_query",
        "handle_signal",
        "handle_update",
        "heartbeat",
        "query",
        "signal",
        "signal_external",
        "start_activity",
        "start_child_workflow",
        "start_local_activity",
        "start_workflow",
        "terminate",
        "update",
        "validate_update",
    )

    # the client
    start_workflow: Chain | None
    signal: Chain | None
    query: Chain | None
    update: Chain | None
    cancel: Chain | None
    terminate: Chain | None
    # into workflow code
    execute_workflow: Chain | None
    handle_signal: Chain | None
    handle_query: Chain | None
    validate_update: Chain | None
    handle_update: Chain | None
    # out of it
    start_activity: Chain | None
    start_local_activity: Chain | None
    start_child_workflow: Chain | None
    signal_external: Chain | None
    cancel_external: Chain | None
    continue_as_new: Chain | None
    # activities
    execute_activity: Chain | None
    heartbeat: Chain | None

    def __init__(self, interceptors: Sequence[object] = ()) -> None:
        for base in BASES:
            for method in vars(base):
                if not method.startswith("_"):
                    setattr(self, method, _chain(method, base, interceptors))


def _chain(method: str, base: type, interceptors: Sequence[object]) -> Chain | None:
    layers = [
        getattr(each, method)
        for each in interceptors
        if isinstance(each, base) and getattr(type(each), method) is not getattr(base, method)
    ]
    if not layers:
        return None
    layers.reverse()

    def call(input: Any, last: Step) -> Any:
        step = last
        for layer in layers:
            step = _around(layer, step)
        return step(input)

    return call


def _around(layer: Callable[[Any, Step], Any], step: Step) -> Step:
    return lambda input: layer(input, step)


def impurities(interceptor: object) -> list[str]:
    """Name the reads of the wall clock in methods that run as workflow code."""
    sides = (WorkflowInboundInterceptor, WorkflowOutboundInterceptor)
    methods = {
        name: getattr(type(interceptor), name)
        for side in sides
        if isinstance(interceptor, side)
        for name in vars(side)
        if not name.startswith("_")
    }
    return [found for method in methods.values() for found in impure_calls(method)]


_lock = threading.Lock()
_source: Callable[[], Sequence[object]] = tuple
_chains: Chains | None = None


def chains() -> Chains:
    """Give the chains of this process; the interceptors are made at the first call.

    Raises:
        ImproperlyConfigured: an interceptor of the settings cannot be made.
    """
    global _chains  # noqa: PLW0603  # one value for the process
    if _chains is None:
        with _lock:
            if _chains is None:
                _chains = Chains(_source())
    return _chains


def provide(source: Callable[[], Sequence[object]]) -> None:
    """Say where the interceptors come from: the settings, when Django starts."""
    global _source  # noqa: PLW0603  # as above
    _source = source
    forget()


def forget(**_: Any) -> None:
    """Make the chains anew when they are asked for next: the settings have changed."""
    global _chains  # noqa: PLW0603  # as above
    _chains = None


@contextmanager
def using(*interceptors: object) -> Iterator[None]:
    """Have these interceptors and no others for a while: for tests."""
    global _chains  # noqa: PLW0603  # as above
    before, _chains = _chains, Chains(interceptors)
    try:
        yield
    finally:
        _chains = before
