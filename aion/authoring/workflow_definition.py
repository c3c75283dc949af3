"""What `workflow.defn` makes of a class or a function: a definition, with everything wrong with it."""

from __future__ import annotations

import hashlib
import importlib.util
import inspect
from collections.abc import Callable, Iterator
from functools import cached_property
from typing import Any, Final

from aion.authoring.handler_definition import Handler
from aion.authoring.handler_descriptions import HandlerDescription, describe
from aion.authoring.purity import impure_calls
from aion.core.retry import RetryPolicy
from aion.core.signatures import CallSignature

RUN_MARK: Final = "__aion_run__"
INIT_MARK: Final = "__aion_init__"
SIGNAL_MARK: Final = "__aion_signal__"
QUERY_MARK: Final = "__aion_query__"
UPDATE_MARK: Final = "__aion_update__"
DEFINITION_MARK: Final = "__aion_workflow__"
_METHOD_MARKS: Final = (RUN_MARK, SIGNAL_MARK, QUERY_MARK, UPDATE_MARK)


class WorkflowDefinition:
    """A workflow type: how to build it, run it, and whom its messages go to.

    `problems` lists what is wrong with the definition, as sentences for the system checks; a definition
    with problems refuses to start.
    """

    def __init__(
        self,
        target: type | Callable[..., Any],
        *,
        name: str,
        hold_on: tuple[type[BaseException], ...] = (),
        retry: RetryPolicy | None = None,
        on_non_determinism: str | None = None,
    ) -> None:
        self.name = name
        self.target = target
        self.hold_on = hold_on
        self.retry = retry
        self.on_non_determinism = on_non_determinism
        self.origin = f"{target.__module__}.{target.__qualname__}"
        self.is_class = isinstance(target, type)
        self.signals: dict[str, Handler] = {}
        self.queries: dict[str, Handler] = {}
        self.updates: dict[str, Handler] = {}
        self.problems: list[str] = []
        self.init_takes_input = False
        self.is_plain = False  # whether the run method is a plain `def`, run on a greenlet
        self.run: Callable[..., Any] = _missing_run
        if isinstance(target, type):
            self._read_class(target)
        else:
            self._read_function(target)
        self.signature = CallSignature.of(self.run, skip_self=self.is_class)
        if on_non_determinism not in (None, "hold", "fail"):
            self.problems.append(
                f"has on_non_determinism={on_non_determinism!r}; it is 'hold' or 'fail'"
            )
        if "<locals>" in target.__qualname__:
            self.problems.append("is defined inside a function; move it to module level")

    def __repr__(self) -> str:
        return f"<workflow {self.name} from {self.origin}>"

    def _read_function(self, function: Callable[..., Any]) -> None:
        self.run = function
        self._check_run()

    def _read_class(self, cls: type) -> None:
        runs: list[Callable[..., Any]] = []
        for owner, attribute, function in _functions(cls):
            if getattr(function, RUN_MARK, False):
                runs.append(function)
            elif _hides_a_mark(owner, attribute, function):
                self.problems.append(f"overrides {attribute}() without repeating its decorator")
            self._add_handler(self.signals, "signal", SIGNAL_MARK, function)
            self._add_handler(self.queries, "query", QUERY_MARK, function)
            self._add_handler(self.updates, "update", UPDATE_MARK, function)
        self._take_run(runs)
        self._check_init(cls)

    def _take_run(self, runs: list[Callable[..., Any]]) -> None:
        if not runs:
            self.problems.append("has no method decorated with @workflow.run")
            return
        self.run = runs[0]
        if len(runs) > 1:
            names = ", ".join(run.__name__ for run in runs)
            self.problems.append(f"has {len(runs)} methods decorated with @workflow.run: {names}")
        self._check_run()

    def _check_run(self) -> None:
        self.is_plain = not inspect.iscoroutinefunction(self.run)
        if inspect.isgeneratorfunction(self.run) or inspect.isasyncgenfunction(self.run):
            self.problems.append(f"{self.run.__name__}() yields; a workflow returns its result")
        elif self.is_plain and importlib.util.find_spec("greenlet") is None:
            self.problems.append(
                f"{self.run.__name__}() is a plain `def`, which needs greenlet: make it `async def`, or "
                "pip install django-aion[plain]"
            )

    def _add_handler(
        self, table: dict[str, Handler], what: str, mark: str, function: Callable[..., Any]
    ) -> None:
        name = getattr(function, mark, None)
        if name is None:
            return
        if name in table:
            called = f"named {name!r}" if name else "that are dynamic"
            self.problems.append(f"has two {what} handlers {called}")
            return
        handler = table[name] = Handler(name, function)
        problem = handler.validator_problem() if what == "update" else None
        if problem is not None:
            self.problems.append(problem)
        if what == "query" and inspect.iscoroutinefunction(function):
            self.problems.append(
                f"query {name!r} is async; queries only read, make it a plain `def`"
            )

    def _check_init(self, cls: type) -> None:
        init = vars(cls).get("__init__") or getattr(cls, "__init__", None)
        if init is None or init is object.__init__:
            return
        self.init_takes_input = bool(getattr(init, INIT_MARK, False))
        parameters = list(inspect.signature(init).parameters.values())[1:]
        if self.init_takes_input:
            wanted = list(inspect.signature(self.run).parameters.values())[1:]
            if [p.name for p in parameters] != [p.name for p in wanted]:
                self.problems.append(
                    "@workflow.init must take the same parameters as @workflow.run"
                )
        elif any(p.default is p.empty and p.kind not in (2, 4) for p in parameters):
            self.problems.append(
                "__init__ takes arguments but is not decorated with @workflow.init, which passes the input"
            )

    def describe_handlers(self) -> tuple[HandlerDescription, ...]:
        """Describe signals, queries and updates, in the order of their names: for forms and documents."""
        tables = (("signal", self.signals), ("query", self.queries), ("update", self.updates))
        return tuple(
            describe(kind, table[name]) for kind, table in tables for name in sorted(table)
        )

    @cached_property
    def impurities(self) -> list[str]:
        """Name the calls in the code that read the wall clock, as `file:line: what, instead`."""
        functions = _code_of(self.target) if isinstance(self.target, type) else [self.run]
        return [found for function in functions for found in impure_calls(function)]

    @cached_property
    def definition_hash(self) -> str:
        """Give a short hash of the source, to tell which code a run was started on."""
        try:
            source = inspect.getsource(self.target)
        except (OSError, TypeError):
            source = self.origin
        return hashlib.sha256(source.encode()).hexdigest()[:16]


