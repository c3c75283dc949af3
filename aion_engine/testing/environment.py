"""An engine inside of a test: one thread, one database connection, time that skips.

Theory of operation
-------------------
The environment is a worker without threads. Turns and activities are those of production; they run in the
thread that asks for them, so all of it happens on the test's connection and inside its transaction. Time is
the environment's: it stands still while anything can be done, and moves from one due moment to the next.

Nobody has to call the environment for that. It replaces the bell, and with it what waiting means: whoever
waits for a result or an update through an ordinary handle drives the engine until it is there. Where nothing
is left that could bring it on, waiting raises `NothingMoves`, which says what the run waits for.
"""

from __future__ import annotations

import datetime as dt
import threading
import uuid
from types import TracebackType
from typing import Any, Final, Self
from unittest.mock import Mock

import msgspec
from django.db import connections
from django.test.utils import override_settings

from aion import client
from aion.authoring.activity_definition import Activity
from aion.client import WorkflowHandle
from aion.client.calls import twin
from aion.core.errors import InvalidArgument
from aion.operations.clock import clock
from aion.operations.describe import describe
from aion.store import moments, runs, workers
from aion.store.dialects import connection
from aion_engine.runtime.identity import new_worker
from aion_engine.runtime.schedules import bring_on_due
from aion_engine.runtime.tick import tick
from aion_engine.runtime.turn_loop import TurnLoop
from aion_engine.testing import inline
from aion_engine.testing.driving_bell import NothingMoves, leave_wheel, take_wheel
from aion_engine.testing.mocks import MockedActivities, make_mock

_PORTS: Final = {
    "BELL": "aion_engine.testing.driving_bell.DrivingBell",
    "DISPATCHER": "aion_engine.runtime.dispatch.DatabaseDispatcher",
}
_MOST_STEPS: Final = 10_000  # without time passing
_MOST_MOMENTS: Final = 100_000  # of one skip or wait


