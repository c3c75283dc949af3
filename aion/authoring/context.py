"""The seam between what authors call and the engine that runs it: the running workflow, the running attempt.

The engine implements these protocols and sets the variables; `aion.workflow` and `aion.activity` read
them. A context variable, not a thread's, because it must follow the coroutines of one run and nothing else.
"""

from __future__ import annotations

import asyncio
import dataclasses
import datetime as dt
import random
import sys
import uuid
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any, Final, Protocol, TypeVar

import msgspec

from aion.authoring.child_options import ChildOptions
from aion.authoring.interception import Chains
from aion.authoring.options import ActivityOptions
from aion.core.commands import Site
from aion.core.errors import NotInActivity, NotInWorkflow
from aion.core.failures import Failure
from aion.core.headers import Headers
from aion.core.priority import DEFAULT
from aion.core.retry import RetryPolicy
from aion.core.search_attributes import Attributes

if TYPE_CHECKING:
    from aion.authoring.handler_definition import Handler
    from aion.authoring.workflow_definition import WorkflowDefinition

T = TypeVar("T")


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class WorkflowInfo:
    """What a workflow may know of its own run. Times are aware UTC.

    `history_length` and `history_bytes` are those of this run up to the event that is handled. A run of a
    cron chain has `cron` and its `time_zone`; `scheduled_at` is the time that it is for.
    """

    workflow_id: str
    run_id: str
    workflow_type: str
    task_queue: str
    attempt: int
    started_at: dt.datetime
    history_length: int
    priority: int = DEFAULT
    parent_workflow_id: str | None = None
    parent_run_id: str | None = None
    root_workflow_id: str | None = None
    root_run_id: str | None = None
    continued_from_run_id: str | None = None
    run_timeout: dt.timedelta | None = None
    execution_timeout: dt.timedelta | None = None
    history_bytes: int = 0
    retry: RetryPolicy | None = None
    cron: str = ""
    time_zone: str = ""
    scheduled_at: dt.datetime | None = None
    headers: dict[str, str] = dataclasses.field(default_factory=dict)
    memo: dict[str, Any] = dataclasses.field(default_factory=dict)
    search_attributes: dict[str, Any] = dataclasses.field(default_factory=dict)


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class ActivityInfo:
    """What an activity may know of its own attempt. Times are aware UTC.

    `idempotency_key` is the same for every attempt of one activity and unique among all: hand it to
    services that take one. `task_token` completes this attempt from elsewhere.
    """

    activity_id: str
    activity_type: str
    attempt: int
    workflow_id: str
    run_id: str
    workflow_type: str
    task_queue: str
    is_local: bool = False
    scheduled_at: dt.datetime | None = None
    started_at: dt.datetime | None = None
    start_to_close_timeout: dt.timedelta | None = None
    schedule_to_close_timeout: dt.timedelta | None = None
    heartbeat_timeout: dt.timedelta | None = None
    retry: RetryPolicy | None = None
    heartbeat_details: tuple[Any, ...] = ()
    task_token: str = ""
    headers: dict[str, str] = dataclasses.field(default_factory=dict)

    @property
    def idempotency_key(self) -> str:
        """A stable key of this activity, over all its attempts."""
        return f"{self.run_id}:{self.activity_id}"


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class CancellationDetails:
    """Why an attempt should stop. One of these is true.

    `paused` and `reset`: an operator's wish; once it stops it is begun again, later or now. `timed_out`: it
    is over its time. `not_found`: its lease is gone; another has taken over, or the run has closed.
    """

    cancel_requested: bool = False
    paused: bool = False
    reset: bool = False
    timed_out: bool = False
    worker_shutdown: bool = False
    not_found: bool = False

    @classmethod
    def of(cls, reason: str) -> CancellationDetails:
        """Give the details of a reason to stop."""
        return cls(**{_DETAILS[reason]: True}) if reason in _DETAILS else cls()


