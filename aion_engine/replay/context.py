"""What running workflow code sees of its instance: the engine's side of `aion.workflow`."""

from __future__ import annotations

import asyncio
import contextvars
import datetime as dt
import random
import uuid
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any, TypeVar

import msgspec

from aion.authoring.context import (
    ActivityCall,
    ChildCall,
    ChildStarted,
    SignalCall,
    UpdateInfo,
    WorkflowInfo,
    user_site,
)
from aion.authoring.handler_definition import DYNAMIC, Handler
from aion.authoring.interception import Chains
from aion.authoring.workflow_definition import WorkflowDefinition
from aion.core.commands import Site
from aion.core.errors import NonDeterminismError, PayloadError, WorkflowCodeError
from aion.core.events import PatchMarked, SideEffectRecorded, WorkflowStarted
from aion.core.failures import Failure
from aion.core.headers import NO_HEADERS, Headers
from aion.core.lengths import OWN_LENGTH, suggests_new_run
from aion.core.payloads import decode, encode
from aion.core.search_attributes import Attributes
from aion_engine.replay.activities import Activities
from aion_engine.replay.attributes import ShownData
from aion_engine.replay.children import Children
from aion_engine.replay.command_log import CommandLog, Evicted, Mode
from aion_engine.replay.extent import Extent
from aion_engine.replay.externals import Externals
from aion_engine.replay.lookahead import Lookahead
from aion_engine.replay.messages import Messages
from aion_engine.replay.patches import Patches
from aion_engine.replay.randomness import Randomness, as_id
from aion_engine.replay.timers import EPOCH
from aion_engine.replay.updates import Updates, current_update

T = TypeVar("T")

_VALUE = "the value of a side effect"


class Parts(msgspec.Struct):
    """What an instance is made of besides its context."""

    loop: Any  # a WorkflowLoop
    log: CommandLog
    activities: Activities
    children: Children
    externals: Externals


