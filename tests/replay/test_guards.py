"""The guards: what workflow code is refused, who is not, and that nothing else changes."""

from __future__ import annotations

import asyncio
import inspect
import logging
import os
import pickle
import random
import secrets
import socket
import subprocess
import sys
import threading
import time
import types
import uuid
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from aion.core.errors import ForbiddenInWorkflow
from aion_engine.replay import guards
from aion_engine.replay.forbidden import FORBIDDEN, Reach
from tests.conftest import ROOT
from tests.support.driver import Driver

Play = Callable[..., Driver]

REFUSED: list[tuple[Callable[[], object], str, str]] = [
    (lambda: time.time(), "time.time()", "workflow.time()"),
    (lambda: time.time_ns(), "time.time_ns()", "workflow.now()"),
    (lambda: time.monotonic(), "time.monotonic()", "workflow.time()"),
    (lambda: time.monotonic_ns(), "time.monotonic_ns()", "workflow.now()"),
    (lambda: time.perf_counter(), "time.perf_counter()", "workflow.time()"),
    (lambda: time.sleep(0), "time.sleep()", "await workflow.sleep() or await asyncio.sleep()"),
    (lambda: random.random(), "random.random()", "workflow.random().random()"),
    (lambda: random.randint(1, 2), "random.randint()", "workflow.random().randint()"),
    (lambda: random.shuffle([1]), "random.shuffle()", "workflow.random().shuffle()"),
    (lambda: random.seed(1), "random.seed()", "workflow.random()"),
    (lambda: uuid.uuid1(), "uuid.uuid1()", "workflow.uuid7()"),
    (lambda: uuid.uuid4(), "uuid.uuid4()", "workflow.uuid4()"),
    (lambda: os.urandom(8), "os.urandom()", "workflow.random().randbytes()"),
    (lambda: secrets.token_hex(), "secrets.token_hex()", "an activity"),
    (lambda: secrets.choice("ab"), "secrets.choice()", "workflow.random()"),
    (lambda: threading.Thread(target=print).start(), "threading.Thread.start()", "an activity"),
    (lambda: socket.socket(), "socket.socket()", "an activity"),
    (lambda: socket.create_connection(("localhost", 1)), "socket.socket()", "an activity"),
    (lambda: subprocess.run(["true"], check=True), "subprocess.Popen()", "an activity"),
    (lambda: os.system("true"), "os.system()", "an activity"),
    (lambda: ThreadPoolExecutor().submit(print), "threading.Thread.start()", "an activity"),
]


@pytest.mark.parametrize(("use", "used", "instead"), REFUSED)
def test_workflow_code_is_refused_and_told_what_to_use(
    play: Play, use: Callable[[], object], used: str, instead: str
) -> None:
    async def using() -> None:
        use()

    with pytest.raises(ForbiddenInWorkflow) as caught:
        play(using)

    error = caught.value
    line = inspect.getsourcelines(use)[1]
    assert error.used == used  # type: ignore[attr-defined]
    assert error.where == f"{__file__}:{line}"  # type: ignore[attr-defined]
    assert instead in str(error)
    assert used in str(error)
    assert f"at {__file__}:{line}" in str(error)


def test_an_open_socket_cannot_be_used(play: Play) -> None:
    one, other = socket.socketpair()

    async def using() -> None:
        one.sendall(b"hello")

    try:
        with pytest.raises(ForbiddenInWorkflow, match=r"socket\.socket\.sendall"):
            play(using)
    finally:
        one.close()
        other.close()


def test_libraries_of_the_user_are_refused_too(play: Play) -> None:
    library = types.ModuleType("some_library.clock")
    exec("import time\ndef read(): return time.time()", vars(library))

    async def using() -> None:
        library.read()

    with pytest.raises(ForbiddenInWorkflow, match="time"):
        play(using)


def test_code_without_a_module_is_refused(play: Play) -> None:
    async def using() -> None:
        eval("time()", {"time": time.time})

    with pytest.raises(ForbiddenInWorkflow):
        play(using)


def test_the_guards_hold_in_signal_handlers_predicates_and_init(play: Play) -> None:
    from aion import workflow

    @workflow.defn
    class Everywhere:
        def __init__(self) -> None:
            self.value = 0

        @workflow.run
        async def run(self, where: str) -> None:
            if where == "predicate":
                await workflow.wait_condition(lambda: time.time() > 0)
            await workflow.wait_condition(lambda: self.value)

        @workflow.signal
        def touch(self) -> None:
            uuid.uuid4()

    with pytest.raises(ForbiddenInWorkflow, match="time"):
        play(Everywhere, "predicate")
    run = play(Everywhere, "")
    with pytest.raises(ForbiddenInWorkflow, match="uuid4"):
        run.signal("touch")


# --- who is let through ---------------------------------------------------------------------------


def test_logging_works_inside_of_workflow_code(play: Play) -> None:
    class Sender(logging.Handler):
        """Does what handlers of others do: takes ids and times, sends, starts threads."""

        def emit(self, record: logging.LogRecord) -> None:
            thread = threading.Thread(target=sent.append, args=(record.getMessage(),))
            thread.start()
            thread.join()
            sent.append(str(uuid.uuid4()))
            socket.socket().close()

    sent: list[str] = []
    logger = logging.getLogger("tests.guards")
    logger.setLevel(logging.INFO)
    logger.addHandler(handler := Sender())

    async def talking() -> str:
        logger.info("hello")
        return "fine"

    run = play(talking)
    logger.removeHandler(handler)

    assert run.result == "fine"
    assert sent[0] == "hello"