async def _missing_run(*_: Any) -> None:  # stands in for a coroutine function
    raise AssertionError("a definition without @workflow.run refuses to start")


def _functions(cls: type) -> Iterator[tuple[type, str, Callable[..., Any]]]:
    """Yield each method of a class once, the most derived first."""
    seen: set[str] = set()
    for owner in cls.__mro__[:-1]:
        for attribute, value in vars(owner).items():
            if attribute not in seen and inspect.isfunction(value):
                seen.add(attribute)
                yield owner, attribute, value


def _hides_a_mark(owner: type, attribute: str, function: Callable[..., Any]) -> bool:
    """Tell whether an undecorated method replaces a decorated one of a base class."""
    if any(hasattr(function, mark) for mark in _METHOD_MARKS):
        return False
    replaced = (vars(base).get(attribute) for base in owner.__mro__[1:])
    return any(hasattr(each, mark) for each in replaced for mark in _METHOD_MARKS)


def _code_of(cls: type) -> Iterator[Callable[..., Any]]:
    """Yield every function a class is made of: methods, static and class methods, properties."""
    for owner in cls.__mro__[:-1]:
        for value in vars(owner).values():
            inner = getattr(value, "__func__", None) or getattr(value, "fget", None) or value
            if inspect.isfunction(inner):
                yield inner


def definition_of(target: object) -> WorkflowDefinition | None:
    """Find the definition behind a decorated class or function."""
    found = vars(target).get(DEFINITION_MARK) if hasattr(target, "__dict__") else None
    return found if isinstance(found, WorkflowDefinition) else None
