"""What running workflow code sees of its instance: the engine's side of `aion.workflow`."""

from __future__ import annotations

import asyncio
import datetime as dt
import random
import uuid
from collections.abc import Callable
from typing import Any, TypeVar

import msgspec

from aion.authoring.context import ActivityCall, WorkflowInfo
from aion.core.commands import Site
from aion.core.events import SideEffectRecorded, WorkflowStarted
from aion.core.payloads import decode, encode
from aion_engine.replay.activities import Activities
from aion_engine.replay.command_log import CommandLog
from aion_engine.replay.loop import WorkflowLoop
from aion_engine.replay.lookahead import Lookahead
from aion_engine.replay.randomness import Randomness
from aion_engine.replay.timers import EPOCH

T = TypeVar("T")


class InstanceContext:
    """The context of one run; `aion.authoring.context.WorkflowContext` says what each method gives."""

    def __init__(
        self, loop: WorkflowLoop, log: CommandLog, activities: Activities, run_id: str
    ) -> None:
        self.replaying = False
        self.history_length = 0
        self.cancelled_with: str | None = None
        self.lookahead = Lookahead()
        self.started: WorkflowStarted
        self._loop = loop
        self._log = log
        self._activities = activities
        self._run_id = run_id
        self._randomness: Randomness
        self._started_at: dt.datetime
        self._memo: dict[str, Any]
        self._search_attributes: dict[str, Any]

    def begin(self, started: WorkflowStarted, at: dt.datetime) -> None:
        """Take the facts of the run's first event."""
        self.started = started
        self._started_at = at
        self._randomness = Randomness(started.seed or self._run_id)
        self._memo = msgspec.json.decode(started.memo)
        self._search_attributes = msgspec.json.decode(started.search_attributes)

    def info(self) -> WorkflowInfo:
        """Describe the run."""
        started = self.started
        return WorkflowInfo(
            workflow_id=started.workflow_id,
            run_id=self._run_id,
            workflow_type=started.workflow_type,
            task_queue=started.task_queue,
            attempt=started.attempt,
            started_at=self._started_at,
            history_length=self.history_length,
            parent_workflow_id=started.parent_workflow_id,
            parent_run_id=started.parent_run_id,
            root_workflow_id=started.root_workflow_id or started.workflow_id,
            root_run_id=started.root_run_id or self._run_id,
            continued_from_run_id=started.continued_from_run_id,
            run_timeout=started.run_timeout,
            execution_timeout=started.execution_timeout,
            headers=dict(started.headers),
            memo=dict(self._memo),
            search_attributes=dict(self._search_attributes),
        )

    def now(self) -> dt.datetime:
        """Give the time of the event being folded."""
        return EPOCH + dt.timedelta(microseconds=round(self._loop.now * 1_000_000))

    def start_activity(self, call: ActivityCall, site: Site | None) -> asyncio.Future[Any]:
        """Ask for an activity."""
        return self._activities.start(call, site)

    async def sleep(self, seconds: float, summary: str) -> None:
        """Wait on a durable timer."""
        future = self._loop.create_future()
        handle = self._loop.call_later(seconds, _wake, future, summary=summary)
        try:
            await future
        finally:
            handle.cancel()

    async def wait_condition(
        self, predicate: Callable[[], object], timeout: float | None, summary: str
    ) -> None:
        """Wait until the predicate holds; test it again when the waiter resumes."""
        if self._test(predicate):
            return
        if timeout is not None and timeout <= 0:
            raise TimeoutError("The condition does not hold, and there is no time to wait")
        waiter = _Waiter()
        timer = None
        if timeout is not None:
            timer = self._loop.call_later(timeout, waiter.expire, summary=summary)
        try:
            while True:
                waiter.future = self._loop.create_future()
                self._loop.conditions.append((lambda: self._probe(predicate), waiter.future))
                await waiter.future
                if self._test(predicate):
                    return
                if waiter.expired:
                    raise TimeoutError(f"The condition did not hold within {timeout} seconds")
        finally:
            if timer is not None:
                timer.cancel()

    def _test(self, predicate: Callable[[], object]) -> bool:
        with self._log.read_only():
            return bool(predicate())

    def _probe(self, predicate: Callable[[], object]) -> bool:
        """Test from outside of the waiter: an error wakes it, so that it is raised where it belongs."""
        try:
            return self._loop_context_test(predicate)
        except Exception:
            return True

    def _loop_context_test(self, predicate: Callable[[], object]) -> bool:
        return self.base_run(self._test, predicate)

    base_run: Callable[..., Any]  # runs a function with this workflow as the current one

    def side_effect(self, function: Callable[[], T], hint: Any, site: Site | None) -> T:
        """Take a value once; on replay give the recorded one."""
        self._log.check(function)
        if self.replaying:
            raw = self.lookahead.next_side_effect(site).value
        else:
            raw = msgspec.Raw(encode(function(), field="the value of a side effect"))
        self._log.issue(SideEffectRecorded(value=raw), site)
        value: T = decode(raw, hint, field="the value of a side effect")
        return value

    def random(self, stream: str) -> random.Random:
        """Give the named stream of random numbers."""
        self._log.check(random.Random)
        return self._randomness.stream(stream)

    def uuid4(self) -> uuid.UUID:
        """Give the next random id."""
        self._log.check(uuid.UUID)
        return self._randomness.uuid4()

    def uuid7(self) -> uuid.UUID:
        """Give the next time-ordered id."""
        self._log.check(uuid.UUID)
        return self._randomness.uuid7(self._loop.now)

    def cancel_reason(self) -> str | None:
        """Give the reason of the cancel request."""
        return self.cancelled_with


class _Waiter:
    """Joins a condition's future with its timeout."""

    future: asyncio.Future[Any]
    expired = False

    def expire(self) -> None:
        self.expired = True
        _wake(self.future)


def _wake(future: asyncio.Future[Any]) -> None:
    if not future.done():
        future.set_result(None)