def test_importing_works_inside_of_workflow_code(
    play: Play, tmp_path: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "aion_late_import.py").write_text("import uuid\nTOKEN = str(uuid.uuid4())\n")
    monkeypatch.syspath_prepend(str(tmp_path))

    async def importing() -> int:
        import aion_late_import  # type: ignore[import-not-found]

        return len(aion_late_import.TOKEN)

    run = play(importing)
    sys.modules.pop("aion_late_import")

    assert run.result == 36


def test_the_standard_library_may_use_the_clock(play: Play) -> None:
    async def ordinary() -> str:
        import email.utils
        import tempfile

        assert tempfile.gettempdir()
        email.utils.formatdate(0)
        asyncio.get_running_loop().time()
        return "fine"

    assert play(ordinary).result == "fine"


def test_what_the_garbage_collector_calls_is_let_through(play: Play) -> None:
    import gc

    class Measured:
        def __del__(self) -> None:
            measured.append(time.time())

    def on_collection(phase: str, info: dict[str, int]) -> None:
        measured.append(time.perf_counter())

    measured: list[float] = []

    async def littering() -> str:
        litter: list[object] = [Measured()]
        litter.append(litter)
        del litter
        gc.collect()
        return "fine"

    gc.callbacks.append(on_collection)
    try:
        run = play(littering)
    finally:
        gc.callbacks.remove(on_collection)

    assert run.result == "fine"
    assert len(measured) >= 3


def test_generators_with_a_seed_are_free(play: Play) -> None:
    async def seeded() -> int:
        return random.Random(7).randint(1, 100)

    assert play(seeded).result == random.Random(7).randint(1, 100)


def test_outside_of_workflows_nothing_is_refused() -> None:
    assert time.time() > 0
    assert 0 <= random.random() < 1
    assert uuid.uuid4() != uuid.uuid4()
    thread = threading.Thread(target=lambda: None)
    thread.start()
    thread.join()
    assert subprocess.run(["true"], check=False).returncode == 0
    assert len(os.urandom(4)) == 4


# --- the wrappers ---------------------------------------------------------------------------------


@pytest.mark.parametrize("entry", FORBIDDEN, ids=lambda entry: entry.title)
def test_a_wrapper_looks_like_its_original(entry: Any) -> None:
    wrapper = getattr(entry.owner, entry.name)
    original = wrapper.__wrapped__

    assert wrapper.__name__ == original.__name__
    assert wrapper.__doc__ == original.__doc__
    try:
        signature = inspect.signature(original)
    except ValueError:
        return
    assert inspect.signature(wrapper) == signature


@pytest.mark.parametrize(
    "function", [time.time, os.urandom, random.randint, uuid.uuid4, secrets.token_hex]
)
def test_a_wrapper_is_pickled_by_its_name(function: Callable[..., object]) -> None:
    assert pickle.loads(pickle.dumps(function)) is function


def test_installing_twice_changes_nothing() -> None:
    before = [getattr(entry.owner, entry.name) for entry in FORBIDDEN]
    guards.install()

    assert [getattr(entry.owner, entry.name) for entry in FORBIDDEN] == before
    assert not any(hasattr(wrapper.__wrapped__, "__wrapped__") for wrapper in before)


def test_the_table_names_things_once() -> None:
    titles = [entry.title for entry in FORBIDDEN]

    assert len(titles) == len(set(titles))
    assert {entry.reach for entry in FORBIDDEN} == set(Reach)


def test_names_imported_earlier_are_covered(play: Play) -> None:
    module = types.ModuleType("orders.workflows")
    module.time = time.time.__wrapped__  # type: ignore[attr-defined]
    module.uuid4 = uuid.uuid4.__wrapped__  # type: ignore[attr-defined]
    module.randint = random.randint.__wrapped__  # type: ignore[attr-defined]
    module.wait_for = asyncio.wait_for.__wrapped__  # type: ignore[attr-defined]
    module.other = len  # type: ignore[attr-defined]
    guards.cover(module)

    assert module.time is time.time
    assert module.uuid4 is uuid.uuid4
    assert module.randint is random.randint
    assert module.wait_for is asyncio.wait_for
    assert module.other is len


def test_installing_covers_the_modules_of_known_workflows() -> None:
    script = (
        "import time, sys\n"
        "original = time.time\n"
        "from tests.replay.histories import workflows\n"
        "workflows.borrowed = original\n"
        "from aion_engine.replay import guards; guards.install()\n"
        "print(workflows.borrowed is time.time, time.time is original)\n"
    )

    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True, cwd=ROOT
    )

    assert done.stdout == "True False\n"


def test_the_cost_outside_of_workflows_is_tiny() -> None:
    import timeit

    def cost(function: Callable[[], object]) -> float:
        return min(timeit.repeat(function, number=20_000, repeat=7)) / 20_000

    added = cost(time.monotonic) - cost(time.monotonic.__wrapped__)  # type: ignore[attr-defined]

    assert added < 1e-6  # measured: 0.06 microseconds; the bound allows for a busy machine


def test_time_machine_still_travels() -> None:
    """It writes into C structs, and would crash the process if it met a wrapper instead."""
    script = (
        "from aion_engine.replay import guards; guards.install()\n"
        "import datetime as dt, time, time_machine\n"
        "with time_machine.travel(dt.datetime(2020, 1, 1, tzinfo=dt.UTC), tick=False):\n"
        "    print(int(time.time()))\n"
    )

    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=False, cwd=ROOT
    )

    assert done.stdout == "1577836800\n", done.stderr