class WorkflowEnvironment:
    """Runs workflows in a test. A context manager, sync or async; otherwise call `close`.

    `start` is when its time begins, by default now. With `auto_skip` off, waiting does not let time pass:
    only `skip` and `advance_to` do.
    """

    def __init__(self, *, start: dt.datetime | None = None, auto_skip: bool = True) -> None:
        if start is not None and start.tzinfo is None:
            raise InvalidArgument("start must be an aware datetime", field="start")
        begin = start or dt.datetime.now(dt.UTC).replace(microsecond=0)
        self.auto_skip = auto_skip
        self._now = begin.astimezone(dt.UTC)
        self._mocks = MockedActivities()
        self._overridden: Any = None

    # --- life ---

    def open(self) -> Self:
        """Take over the clock, the bell and the dispatcher of this process.

        Raises:
            RuntimeError: another environment is open.
        """
        take_wheel(self)
        try:
            self._open()
        except BaseException:
            self._give_back()
            raise
        return self

    def _open(self) -> None:
        self._overridden = override_settings(AION=_settings())
        self._overridden.enable()
        clock.read = self._read
        clock.read_monotonic = self._read_seconds
        self._worker = new_worker("test")
        workers.register(self._worker, now=self._now)
        self._loop = TurnLoop(self._worker.id)
        self._local = inline.InlineLocalActivities(self._worker.id)
        self._loop.local = self._local

    def close(self) -> None:
        """Give everything back. Rows of runs stay: the test's transaction takes them away."""
        if self._overridden is None:
            return
        self._loop.turns.cache.clear()
        try:
            if not connection().needs_rollback:
                workers.forget([self._worker.id])
        finally:
            self._give_back()

    def _give_back(self) -> None:
        self._mocks.restore()
        clock.reset()
        if self._overridden is not None:
            self._overridden.disable()
            self._overridden = None
        leave_wheel(self)

    def __enter__(self) -> Self:
        return self.open()

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    async def __aenter__(self) -> Self:
        return await twin(self.open)()  # type: ignore[no-any-return]

    async def __aexit__(self, *_: object) -> None:
        await twin(self._close_on_its_thread)()

    def _close_on_its_thread(self) -> None:
        self.close()
        if threading.current_thread() is not threading.main_thread():
            for connection in connections.all(initialized_only=True):
                connection.close()

    # --- running ---

    @property
    def now(self) -> dt.datetime:
        """The environment's time, aware UTC."""
        return self._now

    def _read(self) -> dt.datetime:
        return self._now

    def _read_seconds(self) -> float:
        return self._now.timestamp()

    def start_workflow(self, workflow: Any, *args: Any, **options: Any) -> WorkflowHandle:
        """Start a workflow (see `client.start_workflow`). Nothing of it runs yet."""
        return client.start_workflow(workflow, *args, **options)

    def execute_workflow(self, workflow: Any, *args: Any, **options: Any) -> Any:
        """Start a workflow and give its result, letting time pass as far as it needs.

        Raises:
            WorkflowFailureError: it did not complete; `cause` says why.
            NothingMoves: it waits for something that will not come by itself.
        """
        return self.start_workflow(workflow, *args, **options).result()

    def run_until_idle(self) -> None:
        """Take turns and run activities until nothing is left to be done at this moment.

        Raises:
            NothingMoves: there is no end to it.
        """
        self._run()

    def _run(self) -> bool:
        """Tell whether there was anything to do."""
        for step in range(_MOST_STEPS):
            if not self._step():
                return step > 0
        raise NothingMoves(
            f"After {_MOST_STEPS} steps at {self._now} there is still something to do: does a workflow "
            "go on for ever without letting time pass?"
        )

    def _step(self) -> bool:
        self._local.release_due()
        return (
            self._loop.step()
            or self._local.run_one()
            or inline.run_one(self._worker)
            or bring_on_due(self._now) > 0
        )

    # --- time ---

    def skip(self, duration: dt.timedelta) -> None:
        """Let time pass, and everything happen that becomes due meanwhile, in its order.

        Raises:
            InvalidArgument: it is not a timedelta of zero or more.
        """
        if not isinstance(duration, dt.timedelta) or duration < dt.timedelta(0):
            raise InvalidArgument(
                f"duration must be a timedelta of zero or more, not {duration!r}", field="duration"
            )
        self.advance_to(self._now + duration)

    def advance_to(self, moment: dt.datetime) -> None:
        """Let time pass until a moment (see `skip`).

        Raises:
            InvalidArgument: it is not an aware datetime, or has passed.
        """
        if not isinstance(moment, dt.datetime) or moment.tzinfo is None or moment < self._now:
            raise InvalidArgument(
                f"moment must be an aware datetime from {self._now} on, not {moment!r}",
                field="moment",
            )
        self._run()
        for _ in range(_MOST_MOMENTS):
            due = self._next_moment()
            if due is None or due > moment:
                self._move(moment)
                return
            self._move(due)
        raise NothingMoves(f"{_MOST_MOMENTS} moments are not enough to reach {moment}")

    def skip_to_next(self) -> bool:
        """Let time pass until the next thing is due, and do it; False when nothing is."""
        self._run()
        due = self._next_moment()
        if due is None:
            return False
        self._move(due)
        return True

    def _next_moment(self) -> dt.datetime | None:
        """Say when the next timer, attempt, deadline or retry of a local activity is due."""
        found = [moments.next_after(self._now)]
        wait = self._local.release_due()
        if wait is not None:
            # Rounded up: a moment too early would find nothing to do.
            found.append(self._now + dt.timedelta(seconds=wait, microseconds=1))
        return min((each for each in found if each is not None), default=None)

    def _move(self, moment: dt.datetime) -> None:
        self._now = moment
        workers.beat(self._worker, now=moment)
        tick(force=True)
        self._run()

    # --- waiting ---

    def drive(self, run_id: uuid.UUID, seconds: float) -> bool:
        """Bring a run on: what can be done now, else the next due moment. Called by whoever waits for it.

        Raises:
            NothingMoves: nothing is left that could bring it on, or its code is broken.
        """
        if self._run():
            return True
        run = runs.get(run_id)
        if run is not None and run.problem is not None:
            raise self._stuck(run_id, msgspec.json.decode(run.problem).get("traceback", ""))
        if not self.auto_skip:
            raise self._stuck(run_id, "Time stands still, for auto_skip is off.")
        due, limit = self._next_moment(), self._limit(seconds)
        if limit is not None and (due is None or due > limit):
            self._move(limit)
            return False
        if due is None:
            raise self._stuck(run_id, "Nothing else is due.")
        self._move(due)
        return True

    def _stuck(self, run_id: uuid.UUID, what: str) -> NothingMoves:
        return NothingMoves(f"Run {run_id}: {describe(None, run_id).why} {what}", run_id=run_id)

    def _limit(self, seconds: float) -> dt.datetime | None:
        return None if seconds == float("inf") else self._now + dt.timedelta(seconds=seconds)

    # --- mocks ---

    def mock_activity(
        self, activity: Activity[Any, Any] | str, *, returns: Any = None, side_effect: Any = None
    ) -> Mock:
        """Replace an activity, named by its function or type name, until the environment is closed.

        Gives a `unittest.mock.Mock` that counts the calls: `returns` is its return value; a `side_effect`
        is called with the decoded arguments, or raised, or taken from one by one, as a Mock does it.

        Raises:
            InvalidArgument: the target is neither an activity nor a name.
        """
        name = activity if isinstance(activity, str) else getattr(activity, "name", "")
        mock = make_mock(str(name), returns, side_effect)
        self._mocks.add(activity, mock)
        return mock

    # --- twins ---

    async def astart_workflow(self, workflow: Any, *args: Any, **options: Any) -> WorkflowHandle:
        """Async twin of `start_workflow`."""
        return await twin(self.start_workflow)(workflow, *args, **options)  # type: ignore[no-any-return]

    async def aexecute_workflow(self, workflow: Any, *args: Any, **options: Any) -> Any:
        """Async twin of `execute_workflow`."""
        return await twin(self.execute_workflow)(workflow, *args, **options)

    async def arun_until_idle(self) -> None:
        """Async twin of `run_until_idle`."""
        await twin(self.run_until_idle)()

    async def askip(self, duration: dt.timedelta) -> None:
        """Async twin of `skip`."""
        await twin(self.skip)(duration)

    async def aadvance_to(self, moment: dt.datetime) -> None:
        """Async twin of `advance_to`."""
        await twin(self.advance_to)(moment)

    async def askip_to_next(self) -> bool:
        """Async twin of `skip_to_next`."""
        return bool(await twin(self.skip_to_next)())


def _settings() -> dict[str, Any]:
    from django.conf import settings as project

    return {**getattr(project, "AION", {}), **_PORTS}
