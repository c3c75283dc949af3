"""Interrupts workflow code that does not yield.

Theory of operation
-------------------
A turn runs the code of many runs in one thread, one after the other, inside of a transaction. A loop
without an await would stop them all. So a second thread looks at the clock; when a watched block has run
for longer than the limit it makes CPython raise a private exception in the watched thread, and again every
0.1 seconds for code that swallows it. Whatever became of the exception (asyncio keeps what a task raises
in the task), leaving the block then raises `WorkflowInterrupted`.

The exception must never be raised outside of the block. CPython raises it where the thread next looks for
such requests: where a function begins, behind a call, at the end of a loop's body, behind a `yield`. So:

* the block is armed by the last statement of `__enter__`, behind which it does not look;
* `__exit__` must not be a Python function, for it would look where that begins, in front of any `try`.
  It is C code that resumes a generator, whose `yield` stands in a `try` (see `_Block`);
* once the generator has set `_leaving` the dog begins nothing new. It may be about to raise once more,
  and holds the lock then. Who has taken the lock after that, and withdrawn what was not raised yet,
  knows that nothing will come. The one exception that may come in between is the outer `try`'s.

On a machine with too little processor for all, neither thread gets any for seconds. The dog looks some times
within the limit, sees how late it comes, and does not count that time: five runs were held once for it.

What interruption cannot do: stop C code that holds on to the thread. And it may skip a `finally` of
Aion's own, so asyncio's idea of the running loop is restored here; the instance must be dropped.
"""

from __future__ import annotations

import ctypes
import os
import sys
import threading
import weakref
from asyncio.events import _get_running_loop, _set_running_loop
from collections.abc import Iterator
from contextlib import AbstractContextManager, nullcontext
from functools import partial
from threading import get_ident
from time import monotonic
from typing import Any, Final, NoReturn, cast

from aion.core.errors import WorkflowInterrupted
from aion_engine.replay.user_code import place_of

_LOOKS: Final = (
    8  # in the time that a block has; the more, the better is known who had no processor
)
_AGAIN: Final = 0.1  # seconds between two exceptions for code that swallows them

_NOT_WATCHED: Final = nullcontext()

_SYMBOL: Final = ("PyThreadState_SetAsyncExc", ctypes.pythonapi)
_raise_in = ctypes.PYFUNCTYPE(ctypes.c_int, ctypes.c_ulong, ctypes.py_object)(_SYMBOL)
_withdraw = ctypes.PYFUNCTYPE(ctypes.c_int, ctypes.c_ulong, ctypes.c_void_p)(_SYMBOL)

_forks = 0
"""How often this process was forked off; asking for the process id would be a system call."""


def _count_fork() -> None:
    global _forks  # noqa: PLW0603  # what a process is cannot be handed to it
    _forks += 1


os.register_at_fork(after_in_child=_count_fork)


class _Interruption(BaseException):
    """Leaves workflow code that does not yield. Never seen outside of a watched block."""


class Watchdog:
    """Watches one thread at a time, each block for at most `limit` seconds; 0 means no limit.

    A daemon thread starts with the first block, and ends some time after the watchdog is dropped.
    """

    def __init__(self, limit_seconds: float) -> None:
        self.limit = limit_seconds
        self._process = -1  # whose thread looks at the clock: a forked child needs its own
        self._lock = threading.Lock()
        self._block: _Block
        self._armed = False
        # About the block being watched:
        self._label = ""
        self._thread_id = 0
        self._since = 0.0
        self._outer_loop: Any = None
        self._leaving = False
        self._interrupted = False
        self._place: str | None = None

    def watch(self, label: str) -> AbstractContextManager[None]:
        """Interrupt the code in the `with` block when it runs for too long; inner blocks add nothing.

        The block should be one call: Python 3.11 may overlook the `with` of a function whose own loop,
        inside of a `try`, is interrupted.

        Raises:
            WorkflowInterrupted: on leaving the block, naming label, limit and where the code was.
            RuntimeError: it is watching another thread.
        """
        if self.limit <= 0:
            return _NOT_WATCHED
        if self._process != _forks:
            self._start()
        thread_id = get_ident()
        if self._armed:
            if self._thread_id != thread_id:
                raise RuntimeError("A watchdog watches one thread at a time")
            return _NOT_WATCHED
        self._label = label
        self._thread_id = thread_id
        self._outer_loop = _get_running_loop()
        self._leaving = False
        self._since = monotonic()
        return cast("AbstractContextManager[None]", self._block)

    def _start(self) -> None:
        self._process = _forks
        self._armed = False
        self._lock = threading.Lock()  # the parent's may have been held at the fork
        self._block = _Block(self)
        self._interrupted = False
        threading.Thread(
            target=_patrol, args=(weakref.ref(self),), name="aion-watchdog", daemon=True
        ).start()

    def _look(self, late: float = 0.0) -> float:
        """Interrupt what is overdue; give the seconds after which to look again.

        Where this thread came `late`, for want of a processor, the watched one had none either: that is not
        its fault, and does not count.
        """
        often = self.limit / _LOOKS
        with self._lock:
            if not self._armed or self._leaving:
                return often
            now = monotonic()
            if late > often:
                self._since = min(self._since + late, now)
            left = self._since + self.limit - now
            if left > 0:
                return min(left, often)
            if not self._interrupted:
                self._place = place_of(sys._current_frames().get(self._thread_id))
                self._interrupted = True
            _raise_in(self._thread_id, _Interruption)
        return _AGAIN

    def _guard(self) -> Iterator[bool]:
        """Guard one block after the other: the `yield` inside of the `try` is where a block runs."""
        while True:
            try:
                try:
                    yield False
                    self._leaving = True
                    self._disarm()
                except _Interruption:
                    self._leaving = True
                    self._disarm()
            except _Interruption:
                self._disarm()
            if self._interrupted:
                self._surface()
            yield False  # the answers to the other three questions of `_Block`
            yield False
            yield False

    def _disarm(self) -> None:
        with self._lock:
            self._armed = False
            if self._interrupted:
                _withdraw(self._thread_id, None)

    def _surface(self) -> NoReturn:
        """Say that the block was interrupted, whatever its code made of it."""
        _set_running_loop(self._outer_loop)
        place, self._place = self._place, None
        self._interrupted = False
        self._block = _Block(self)
        raise WorkflowInterrupted(
            f"The code of {self._label} did not yield within {self.limit:g} seconds and was "
            f"interrupted at {place or 'an unknown place'}",
            label=self._label,
            limit=self.limit,
            where=place,
        ) from None


class _Block:
    """The context manager of a watchdog. `__exit__` is a slot, which holds an object of its own.

    That is `min(False, type, value, traceback, key=send)`: C code that resumes the generator once for
    each of the four, and gives the first. So an exception of the block, False, goes its way.
    """

    __slots__ = ("__exit__", "_dog")

    def __init__(self, dog: Watchdog) -> None:
        generator: Any = dog._guard()
        next(generator)
        self._dog = dog
        self.__exit__ = partial(min, False, key=generator.send)

    def __enter__(self) -> None:
        self._dog._armed = True


def _patrol(reference: weakref.ref[Watchdog]) -> None:
    process = _forks
    pause = threading.Event()
    late = 0.0
    while True:
        dog = reference()
        if dog is None or dog._process != process:
            return
        seconds = dog._look(late)
        del dog
        until = monotonic() + seconds
        pause.wait(seconds)
        late = monotonic() - until
