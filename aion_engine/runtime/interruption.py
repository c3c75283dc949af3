"""Stops the function of an attempt by an exception, in whatever line its thread is.

Theory of operation
-------------------
CPython can be asked to raise an exception in another thread. It does so where that thread next looks: where a
function begins, behind a call, at the end of a loop's body; not inside of C code that waits. The rules here:

* at most one `Interrupted` is raised for an attempt, so that code that cleans up is not disturbed again;
* it is asked for under the lock, only while the function runs and is not shielded. Whoever leaves the
  function or begins a shield takes the lock, and withdraws what was asked for and has not arrived;
* that it has arrived is known because the exception is made in the thread where it is raised. `_inside` tells
  which attempt that is.

So nothing is ever raised in the engine's own code around the function, but for the few instructions in which
it leaves: there the arrived exception is dropped, and the function's result counts.
"""

from __future__ import annotations

import ctypes
import threading
from collections.abc import Callable
from threading import get_ident
from types import TracebackType
from typing import Any, Final

from aion.core.errors import CancelledError

_SYMBOL: Final = ("PyThreadState_SetAsyncExc", ctypes.pythonapi)
_raise_in = ctypes.PYFUNCTYPE(ctypes.c_int, ctypes.c_ulong, ctypes.py_object)(_SYMBOL)
_withdraw = ctypes.PYFUNCTYPE(ctypes.c_int, ctypes.c_ulong, ctypes.c_void_p)(_SYMBOL)

_inside: Final[dict[int, Interruption]] = {}  # by thread


class Interrupted(CancelledError):
    """Raised in a function that should stop; its text is the reason."""

    def __init__(self) -> None:
        here = _inside.get(get_ident())
        super().__init__(*([here.arrived()] if here is not None else []))


class Interruption:
    """The way to stop the function of one attempt."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._thread: int | None = None  # while the function runs
        self._shields = 0
        self._reason: str | None = None
        self._sent = False
        self._arrived = False

    def ask(self, reason: str) -> None:
        """Stop the function now, or when its shield ends. Safe from any thread; once is enough."""
        with self._lock:
            if self._reason is None:
                self._reason = reason
            if self._thread is not None and not self._shields and not self._sent:
                self._sent = _raise_in(self._thread, Interrupted) == 1

    @property
    def has_arrived(self) -> bool:
        """Whether the function was interrupted, whatever it has made of it."""
        return self._arrived

    def arrived(self) -> str:
        """Note that the exception was raised; gives the reason."""
        self._sent = self._arrived = True
        return self._reason or ""

    def run(self, function: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Any:
        """Call a function in this thread, and let it be interrupted."""
        ended = False
        result = None
        try:
            self._enter()
            result = function(*args, **kwargs)
            ended = True
            self._leave()
        except Interrupted:
            self._leave()
            if not ended:
                raise
        except BaseException:
            self._leave()
            raise
        finally:
            _inside.pop(get_ident(), None)
        return result

    def _enter(self) -> None:
        _inside[get_ident()] = self
        with self._lock:
            self._thread = get_ident()
            stopped = self._reason is not None
        if stopped:
            raise Interrupted

    def _leave(self) -> None:
        with self._lock:
            self._take_back()
            self._thread = None

    def _take_back(self) -> None:
        if self._sent and not self._arrived:
            _withdraw(get_ident(), None)
            self._sent = False

    def __enter__(self) -> None:
        """Begin a shield: what asks to stop is kept until it ends. In the function's own thread only."""
        with self._lock:
            self._take_back()
            self._shields += 1

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """End a shield; raise what was kept, unless the block says by its own error that it stops."""
        with self._lock:
            self._shields -= 1
            due = not self._shields and self._reason is not None and self._thread is not None
            if not due or self._sent:
                return
            self._sent = True
        if not isinstance(error, CancelledError):
            raise Interrupted from error