class InstanceContext:
    """The context of one run; `aion.authoring.context.WorkflowContext` says what each method gives."""

    def __init__(
        self, parts: Parts, definition: WorkflowDefinition, run_id: str, chains: Chains
    ) -> None:
        self.replaying = False
        self.extent = Extent()
        self.has_next_run = False  # a cron chain goes on when this run completes or fails
        self.chains = chains
        self.headers: Headers = NO_HEADERS
        self.to_commit: list[Callable[[], object]] = []
        self.cancelled_with: str | None = None
        self.details = ""
        self.taking_value = False  # a side effect's function runs; the guards let it read the clock
        self.lookahead = Lookahead(parts.log)
        self.started: WorkflowStarted
        self.definition = definition
        self.randomness: Randomness
        self.attributes = ShownData(parts.log, self.lookahead)
        self._parts = parts
        self._loop = parts.loop
        self._log = parts.log
        self._patches = Patches(parts.log, self.lookahead)
        self.run_id = run_id
        self._lineage = ""  # what the default ids of children begin with, once the run has begun
        self._new_seed = ""
        self._now: tuple[float, dt.datetime] = (
            0.0,
            EPOCH,
        )  # of the loop's clock, and what it means
        self.started_at: dt.datetime

    def begin(self, started: WorkflowStarted, at: dt.datetime) -> None:
        """Take the facts of the run's first event."""
        self.started = started
        self.headers = started.headers
        self.started_at = at
        self.randomness = Randomness(started.seed or self.run_id)
        self._lineage = as_id(started.seed) or self.run_id
        if self._new_seed:
            self.reopened(self._new_seed)
        self.attributes.begin(started)

    def reopened(self, seed: str) -> None:
        """Use other ids for runs and requests from now on: those of what was undone are in use.

        The deadline of the execution does not hold any more, for successors neither. May be called before the
        run begins, too.
        """
        self._new_seed = seed
        if seed:
            self._parts.externals.reopened(seed)
        if self._lineage and seed:
            self.started = msgspec.structs.replace(self.started, execution_deadline_at=None)
            self._lineage = as_id(seed) or self.run_id
            self.randomness.reseed_runs(seed)

    def info(self) -> WorkflowInfo:
        """Describe the run."""
        started = self.started
        return WorkflowInfo(
            workflow_id=started.workflow_id,
            run_id=self.run_id,
            workflow_type=started.workflow_type,
            task_queue=started.task_queue,
            priority=started.priority,
            attempt=started.attempt,
            started_at=self.started_at,
            history_length=self.history_length,
            history_bytes=self.extent.bytes,
            parent_workflow_id=started.parent_workflow_id,
            parent_run_id=started.parent_run_id,
            root_workflow_id=started.root_workflow_id or started.workflow_id,
            root_run_id=started.root_run_id or self.run_id,
            continued_from_run_id=started.continued_from_run_id,
            run_timeout=started.run_timeout,
            execution_timeout=started.execution_timeout,
            retry=started.retry,
            cron=started.cron,
            time_zone=started.time_zone or ("UTC" if started.cron else ""),
            scheduled_at=started.scheduled_at,
            headers=dict(started.headers),
            memo=dict(self.attributes.memo),
            search_attributes=self.attributes.typed(),
        )

    def after_commit(self, action: Callable[[], object]) -> None:
        """Keep what is to be done once this turn is written. A turn that fails forgets it."""
        if not self.replaying and self._log.mode is not Mode.CLOSING:
            self.to_commit.append(action)

    @property
    def history_length(self) -> int:
        """The events up to the one that is folded."""
        old = self.started.behaviour_version < OWN_LENGTH
        return self.extent.seq if old else self.extent.length

    def now(self) -> dt.datetime:
        """Give the time of the event being folded."""
        seconds = self._loop.now
        if seconds != self._now[0]:
            self._now = seconds, EPOCH + dt.timedelta(microseconds=round(seconds * 1_000_000))
        return self._now[1]

    def start_activity(self, call: ActivityCall, site: Site | None) -> asyncio.Future[Any]:
        """Ask for an activity."""
        return self._parts.activities.start(call, site)

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
        probe = partial(contextvars.copy_context().run, self._probe, predicate)
        timer = None
        if timeout is not None:
            timer = self._loop.call_later(timeout, waiter.expire, summary=summary)
        try:
            while True:
                waiter.future = self._loop.create_future()
                self._loop.conditions.append((probe, waiter.future))
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
            return self._test(predicate)
        except Exception:  # noqa: BLE001  # whatever it is, the waiter meets it again
            return True

    on_problem: Callable[[BaseException], None]  # holds the run, even if its code catches the error

    def side_effect(self, function: Callable[[], T], hint: Any, site: Site | None) -> T:
        """Take a value once; on replay give the recorded one."""
        self._log.check(function)
        if self._log.mode is Mode.CLOSING:
            raise Evicted
        raw = self._recorded_value(site) if self.replaying else None
        if raw is None:
            raw = self._take(function)
        self._log.issue(SideEffectRecorded(value=raw), site)
        value: T = decode(raw, hint, field=_VALUE)
        return value

    def _recorded_value(self, site: Site | None) -> msgspec.Raw | None:
        try:
            return self.lookahead.next_side_effect(site)
        except NonDeterminismError as error:
            self.on_problem(error)
            raise

    def _take(self, function: Callable[[], T]) -> msgspec.Raw:
        """Call the function, which may read clock and chance, but not ask the engine for anything.

        An error holds the run, for nothing would be recorded that replay could repeat.
        """
        self.taking_value = True
        try:
            with self._log.read_only():
                return msgspec.Raw(encode(function(), field=_VALUE))
        except Exception as error:
            problem = WorkflowCodeError(f"A side effect failed: {type(error).__name__}: {error}")
            self.on_problem(problem)
            raise problem from error
        finally:
            self.taking_value = False

    def random(self, stream: str) -> random.Random:
        """Give the named stream of random numbers."""
        self._log.check(random.Random)
        return self.randomness.stream(stream)

    def uuid4(self) -> uuid.UUID:
        """Give the next random id."""
        self._log.check(uuid.UUID)
        return self.randomness.uuid4()

    def uuid7(self) -> uuid.UUID:
        """Give the next time-ordered id."""
        self._log.check(uuid.UUID)
        return self.randomness.uuid7(self._loop.now)

    def check_acting(self, what: object) -> None:
        """Refuse where the code may read only."""
        self._log.check(what)

    def cancel_reason(self) -> str | None:
        """Give the reason of the cancel request."""
        return self.cancelled_with

    def next_run_id(self) -> str:
        """Give the id of the next run that this one brings forth: a child, a successor."""
        return str(self.randomness.run_id(self._loop.now))

    # --- other workflows ---

    def start_child(self, call: ChildCall, site: Site | None) -> ChildStarted:
        """Ask for a child workflow."""
        self._log.check(call)
        run_id = self.next_run_id()
        attributes = self.kept_attributes(call.options.search_attributes)
        workflow_id, future = self._parts.children.start(
            call, attributes, lineage=self._lineage, run_id=run_id, site=site
        )
        return ChildStarted(workflow_id, run_id, future)

    def signal_external(self, call: SignalCall, site: Site | None) -> asyncio.Future[None]:
        """Send a signal to another workflow."""
        return self._parts.externals.signal(call, site)

    def cancel_external(
        self, workflow_id: str, run_id: str, reason: str, site: Site | None
    ) -> asyncio.Future[None]:
        """Ask another workflow to cancel itself."""
        return self._parts.externals.cancel(workflow_id, run_id, reason, site)

    # --- messages ---

    async def receive(self, name: str, hint: Any, timeout: float | None) -> Any:
        """Take the next kept signal of a name; one that does not fit is dropped, as it is for a handler."""
        messages = self.messages
        until = None if timeout is None else self._loop.now + timeout
        place = messages.queue_up(name)
        try:
            while True:
                left = None if until is None else until - self._loop.now
                await self.wait_condition(
                    lambda: messages.is_there(name, place), left, f"receive {name}"
                )
                try:
                    return messages.take(name, hint)
                except PayloadError as error:
                    messages.log_dropped(error)
        finally:
            messages.leave(name, place)

    def set_handler(self, what: str, name: str | None, handler: Handler | None) -> None:
        """Register or remove a handler while the code runs."""
        self._log.check(what)
        key = DYNAMIC if name is None else name
        if what != "update":
            self.messages.set_handler(what, key, handler)
        elif handler is None:
            self.updates.handlers.pop(key, None)
        else:
            self.updates.handlers[key] = handler

    def set_details(self, text: str) -> None:
        """Say in words where the workflow stands."""
        self.details = text

    def current_update(self) -> UpdateInfo | None:
        """Describe the update whose handler is running."""
        return current_update.get()

    def all_handlers_finished(self) -> bool:
        """Tell whether no signal or update handler is running."""
        return not self.messages.running

    # --- versions, data, length ---

    def patched(self, patch_id: str, *, deprecated: bool, per_call: bool) -> bool:
        """Tell whether the code takes the new branch of a patch."""
        mark = PatchMarked(patch_id=patch_id, deprecated=deprecated, per_call=per_call)
        taken, marked = self._patches.decide(mark, replaying=self.replaying, site=user_site(3))
        if marked is not None:
            self.attributes.add_patch(patch_id, deprecated=marked.deprecated)
        return taken

    def upsert(self, what: str, values: dict[str, Any]) -> None:
        """Change search attributes or the memo."""
        self.attributes.upsert(what, values, replaying=self.replaying)

    def kept_attributes(self, values: Mapping[str, Any]) -> Attributes:
        """Bring search attributes for another run into the form in which they are recorded."""
        return self.attributes.kept(values, replaying=self.replaying)

    def should_continue_as_new(self) -> bool:
        """Tell whether the history is long enough for a new run to be advisable."""
        return suggests_new_run(self.started, self.history_length, lambda: self.extent.bytes)

    # --- the chain ---

    def last_completion_result(self) -> msgspec.Raw | None:
        """Give what the last run of the cron chain that completed has returned."""
        last = self.started.last_result
        return None if isinstance(last, msgspec.UnsetType) else last

    def last_failure(self) -> Failure | None:
        """Give why the run before did not complete."""
        return self.started.last_failure

    messages: Messages  # set by the instance, which hosts them
    updates: Updates


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
