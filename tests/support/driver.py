"""An in-memory world for one run: what store, timers and activity workers do, without any of them.

The world is derived from the history alone (which activities and timers are open), as the store derives
it from its rows. So a driver may `crash` anywhere and go on.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Sequence
from typing import Any

import msgspec

from aion.authoring import workflow as authoring
from aion.authoring.workflow_definition import WorkflowDefinition, definition_of
from aion.core import events
from aion.core.failures import exception_from, failure_from
from aion.core.history import Recorded, to_lines
from aion.core.payloads import encode
from aion.core.signatures import encode_arguments
from aion.core.status import TERMINAL_EVENTS
from aion_engine.replay.advance import advance
from aion_engine.replay.instance import Instance
from aion_engine.replay.replayer import replay

START = dt.datetime(2030, 1, 1, 12, tzinfo=dt.UTC)
STEP = dt.timedelta(milliseconds=10)
RUN_ID = "0190a000-0000-7000-8000-000000000001"


def payload(value: Any) -> msgspec.Raw:
    return msgspec.Raw(encode(value, field="a test value"))


def arguments(*args: Any, **kwargs: Any) -> msgspec.Raw:
    return msgspec.Raw(encode_arguments(args, kwargs, what="a test"))


def defined(workflow: Any) -> WorkflowDefinition:
    """Give the definition of a workflow; a plain function becomes one."""
    found = definition_of(workflow)
    if found is None:
        found = definition_of(authoring.defn(workflow))
    assert found is not None
    return found


class Driver:
    """Plays one run. `history` is everything recorded so far."""

    def __init__(
        self,
        workflow: Any,
        *args: Any,
        run_id: str = RUN_ID,
        at: dt.datetime = START,
        **kwargs: Any,
    ) -> None:
        self.definition = definition = defined(workflow)
        self.held = False
        self.run_id = run_id
        self.now = at
        started = events.WorkflowStarted(
            workflow_id="test",
            workflow_type=definition.name,
            input=arguments(*args, **kwargs),
            seed=run_id,
            behaviour_version=events.BEHAVIOUR_VERSION,
        )
        self.history = [Recorded(1, at, started)]
        self.instance = Instance(definition, run_id)

    def begin_as(self, **changes: Any) -> Driver:
        """Give the first event other fields, as a chain or the settings would."""
        first = self.history[0]
        event = msgspec.structs.replace(first.event, **changes)
        self.history[0] = Recorded(first.seq, first.recorded_at, event)
        self.now += getattr(event, "start_delay", None) or dt.timedelta(0)
        return self

    # --- moving ---

    def start(self) -> Driver:
        self._advance(start=self.history[0])
        return self

    def arrive(self, *arrivals: events.Event, after: dt.timedelta = STEP) -> list[Recorded]:
        """Fold arrivals in one turn and give what it recorded."""
        self.now += after
        return self._advance(*arrivals)

    def _advance(self, *arrivals: events.Event, start: Recorded | None = None) -> list[Recorded]:
        try:
            gained = advance(self.instance, arrivals, at=self.now, start=start)
        except BaseException:
            self.held = True
            raise
        self.history += gained
        return gained

    def complete(self, activity_id: str | int, result: Any = None) -> list[Recorded]:
        local = str(activity_id) in self.instance.local_activities
        return self.arrive(*self.completion(str(activity_id), result, local=local))

    def completion(self, activity_id: str, result: Any, *, local: bool) -> list[events.Event]:
        return self._outcome(events.ActivityCompleted, activity_id, local, result=payload(result))

    def fail(self, activity_id: str | int, error: BaseException) -> list[Recorded]:
        local = str(activity_id) in self.instance.local_activities
        return self.arrive(*self.failure(str(activity_id), error, local=local))

    def failure(self, activity_id: str, error: BaseException, *, local: bool) -> list[events.Event]:
        # The traceback names lines of the tests, which move.
        failure = msgspec.structs.replace(failure_from(error), traceback="")
        return self._outcome(events.ActivityFailed, activity_id, local, failure=failure)

    def _outcome(
        self, kind: Any, activity_id: str, local: bool, **fields: Any
    ) -> list[events.Event]:
        if local:
            name = self.instance.local_activities[activity_id].activity_type
            return [kind(activity_id=activity_id, local=True, activity_type=name, **fields)]
        started = events.ActivityStarted(activity_id=activity_id, worker="w1")
        return [started, kind(activity_id=activity_id, **fields)]

    def cancelled(self, activity_id: str | int, reason: str = "") -> list[Recorded]:
        event = events.ActivityCancelled(activity_id=str(activity_id), reason=reason)
        return self.arrive(event)

    def fire(self, timer_id: str | int | None = None) -> list[Recorded]:
        """Fire a timer, by default the next that is due, at its time."""
        timers = self.timers
        chosen = str(timer_id) if timer_id is not None else min(timers, key=lambda i: timers[i])
        self.now = max(self.now, timers[chosen])
        return self.arrive(events.TimerFired(timer_id=chosen), after=dt.timedelta(0))

    def signal(self, name: str, *args: Any, **kwargs: Any) -> list[Recorded]:
        return self.arrive(events.SignalReceived(name=name, input=arguments(*args, **kwargs)))

    def cancel(self, reason: str = "") -> list[Recorded]:
        return self.arrive(events.CancelRequested(reason=reason))

    def query(self, name: str, *args: Any, **kwargs: Any) -> Any:
        return msgspec.json.decode(self.instance.query(name, bytes(arguments(*args, **kwargs))))

    def run(
        self,
        answer: Callable[[str, Sequence[Any]], Any] = lambda name, args: None,
        *,
        most_steps: int = 1000,
    ) -> Driver:
        """Answer activities in their order, then fire timers, until the run closes or waits for us."""
        if self.instance.head_seq == 0:
            self.start()
        for _ in range(most_steps):
            if self.closed or not (self.activities or self.locals or self.timers):
                return self
            waiting = list(self.locals) or list(self.activities)
            if waiting:
                self._answer(waiting[0], answer)
            else:
                self.fire()
        raise AssertionError("the run does not come to an end")

    def _answer(self, activity_id: str, answer: Callable[[str, Sequence[Any]], Any]) -> None:
        name, raw = (self.locals | self.activities)[activity_id]
        args = msgspec.json.decode(raw).get("args", [])
        try:
            result = answer(name, args)
        except Exception as error:
            self.fail(activity_id, error)
        else:
            self.complete(activity_id, result)

    # --- going away and coming back ---

    def crash(self) -> Driver:
        """Throw the instance away and rebuild it from the history."""
        self.instance.close()
        self.instance = self.replay()
        return self

    def replay(self, workflow: Any = None) -> Instance:
        """Replay the history, on other code if given; the caller drops the instance."""
        definition = self.definition if workflow is None else defined(workflow)
        instance, left = replay(definition, self.run_id, self.history)
        assert left == []
        return instance

    # --- looking ---

    @property
    def activities(self) -> dict[str, tuple[str, bytes]]:
        """The remote activities without an outcome: type and input by id."""
        found: dict[str, tuple[str, bytes]] = {}
        for event in self.events:
            if isinstance(event, events.ActivityScheduled):
                found[event.activity_id] = (event.activity_type, bytes(event.input))
            elif isinstance(event, events.ActivityOutcome):
                found.pop(event.activity_id, None)
        return {i: what for i, what in found.items() if self.instance.activities.expects(i)}

    @property
    def locals(self) -> dict[str, tuple[str, bytes]]:
        """The local activities without an outcome: type and input by id."""
        found = self.instance.local_activities
        return {i: (one.activity_type, bytes(one.input)) for i, one in found.items()}

    @property
    def timers(self) -> dict[str, dt.datetime]:
        """The timers that have neither fired nor been cancelled."""
        found: dict[str, dt.datetime] = {}
        for event in self.events:
            if isinstance(event, events.TimerStarted):
                found[event.timer_id] = event.fire_at
            elif isinstance(event, (events.TimerFired, events.TimerCancelled)):
                found.pop(event.timer_id, None)
        return found

    @property
    def events(self) -> list[events.Event]:
        return [recorded.event for recorded in self.history]

    @property
    def kinds(self) -> list[str]:
        return [recorded.kind for recorded in self.history]

    @property
    def closed(self) -> bool:
        return isinstance(self.history[-1].event, TERMINAL_EVENTS)

    @property
    def result(self) -> Any:
        """What the workflow returned."""
        last = self.history[-1].event
        assert isinstance(last, events.WorkflowCompleted), last
        return msgspec.json.decode(last.result)

    @property
    def error(self) -> BaseException:
        """What the workflow failed with."""
        last = self.history[-1].event
        assert isinstance(last, events.WorkflowFailed), last
        return exception_from(last.failure)

    @property
    def lines(self) -> list[bytes]:
        """The history as text, for comparing."""
        return list(to_lines(self.history))
