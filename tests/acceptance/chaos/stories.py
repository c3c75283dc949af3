"""What callers do: a story is a workflow and everything that it is told, in an order that its seed gives.

A story is a list of steps. Each may be done again from its beginning, because it carries request ids; a step
that was done is in the ledger, with what its caller was promised. So a caller that was killed in the middle
of a step does it again, and the rest of the story after it.

What a step may promise: `started` (a workflow id), `undone` (one whose start was rolled back), `signalled`,
`updated`, `refused` (an update that its validator did not take), `result`, `ends` (a status).
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Final

from django.db import transaction

from aion import client
from aion.client import WorkflowHandle
from aion.core.errors import (
    ActivityNotFound,
    ResultTimeout,
    RunClosed,
    UpdateRefused,
    WorkflowFailureError,
    WrongState,
)
from tests.acceptance.chaos import workflows
from tests.sample.models import Effect

Promise = dict[str, Any]
Step = tuple[str, Callable[[], Promise]]

PATIENCE: Final = 2.0  # seconds that a caller waits before it asks again


class NotYet(Exception):
    """The step is to be done again."""


@dataclass(frozen=True)
class Story:
    """One of them: `kind` names the method that tells it."""

    number: int
    kind: str
    seed: str

    @property
    def id(self) -> str:
        return f"{self.kind}-{self.number:05}"

    def steps(self) -> Iterator[Step]:
        """Give its steps, the same every time."""
        return _KINDS[self.kind](self.id, random.Random(f"{self.seed}:{self.number}"))


def story(number: int, seed: str) -> Story:
    """Give the story of a number."""
    kinds = list(_KINDS)
    # Each kind comes once in a round, in an order that changes from round to round.
    random.Random(f"{seed}:round:{number // len(kinds)}").shuffle(kinds)
    return Story(number, kinds[number % len(kinds)], seed)


# --- steps ---


def _start(workflow: Any, *args: Any, id: str, **options: Any) -> Step:
    def start() -> Promise:
        client.start_workflow(workflow, *args, id=id, request_id=f"start-{id}", **options)
        return {"started": id}

    return f"start {id}", start


def _start_and_undo(workflow: Any, *args: Any, id: str) -> Step:
    def start() -> Promise:
        with transaction.atomic():
            client.start_workflow(workflow, *args, id=id)
            transaction.set_rollback(True)
        return {"undone": id}

    return f"undo {id}", start


def _signal(to: str, name: str, value: int) -> Step:
    request_id = f"{name}-{to}-{value}"

    def signal() -> Promise:
        _handle(to).signal(name, value, request_id=request_id)
        return {"signalled": to, "request_id": request_id}

    return f"signal {request_id}", signal


def _update(to: str, value: int) -> Step:
    update_id = f"add-{to}-{value}"

    def update() -> Promise:
        try:
            answer = _handle(to).execute_update("add", value, id=update_id, timeout=PATIENCE)
        except ResultTimeout as late:
            raise NotYet from late
        except UpdateRefused:
            return {"refused": to, "update_id": update_id}
        return {"updated": to, "update_id": update_id, "answer": answer}

    return f"update {update_id}", update


def _result(of: str, expected: Any) -> Step:
    def result() -> Promise:
        try:
            found = _handle(of).result(timeout=PATIENCE)
        except ResultTimeout as late:
            raise NotYet from late
        return {"result": of, "expected": expected, "found": found}

    return f"result {of}", result


def _ends(of: str, status: str) -> Step:
    def ends() -> Promise:
        try:
            _handle(of).result(timeout=PATIENCE)
        except ResultTimeout as late:
            raise NotYet from late
        except WorkflowFailureError:
            pass
        return {"ends": of, "status": status}

    return f"end {of}", ends


def _do(name: str, of: str, action: Callable[[WorkflowHandle], object]) -> Step:
    """An operation without a request id: what it finds done already is done."""

    def operate() -> Promise:
        try:
            action(_handle(of))
        except (RunClosed, WrongState):
            pass
        return {"operated": of, "operation": name}

    return f"{name} {of}", operate


def _answer(of: str) -> Step:
    def answer() -> Promise:
        tokens = Effect.objects.filter(key__startswith=f"token:{of}:").order_by("-id")
        for effect in tokens:
            token = effect.key.removeprefix(f"token:{of}:")
            try:
                client.complete_activity(token, f"{of} is answered")
            except ActivityNotFound:
                continue
            break
        if client.get_workflow_handle(of).describe().status == "running":
            raise NotYet
        return {"answered": of}

    return f"answer {of}", answer


def _handle(workflow_id: str) -> WorkflowHandle:
    return client.get_workflow_handle(workflow_id)


# --- stories ---


def _sale(id: str, chance: random.Random) -> Iterator[Step]:
    payments = [10 * n + chance.randrange(10) for n in range(1, chance.randint(2, 5))]
    extras = [100 * n for n in range(1, chance.randint(1, 3))]
    yield _start_and_undo(workflows.Sale, 1, 0.0, id=f"undone-{id}")
    yield _start(workflows.Sale, len(payments), chance.uniform(0.0, 1.5), id=id)
    messages = [_signal(id, "pay", amount) for amount in payments[:-1]]
    messages += [_update(id, amount) for amount in extras]
    messages.append(_update(id, -1))
    chance.shuffle(messages)
    yield from messages
    if chance.random() < 0.4:
        yield _do("pause", id, lambda handle: handle.pause("for a moment"))
        yield _signal(id, "pay", payments[-1])
        yield _do("resume", id, lambda handle: handle.resume())
    else:
        yield _signal(id, "pay", payments[-1])
    yield _result(id, [sorted(payments), sorted(extras)])


def _steps(id: str, chance: random.Random) -> Iterator[Step]:
    count = chance.randint(4, 12)
    yield _start(workflows.steps, count, chance.uniform(0.1, 3.0), id=id)
    yield _result(id, sum(2 * number for number in range(count)))


def _inbox(id: str, chance: random.Random) -> Iterator[Step]:
    count = chance.randint(3, 9)
    yield _start(workflows.inbox, count, [], id=id)
    for item in range(count):
        yield _signal(id, "item", item)
    yield _result(id, list(range(count)))


def _family(id: str, chance: random.Random) -> Iterator[Step]:
    ending = chance.choice(["return", "fail", "continue", "cancel", "terminate", "time out"])
    pause = chance.uniform(0.1, 1.5)
    options: dict[str, Any] = {}
    if ending == "time out":
        options["run_timeout"] = timedelta(seconds=pause + 1)
    yield _start(workflows.Family, ending, pause, id=id, **options)
    match ending:
        case "cancel":
            yield _do(ending, id, lambda handle: handle.cancel("no longer wanted"))
        case "terminate":
            yield _do(ending, id, lambda handle: handle.terminate("no longer wanted"))
    statuses = {"fail": "failed", "cancel": "cancelled", "terminate": "terminated"}
    statuses["time out"] = "timed_out"
    yield _ends(id, statuses.get(ending, "completed"))


def _counter(id: str, chance: random.Random) -> Iterator[Step]:
    couriers = chance.randint(1, 3)
    pieces = [list(range(10 * n, 10 * n + chance.randint(1, 4))) for n in range(couriers)]
    everything = [piece for each in pieces for piece in each]
    yield _start(workflows.counter, len(everything), id=id)
    for number, each in enumerate(pieces):
        yield _start(workflows.courier, id, each, id=f"{id}-courier-{number}")
    yield _result(id, sorted(everything))
    for number, each in enumerate(pieces):
        yield _result(f"{id}-courier-{number}", len(each))


def _stubborn(id: str, chance: random.Random) -> Iterator[Step]:
    failures = chance.randint(0, 3)
    yield _start(workflows.stubborn, failures, id=id)
    yield _result(id, failures + 1)


def _question(id: str, chance: random.Random) -> Iterator[Step]:
    yield _start(workflows.question, id=id)
    yield _answer(id)
    yield _result(id, f"{id} is answered")


_KINDS: Final[dict[str, Callable[[str, random.Random], Iterator[Step]]]] = {
    "sale": _sale,
    "steps": _steps,
    "inbox": _inbox,
    "family": _family,
    "counter": _counter,
    "stubborn": _stubborn,
    "question": _question,
}
