"""One worker without threads of its own: turns, activities and ticks happen when a test says so."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, TypeVar

from django.db import connections

from aion import client
from aion.client import WorkflowHandle
from aion.models import ActivityTask
from aion.operations.clock import clock
from aion.store import activities, workers
from aion_engine.runtime import execution
from aion_engine.runtime.batches import Batch
from aion_engine.runtime.execution import Running
from aion_engine.runtime.identity import new_worker
from aion_engine.runtime.tick import TickReport, tick
from aion_engine.runtime.turn_loop import TurnLoop
from aion_engine.runtime.worker import Worker
from tests.support.kit import Scripted
from tests.support.waiting import eventually

T = TypeVar("T")


class Engine:
    """A registered worker with a turn loop that nobody runs."""

    def __init__(self) -> None:
        self.worker = new_worker("test")
        workers.register(self.worker, now=clock.now())
        self.loop = TurnLoop(self.worker.id)

    def close(self) -> None:
        self.loop.local.stop(timeout=5)
        self.loop.turns.cache.clear()

    # --- what a test says ---

    def start(self, script: str, *args: Any, **options: Any) -> WorkflowHandle:
        return client.start_workflow(Scripted, script, *args, **options)

    def turn(self, outcomes: Any = None) -> Batch:
        """One batch and nothing else."""
        return self.loop.turns.take(outcomes or {})

    def turns(self) -> None:
        """Turns until nothing is to be done, local activities included."""
        while self.loop.step() or self._local_activities_are_on_their_way():
            pass

    def _local_activities_are_on_their_way(self) -> bool:
        if not self.loop.local.busy:
            return self.loop.local.outcome_count > 0
        eventually(lambda: self.loop.local.outcome_count or not self.loop.local.busy)
        return True

    def turns_until(self, condition: Callable[[], T], *, timeout: float = 30.0) -> T:
        """Steps, with the pauses of local activities, until a condition holds."""

        def look() -> T:
            self.loop.local.release_due()
            self.loop.step()
            return condition()

        return eventually(look, timeout=timeout)

    def begin(self) -> Running | None:
        """Claim the oldest attempt that is due, of those of one moment the one asked for first."""
        waiting = dict(activities.ready(now=clock.now(), limit=100))
        rows = ActivityTask.objects.filter(id__in=waiting).order_by("next_attempt_at", "id")
        for task_id in rows.values_list("id", flat=True)[:1]:
            return execution.begin(task_id, waiting[task_id], self.worker)
        return None

    def perform(self, running: Running) -> None:
        execution.run(running, self.worker)

    def act(self) -> bool:
        """Run one attempt that is due; tell whether there was one."""
        running = self.begin()
        if running is not None:
            self.perform(running)
        return running is not None

    def go(self) -> None:
        """Turns and attempts until nothing is to be done at this time."""
        self.turns()
        while self.act():
            self.turns()

    def tick(self) -> TickReport:
        """A tick that finds this worker alive, however far the clock was moved."""
        workers.beat(self.worker, now=clock.now())
        return tick(force=True)

    def die(self) -> None:
        """What a kill leaves: nothing in memory, leases in the rows, and no heartbeat any more."""
        self.close()


@contextmanager
def running_worker(**options: Any) -> Iterator[Worker]:
    """A whole worker in a thread of this process."""
    worker = Worker(**options)
    errors: list[BaseException] = []

    def run() -> None:
        try:
            worker.run()
        except BaseException as error:
            errors.append(error)
        finally:
            connections.close_all()

    thread = threading.Thread(target=run, name="test-worker")
    thread.start()
    try:
        yield worker
    finally:
        worker.stop()
        thread.join(60)
    assert not thread.is_alive()
    assert errors == []


def in_thread(function: Any, *args: Any) -> Thread:
    """Run a function in a thread with connections of its own, closed at its end."""
    thread = Thread(function, args)
    thread.start()
    return thread


class Thread(threading.Thread):
    """A thread that keeps what its function gave or raised; `done` gives it."""

    def __init__(self, function: Any, args: tuple[Any, ...]) -> None:
        super().__init__(daemon=True)
        self._function = function
        self._arguments = args
        self.value: Any = None
        self.error: BaseException | None = None

    def run(self) -> None:
        try:
            self.value = self._function(*self._arguments)
        except BaseException as error:
            self.error = error
        finally:
            connections.close_all()

    def done(self, timeout: float = 60.0) -> Any:
        self.join(timeout)
        assert not self.is_alive(), "the thread does not end"
        if self.error is not None:
            raise self.error
        return self.value
