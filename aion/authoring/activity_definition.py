"""What `activity.defn` makes of a function: a named, typed thing that workflows execute."""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import Awaitable, Callable, Coroutine
from functools import update_wrapper
from typing import Any, Generic, ParamSpec, Self, TypeVar, cast

import msgspec

from aion.authoring.activity_requests import request_activity
from aion.authoring.context import current_workflow, require_workflow, user_site
from aion.authoring.options import ActivityOptions
from aion.authoring.plain import blocks
from aion.core.commands import Site
from aion.core.errors import ForbiddenInWorkflow
from aion.core.signatures import CallSignature

P = ParamSpec("P")
R = TypeVar("R")


class Activity(Generic[P, R]):
    """An activity. Call it directly and the function just runs; in a workflow, `execute` or `start` it."""

    def __init__(
        self,
        function: Callable[P, R] | Callable[P, Awaitable[R]],
        *,
        name: str,
        options: ActivityOptions,
        transactional: bool = False,
        interruptible: bool = False,
        celery_task: str | None = None,
        problems: tuple[str, ...] = (),
    ) -> None:
        self.function = function
        self.name = name
        self.options = options
        self.transactional = transactional
        self.interruptible = interruptible
        self.celery_task = celery_task
        self.is_async = inspect.iscoroutinefunction(function)
        self.problems = problems
        self.origin = f"{function.__module__}.{function.__qualname__}"
        self.signature = CallSignature.of(function)
        self._what = f"activity {name}"
        update_wrapper(self, function)

    def __repr__(self) -> str:
        return f"<activity {self.name} from {self.origin}>"

    def __call__(self, *args: P.args, **kwargs: P.kwargs) -> R:
        """Run the function here and now, without durability: for tests and other activities.

        Raises:
            ForbiddenInWorkflow: called from workflow code, where it would run again on every replay.
        """
        if current_workflow.get() is not None:
            raise ForbiddenInWorkflow(
                f"Workflow code called {self.name}() directly; write "
                f"`await {self.name}.execute(...)` so that it runs once, durably"
            )
        return cast("R", self.function(*args, **kwargs))

    def execute(self, *args: P.args, **kwargs: P.kwargs) -> Coroutine[Any, Any, R]:
        """Run the activity and give its result.

        Raises:
            TypeError: the arguments do not fit the function.
            PayloadError: an argument has no JSON form or is too large.
            ActivityError: it failed for good; `cause` says why.
            asyncio.CancelledError: it was cancelled.
        """
        return self._execute(args, kwargs, user_site(2))

    @blocks
    async def _execute(self, args: Any, kwargs: Any, site: Site | None) -> R:
        return await self._start(args, kwargs, site, self.options)

    def start(self, *args: P.args, **kwargs: P.kwargs) -> asyncio.Future[R]:
        """Ask for the activity now and give a future of its result; errors are those of `execute`."""
        return self._start(args, kwargs, user_site(2), self.options)

    def execute_local(self, *args: P.args, **kwargs: P.kwargs) -> Coroutine[Any, Any, R]:
        """Run the activity in the worker that took the turn, without a broker hop: for short work."""
        return self.with_options(local=True)._execute(args, kwargs, user_site(2))

    def _start(
        self, args: Any, kwargs: Any, site: Site | None, options: ActivityOptions
    ) -> asyncio.Future[R]:
        context = require_workflow(f"{self.name}.execute()")
        return request_activity(
            context, self.name, args, kwargs, options, self._encode, self._decode, site
        )

    def _encode(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> bytes:
        self.signature.check(args, kwargs, what=self._what)
        return self.signature.encode(args, kwargs, what=self._what)

    def _decode(self, raw: msgspec.Raw) -> Any:
        return self.signature.decode_result(raw, what=self._what)

    def with_options(self, **changes: Any) -> Self:
        """Give the same activity with other options (see `ActivityOptions`).

        Raises:
            TypeError: an option has an unknown name or a wrong type.
        """
        copy = object.__new__(type(self))
        copy.__dict__.update(self.__dict__)
        copy.options = self.options.override(**changes)
        return copy