_DETAILS: Final = {
    "cancelled": "cancel_requested",
    "paused": "paused",
    "reset": "reset",
    "timed out": "timed_out",
    "shutdown": "worker_shutdown",
    "lost": "not_found",
}


@dataclasses.dataclass(frozen=True, slots=True)
class ActivityCall:
    """An activity asked for: its type, encoded input, options, and how to read its result."""

    activity_type: str
    input: bytes
    options: ActivityOptions
    decode: Callable[[msgspec.Raw], Any]
    headers: Headers = dataclasses.field(default_factory=dict)


@dataclasses.dataclass(frozen=True, slots=True)
class UpdateInfo:
    """The update whose handler is running: its id and name."""

    id: str
    name: str


@dataclasses.dataclass(frozen=True, slots=True)
class ChildCall:
    """A child asked for: its type, encoded input, options, and how to read its result."""

    workflow_type: str
    input: bytes
    options: ChildOptions
    decode: Callable[[msgspec.Raw], Any]
    headers: Headers = dataclasses.field(default_factory=dict)


@dataclasses.dataclass(frozen=True, slots=True)
class SignalCall:
    """A signal to another workflow: for whom, its name, encoded arguments, and the receiver's request id."""

    workflow_id: str
    run_id: str
    name: str
    input: bytes
    request_id: str
    headers: Headers = dataclasses.field(default_factory=dict)


@dataclasses.dataclass(frozen=True, slots=True)
class ChildStarted:
    """A child that was started: its ids, and the future of its result."""

    workflow_id: str
    run_id: str
    result: asyncio.Future[Any]


class ContinueAsNew(BaseException):
    """Leaves the workflow code to go on as a new run. Never caught by `except Exception`."""

    def __init__(
        self,
        *,
        workflow_type: str,
        input: bytes,
        task_queue: str,
        run_timeout: dt.timedelta | None,
        memo: bytes | None,
        search_attributes: Attributes | None,
        headers: Headers,
    ) -> None:
        super().__init__("continue as new")
        self.workflow_type = workflow_type
        self.input = input
        self.task_queue = task_queue
        self.run_timeout = run_timeout
        self.memo = memo
        self.search_attributes = search_attributes
        self.headers = headers


