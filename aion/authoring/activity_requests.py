"""From an activity that workflow code asks for to what the engine is asked, through the interceptors."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import msgspec

from aion.authoring.context import ActivityCall, WorkflowContext
from aion.authoring.interceptor_inputs import StartActivityInput
from aion.authoring.options import ActivityOptions
from aion.core.commands import Site
from aion.core.headers import check_headers

Encode = Callable[[tuple[Any, ...], dict[str, Any]], bytes]


def request_activity(
    context: WorkflowContext,
    activity_type: str,
    args: tuple[Any, ...],
    kwargs: dict[str, Any],
    options: ActivityOptions,
    encode: Encode,
    decode: Callable[[msgspec.Raw], Any],
    site: Site | None,
) -> asyncio.Future[Any]:
    """Ask for an activity; `encode` also checks the arguments. Raises what it raises."""
    chains = context.chains
    chain = chains.start_local_activity if options.local else chains.start_activity
    if chain is None:
        call = ActivityCall(activity_type, encode(args, kwargs), options, decode, context.headers)
        return context.start_activity(call, site)

    def ask(input: StartActivityInput) -> asyncio.Future[Any]:
        check_headers(input.headers)
        data = encode(tuple(input.args), dict(input.kwargs))
        call = ActivityCall(input.activity_type, data, input.options, decode, dict(input.headers))
        return context.start_activity(call, site)

    asked = StartActivityInput(
        activity_type=activity_type,
        args=args,
        kwargs=kwargs,
        options=options,
        headers=context.headers,
    )
    future: asyncio.Future[Any] = chain(asked, ask)
    return future
