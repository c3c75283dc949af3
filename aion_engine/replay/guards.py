"""Guards that keep workflow code from the clock, from chance, threads, sockets and processes.

Theory of operation
-------------------
There is no sandbox: workflow modules are ordinary modules. Instead `install` puts a wrapper around each
function of the standard library that replay cannot repeat. A wrapper asks one context variable, "is
workflow code running here?", and otherwise just calls the original.

Inside of a workflow two rules hold:

* *clock and chance* are refused to the user's code and its libraries, but not to the standard library
  and Aion, which use them for their own ends: a log record takes the time. A function given to
  `workflow.side_effect` may use them too, because its value is recorded;
* *threads, sockets and processes* are refused whoever asks.

What is no act of the workflow is let through by both rules: writing a log record (handlers send them
through sockets), importing a module (it may start threads), and what the garbage collector calls wherever
it happens to run.

What cannot be wrapped is found in other ways: `datetime.now` by reading the code (`aion.authoring.purity`),
functions bound by `from time import time` by rebinding them (`cover`), database connections by the runtime.
"""

from __future__ import annotations

import functools
import gc
import importlib.util
import sys
from collections.abc import Callable
from types import FrameType, ModuleType
from typing import Any, Final

from aion.authoring.context import current_workflow
from aion.authoring.registry import registry
from aion.core.errors import ForbiddenInWorkflow
from aion_engine.replay import asyncio_functions
from aion_engine.replay.forbidden import FORBIDDEN, Forbidden, Reach
from aion_engine.replay.user_code import ENGINE, is_users, outwards, package_of, place_of

_NOT_ACTS_OF_THE_WORKFLOW: Final = {"logging", "importlib"}

_wrappers: dict[int, Any] = {}
"""The wrapper of each original, by the original's id; `__wrapped__` keeps the original alive."""


def install() -> None:
    """Guard this process, and cover the modules of the workflows known so far.

    Modules that are imported later find the wrappers in place. Calling it again does nothing.
    """
    if _wrappers:
        return
    _let_time_machine_be_first()
    for entry in FORBIDDEN:
        owner = entry.owner
        original = getattr(owner, entry.name)
        _put(owner, entry.name, original, _guarded(entry, original))
    for owner, name, make in asyncio_functions.SHADOWS:
        original = getattr(owner, name)
        _put(owner, name, original, _wrappers.get(id(original)) or make(original))
    for definition in registry.workflows.values():
        module = sys.modules.get(definition.target.__module__)
        if module is not None:
            cover(module)


def cover(module: ModuleType) -> None:
    """Rebind the names of a module that were imported before `install`, as by `from time import time`."""
    for name, value in list(vars(module).items()):
        wrapper = _wrappers.get(id(value))
        if wrapper is not None:
            setattr(module, name, wrapper)


def _put(owner: Any, name: str, original: Any, wrapper: Any) -> None:
    setattr(owner, name, wrapper)
    _wrappers[id(original)] = wrapper


def _let_time_machine_be_first() -> None:
    """Import the time-machine package, where it is installed, before there are wrappers.

    It replaces clock functions by writing into the C structs behind them, and takes for granted that it
    finds such structs: imported after us it would write into a Python function and crash the process.
    """
    if importlib.util.find_spec("time_machine") is not None:
        module = importlib.import_module("_time_machine")
        getattr(module, "patch_if_needed", bool)()  # before 2.16 it looked only when it was used


def _guarded(entry: Forbidden, original: Callable[..., Any]) -> Callable[..., Any]:
    running = current_workflow.get

    @functools.wraps(original)
    def guard(*args: Any, **kwargs: Any) -> Any:
        if running() is not None:
            _check(entry, sys._getframe(1))
        return original(*args, **kwargs)

    # The module through which everybody knows it: what pickle looks up, and what it must find.
    guard.__module__ = entry.module
    guard.__qualname__ = entry.qualname
    return guard


def _check(entry: Forbidden, caller: FrameType) -> None:
    if entry.reach is Reach.USERS and (not is_users(caller) or _taking_value()):
        return
    for frame in outwards(caller):
        if _is_no_act(frame):
            return
        if package_of(frame) == ENGINE:
            break
    where = place_of(caller)
    raise ForbiddenInWorkflow(
        f"Workflow code used {entry.title} at {where or 'an unknown place'}: {entry.why}. "
        f"Use {entry.instead} instead",
        used=entry.title,
        where=where,
        instead=entry.instead,
    )


def _is_no_act(frame: FrameType) -> bool:
    """Tell whether the frame was not called because the workflow wanted something."""
    code = frame.f_code
    return (
        package_of(frame) in _NOT_ACTS_OF_THE_WORKFLOW
        or code.co_name == "__del__"
        or any(getattr(callback, "__code__", None) is code for callback in gc.callbacks)
    )


def _taking_value() -> bool:
    """Tell whether a function given to `side_effect` runs: its value is recorded, so it may be chance."""
    return bool(getattr(current_workflow.get(), "taking_value", False))