class WorkflowContext(Protocol):
    """What the engine does for running workflow code."""

    @property
    def replaying(self) -> bool:
        """Whether the code now runs over recorded events."""

    @property
    def definition(self) -> WorkflowDefinition:
        """The definition that runs."""

    @property
    def chains(self) -> Chains:
        """The interceptors around what the code asks for."""

    @property
    def headers(self) -> Headers:
        """The headers of the run, which travel with everything that it asks for."""

    def after_commit(self, action: Callable[[], object]) -> None:
        """Do something outside of the code when what it does now has been written; never on replay."""

    def info(self) -> WorkflowInfo:
        """Describe the run."""

    def now(self) -> dt.datetime:
        """Give the time of the event being folded."""

    def start_activity(self, call: ActivityCall, site: Site | None) -> asyncio.Future[Any]:
        """Ask for an activity."""

    async def wait_condition(
        self, predicate: Callable[[], object], timeout: float | None, summary: str
    ) -> None:
        """Wait until a predicate holds."""

    async def sleep(self, seconds: float, summary: str) -> None:
        """Wait on a durable timer."""

    def side_effect(self, function: Callable[[], T], hint: Any, site: Site | None) -> T:
        """Take a value once and record it."""

    def random(self, stream: str) -> random.Random:
        """Give the named stream of random numbers."""

    def uuid4(self) -> uuid.UUID:
        """Give the next random id."""

    def uuid7(self) -> uuid.UUID:
        """Give the next time-ordered id."""

    def check_acting(self, what: object) -> None:
        """Raise `ReadOnlyContext` where the code may read only; the message names the type of `what`."""

    def cancel_reason(self) -> str | None:
        """Give the reason of the cancel request, None when there was none."""

    def start_child(self, call: ChildCall, site: Site | None) -> ChildStarted:
        """Ask for a child workflow."""

    def signal_external(self, call: SignalCall, site: Site | None) -> asyncio.Future[None]:
        """Send a signal to another workflow."""

    def cancel_external(
        self, workflow_id: str, run_id: str, reason: str, site: Site | None
    ) -> asyncio.Future[None]:
        """Ask another workflow to cancel itself."""

    async def receive(self, name: str, hint: Any, timeout: float | None) -> Any:
        """Take the next signal of a name that no handler takes."""

    def set_handler(self, what: str, name: str | None, handler: Handler | None) -> None:
        """Register or remove a handler of `signal`, `query` or `update`; None as name: all others."""

    def patched(self, patch_id: str, *, deprecated: bool, per_call: bool) -> bool:
        """Tell whether the code takes the new branch of a patch."""

    def upsert(self, what: str, values: dict[str, Any]) -> None:
        """Change `search_attributes` or the `memo`; None as value unsets."""

    def kept_attributes(self, values: Mapping[str, Any]) -> Attributes:
        """Bring search attributes for another run into the form in which they are recorded."""

    def set_details(self, text: str) -> None:
        """Say in words where the workflow stands."""

    def current_update(self) -> UpdateInfo | None:
        """Describe the update whose handler is running."""

    def all_handlers_finished(self) -> bool:
        """Tell whether no signal or update handler is running."""

    def should_continue_as_new(self) -> bool:
        """Tell whether the history has grown so long that a new run is advisable."""

    def last_completion_result(self) -> msgspec.Raw | None:
        """Give what the last run of the cron chain that completed has returned."""

    def last_failure(self) -> Failure | None:
        """Give why the run before did not complete."""


class ActivityContext(Protocol):
    """What the engine does for a running activity attempt."""

    @property
    def info(self) -> ActivityInfo:
        """Describe the attempt."""

    def heartbeat(self, details: tuple[Any, ...]) -> None:
        """Report life and progress."""

    @property
    def cancel_reason(self) -> str | None:
        """Why the attempt should stop, None when it should not."""

    def wait_for_cancel(self, timeout: float | None) -> bool:
        """Block until the attempt should stop."""

    def shielded(self) -> AbstractContextManager[None]:
        """Keep an interruptible function from being interrupted in a block."""


current_workflow: ContextVar[WorkflowContext | None] = ContextVar("aion_workflow", default=None)
current_activity: ContextVar[ActivityContext | None] = ContextVar("aion_activity", default=None)


def require_workflow(what: str) -> WorkflowContext:
    """Give the running workflow.

    Raises:
        NotInWorkflow: no workflow code is running here; the message names `what`.
    """
    context = current_workflow.get()
    if context is None:
        raise NotInWorkflow(f"{what} needs a running workflow: call it from workflow code only")
    return context


def require_activity(what: str) -> ActivityContext:
    """Give the running activity attempt.

    Raises:
        NotInActivity: no activity is running here; the message names `what`.
    """
    context = current_activity.get()
    if context is None:
        raise NotInActivity(f"{what} needs a running activity: call it from activity code only")
    return context


_ENGINE_MODULES = ("aion.", "aion_engine.", "asyncio.", "asyncio")


def user_site(depth: int = 1, *, also: tuple[str, ...] = ()) -> Site | None:
    """Find the line of user code that led here: the nearest frame outside of Aion and asyncio.

    `also` names further modules to look beyond, as prefixes.
    """
    beyond = _ENGINE_MODULES + also
    frame = sys._getframe(depth)
    while frame is not None:
        if not frame.f_globals.get("__name__", "").startswith(beyond):
            return Site(frame.f_code, frame.f_lineno)
        frame = frame.f_back  # type: ignore[assignment]  # the loop ends on None
    return None
