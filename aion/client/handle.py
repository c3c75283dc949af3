"""One run of a workflow, for those who talk to it."""

from __future__ import annotations

import dataclasses
import uuid
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from functools import partial
from typing import Any

from aion.authoring.interception import chains
from aion.authoring.interceptor_inputs import QueryInput, SignalInput, UpdateInput
from aion.authoring.registry import registry
from aion.client.activities import ActivityHandle
from aion.client.calls import message, policy, through, twin, waiting_twin
from aion.client.lifecycle import RunLifecycle
from aion.client.updates import UpdateHandle
from aion.core.errors import InvalidArgument
from aion.core.history import Recorded
from aion.core.ids import uuid7
from aion.core.payloads import decode
from aion.core.signatures import CallSignature, decode_any
from aion.operations import result as _result
from aion.operations.checking import check_count, check_mapping
from aion.operations.describe import RunDescription
from aion.operations.describe import describe as _describe
from aion.operations.follow import Follower
from aion.operations.policies import QueryRejectCondition
from aion.operations.query import query as _query
from aion.operations.signal import signal as _signal
from aion.operations.target import find as _find
from aion.operations.update import send_update, wait_for_update
from aion.store import histories as _histories
from aion.store.reconnecting import persistently as _persistently


@dataclasses.dataclass(frozen=True, slots=True)
class WorkflowHandle(RunLifecycle):
    """One run of a workflow, for those who talk to it.

    Without `run_id` the handle means whatever run of the workflow id is open, else the newest.
    `created` is False when a start found the run already there.
    """

    def result(self, timeout: float | None = None, *, type: Any = None) -> Any:
        """Give the workflow's result, waiting for it; `timeout` is in seconds.

        It is decoded by the return annotation of the workflow, or by `type`. A run that continued as new, was
        tried again or was reset is followed to the last of its chain. Do not wait inside a transaction: what
        you wait for may wait for its commit.

        Raises:
            WorkflowFailureError: the run did not complete; `cause` says why.
            ResultTimeout: it did not end in time, and goes on.
            RunNotFound: there is no such run.
        """
        run_id, workflow_type = self._run()
        raw = _result.result(run_id, timeout=timeout, is_new=self.created)
        if type is not None:
            return decode_any(raw) if type is Any else _decode(raw, type)
        definition = registry.workflows.get(workflow_type)
        if definition is None:
            return decode_any(raw)
        return definition.signature.decode_result(raw, what=f"workflow {workflow_type}")

    def _run(self) -> tuple[uuid.UUID, str]:
        """Give the id and the workflow type of the run; the handle of a start knows what it has started."""
        if self.created and self.run_id is not None:
            return self.run_id, self.workflow_type
        run = _persistently(lambda: _find(self.workflow_id, self.run_id))
        return run.id, run.workflow_type

    def signal(
        self,
        name: str | Callable[..., Any],
        *args: Any,
        kwargs: Mapping[str, Any] | None = None,
        request_id: str = "",
        headers: Mapping[str, str] | None = None,
    ) -> None:
        """Send a signal, by name or by the handler method. When this returns, the workflow will see it.

        A `request_id` that the run has taken before, or one that it continues, changes nothing.

        Raises:
            RunNotFound: there is no such run.
            RunClosed: it has ended.
            PayloadError: an argument has no JSON form or is too large.
        """
        text, encode = message("signal", name)

        def send(input: SignalInput) -> None:
            data = encode(tuple(input.args), dict(input.kwargs))
            _signal(
                input.workflow_id,
                input.run_id,
                input.name,
                data,
                request_id=request_id,
                headers=dict(input.headers),
            )

        sent = SignalInput(name=text, **self._call(args, kwargs, headers))
        through(chains().signal, sent, send)

    def query(
        self,
        name: str | Callable[..., Any],
        *args: Any,
        kwargs: Mapping[str, Any] | None = None,
        reject: QueryRejectCondition | str = QueryRejectCondition.NONE,
        headers: Mapping[str, str] | None = None,
    ) -> Any:
        """Ask the workflow's code, by the query's name or method. Open or closed, nothing changes.

        The answer is what history says: of what waits for a paused or held run it knows nothing.

        Raises:
            RunNotFound: there is no such run.
            QueryRejected: its status is one that `reject` excludes.
            UnknownQuery: the workflow has no such query.
            QueryError: the handler failed.
        """
        handler = name if callable(name) else None
        text, encode = message("query", name)
        condition = policy(QueryRejectCondition, reject, "reject")

        def ask(input: QueryInput) -> Any:
            data = encode(tuple(input.args), dict(input.kwargs))
            raw = _query(
                input.workflow_id,
                input.run_id,
                input.name,
                data,
                reject=condition,
                headers=input.headers,
            )
            if handler is None:
                return decode_any(raw)
            signature = CallSignature.of(handler, skip_self=True)
            return signature.decode_result(raw, what=f"query {text}")

        asked = QueryInput(name=text, **self._call(args, kwargs, headers))
        return through(chains().query, asked, ask)

    def start_update(
        self,
        name: str | Callable[..., Any],
        *args: Any,
        kwargs: Mapping[str, Any] | None = None,
        id: str = "",
        wait_for: str = "accepted",
        timeout: float | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> UpdateHandle:
        """Send an update and wait until it is `accepted` or `completed`; "" does not wait.

        The same `id` again attaches to the first. Waiting works outside of transactions only: the workflow
        sees the update when the caller's transaction has committed.

        Raises:
            RunNotFound: there is no such run.
            RunClosed: it has ended.
            UpdateRefused: the validator refused it.
            UpdateLimitReached: the run has too many updates in flight, or has taken too many.
            UpdateFailed: `wait_for` is `completed` and the handler failed.
            ResultTimeout: it was not accepted in time; it goes on.
        """
        if wait_for not in ("", "accepted", "completed"):
            text = f"wait_for must be one of accepted, completed and '', not {wait_for!r}"
            raise InvalidArgument(text, field="wait_for")
        handler = name if callable(name) else None
        text, encode = message("update", name)

        def send(input: UpdateInput) -> UpdateHandle:
            data = encode(tuple(input.args), dict(input.kwargs))
            run_id = send_update(
                input.workflow_id,
                input.run_id,
                input.name,
                data,
                update_id=input.id,
                headers=dict(input.headers),
            )
            return UpdateHandle(run_id, input.id, handler)

        call = self._call(args, kwargs, headers)
        sent = UpdateInput(id=id or str(uuid7()), name=text, **call)
        handle: UpdateHandle = through(chains().update, sent, send)
        if wait_for:
            wait_for_update(handle.run_id, handle.id, until=wait_for, timeout=timeout)
        return handle

    def execute_update(
        self,
        name: str | Callable[..., Any],
        *args: Any,
        kwargs: Mapping[str, Any] | None = None,
        id: str = "",
        timeout: float | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> Any:
        """Send an update and give its result (see `start_update`).

        Raises:
            UpdateFailed: the handler failed; the cause says why.
            UpdateAbandoned: the run ended before the handler did. It is an UpdateFailed too.
        """
        handle = self.start_update(name, *args, kwargs=kwargs, id=id, wait_for="", headers=headers)
        return handle.result(timeout)

    def _call(
        self,
        args: tuple[Any, ...],
        kwargs: Mapping[str, Any] | None,
        headers: Mapping[str, str] | None,
    ) -> dict[str, Any]:
        """Give what the inputs of interceptors have in common, for messages to this run."""
        return {
            "workflow_id": self.workflow_id,
            "run_id": self._named,
            "args": args,
            "kwargs": dict(kwargs or {}),
            "headers": check_mapping("headers", headers),
        }

    def describe(self) -> RunDescription:
        """Describe the run: what it waits for, and in words why it does not move.

        Raises:
            RunNotFound: there is no such run.
        """
        return _describe(self.workflow_id, self.run_id)

    def activity(self, activity_id: str) -> ActivityHandle:
        """Give a handle of one pending activity, to operate it. Nothing is looked up yet."""
        return ActivityHandle(self.workflow_id, self.run_id, activity_id)

    def fetch_history(self, *, from_seq: int = 1, limit: int | None = None) -> list[Recorded]:
        """Read the run's events from a seq on, at most `limit`.

        Raises:
            RunNotFound: there is no such run.
            InvalidArgument: `from_seq` is not an integer from 1, or `limit` not one from 0.
        """
        check_count("from_seq", from_seq, least=1)
        if limit is not None:
            check_count("limit", limit)
        run = _find(self.workflow_id, self.run_id)
        return _histories.load_one(run.id, from_seq=from_seq, limit=limit)

    def events(
        self, *, after: int = 0, chain: bool = False, timeout: float | None = None
    ) -> Iterator[Recorded]:
        """Yield the run's events as they are committed, in order, until the run has ended.

        `after` is the last seq that is known already: who stopped goes on there, without a gap or a repeat.
        With `chain`, the runs that continue this one follow. `timeout` is how many seconds to wait for the
        next event. Do not wait inside a transaction.

        Raises:
            RunNotFound: there is no such run, or it was deleted meanwhile.
            InvalidArgument: `after` is no integer, or beyond the end of the history.
            ResultTimeout: there was no event in time.
        """
        follower = self._follower(after, chain)
        return (each for window in iter(partial(follower.window, timeout), []) for each in window)

    def _follower(self, after: int, chain: bool) -> Follower:
        return Follower(_find(self.workflow_id, self.run_id), after=after, chain=chain)

    async def aresult(self, timeout: float | None = None, *, type: Any = None) -> Any:
        """Async twin of `result`; it waits on a thread of its own, not on the one that all share."""
        return await waiting_twin(self.result)(timeout, type=type)

    async def asignal(self, name: str | Callable[..., Any], *args: Any, **options: Any) -> None:
        """Async twin of `signal`."""
        await twin(self.signal)(name, *args, **options)

    async def aquery(self, name: str | Callable[..., Any], *args: Any, **options: Any) -> Any:
        """Async twin of `query`."""
        return await twin(self.query)(name, *args, **options)

    async def astart_update(
        self, name: str | Callable[..., Any], *args: Any, **options: Any
    ) -> UpdateHandle:
        """Async twin of `start_update`."""
        handle: UpdateHandle = await waiting_twin(self.start_update)(name, *args, **options)
        return handle

    async def aexecute_update(
        self, name: str | Callable[..., Any], *args: Any, **options: Any
    ) -> Any:
        """Async twin of `execute_update`."""
        return await waiting_twin(self.execute_update)(name, *args, **options)

    async def adescribe(self) -> RunDescription:
        """Async twin of `describe`."""
        description: RunDescription = await twin(self.describe)()
        return description

    async def aevents(
        self, *, after: int = 0, chain: bool = False, timeout: float | None = None
    ) -> AsyncIterator[Recorded]:
        """Async twin of `events`; it waits on threads of its own, not on the one that all share."""
        follower = await twin(self._follower)(after, chain)
        while window := await waiting_twin(follower.window)(timeout):
            for recorded in window:
                yield recorded

    async def afetch_history(
        self, *, from_seq: int = 1, limit: int | None = None
    ) -> list[Recorded]:
        """Async twin of `fetch_history`."""
        history: list[Recorded] = await twin(self.fetch_history)(from_seq=from_seq, limit=limit)
        return history


def _decode(raw: bytes, hint: Any) -> Any:

    return decode(raw, hint, field="the result of the workflow")
