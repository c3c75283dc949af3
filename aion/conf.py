"""The settings: one `AION` dict in Django's settings, typed and with defaults."""

from __future__ import annotations

import dataclasses
import datetime as dt
import math
from collections.abc import Callable
from typing import Any, Self, TypeVar

from django.conf import settings as django_settings
from django.core.exceptions import ImproperlyConfigured
from django.core.signals import setting_changed
from django.utils.module_loading import import_string

from aion.core.errors import InvalidArgument
from aion.core.lengths import SUGGEST_BYTES, SUGGEST_EVENTS
from aion.core.retention import read_rules
from aion.core.search_attributes import check_kind, check_name

T = TypeVar("T")


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """Every key of the `AION` dict. Durations are seconds, sizes are bytes."""

    DATABASE: str = "default"  # the alias on which all of Aion's tables live
    TASK_QUEUE: str = "default"  # for runs and activities that name none
    DISPATCHER: str = "aion_engine.runtime.dispatch.CeleryDispatcher"  # hands activities over
    BELL: str = (
        "aion_engine.runtime.bells.PollingBell"  # tells loops and waiters that there is work
    )
    QUERIER: str = "aion_engine.runtime.queries.ReplayQuerier"  # answers queries
    ACCESS: str = "aion.access.PermissionAccess"  # says who may do what in admin and API
    REDIS_URL: str = ""  # for RedisBell
    TUNE_SESSION: bool = True  # False for poolers that share sessions between transactions
    TUNE_GC: bool = True  # let Python's garbage collector look more seldom in workers with a loop
    LEASE: float = 15.0  # a worker silent for so long is dead
    BATCH_RUNS: int = 200  # the most runs of one turn transaction
    BATCH_TIME: float = 0.05  # the most time of user code in one turn transaction
    YIELD_LIMIT: float = 2.0  # workflow code that does not yield for so long is interrupted
    POLL_INTERVAL: float = 1.0  # the longest sleep of an idle loop without a bell
    BELL_POLL_INTERVAL: float = 5.0  # the longest sleep of an idle loop with a bell
    CACHE_RUNS: int = 5_000  # live instances kept by a process
    CACHE_BYTES: int = 256 * 1024 * 1024  # history bytes behind these instances
    LOCAL_THREADS: int = 4  # threads for local activities in a loop
    ACTIVITY_THREADS: int = 8  # threads for activities in aion_worker
    TURN_LOOP: str = "auto"  # which Celery workers host a loop: auto, always, never
    LOOP_QUEUES: tuple[str, ...] = ()  # the task queues whose runs a loop takes; () means all
    DEFAULT_START_TO_CLOSE: float = 3600.0  # for activities that set no close timeout
    ACTIVITY_LIMITS: dict[str, dict[str, float]] = dataclasses.field(
        default_factory=dict
    )  # by task queue: concurrency, rate, concurrency_per_key, rate_per_key
    ACTIVITY_BUNDLE: int = 16  # the most attempts that one Celery message carries
    PENDING_ACTIVITY_LIMIT: int = 0  # activities of one run without an outcome; 0 is no limit
    OPEN_RUN_LIMITS: dict[str, int] = dataclasses.field(
        default_factory=dict
    )  # by workflow type: open runs at once
    REPUBLISH_AFTER: float = 10.0  # an unclaimed activity is published again after so long
    TICK_INTERVAL: float = 1.0  # how often beat ticks
    TICK_STALE_AFTER: float = 5.0  # a loop ticks itself when the last tick is older
    ON_NON_DETERMINISM: str = "hold"  # hold or fail
    HOLD_RETRY_FIRST: float = (
        10.0  # a held run is tried again after so long, then twice as long ...
    )
    HOLD_RETRY_LAST: float = 600.0  # ... up to this
    CRASH_LIMIT: int = 3  # a run in whose hands so many workers in a row died is parked
    HISTORY_SUGGEST_EVENTS: int = SUGGEST_EVENTS  # from here on a new run is advisable ...
    HISTORY_SUGGEST_BYTES: int = SUGGEST_BYTES  # ... or from here on
    HISTORY_MAX_EVENTS: int = 51_200  # a run beyond is failed
    HISTORY_MAX_BYTES: int = 50 * 1024 * 1024  # likewise
    UPDATES_IN_FLIGHT: int = 10  # updates of one run that are not answered yet
    UPDATES_TOTAL: int = 2_000  # updates that one run takes in its life
    INTERCEPTORS: tuple[str, ...] = ()  # classes or instances around calls, the first outermost
    PAYLOAD_WARN: int = 512 * 1024
    PAYLOAD_REFUSE: int = 2 * 1024 * 1024
    PAYLOAD_CODECS: tuple[str, ...] = ()  # codecs, or callables that give some, in their order
    PAYLOAD_DECODERS: tuple[str, ...] = ()  # those that are needed for old data only
    PAYLOAD_STORAGE: str = ""  # the alias in STORAGES for large payloads; "" keeps all in the rows
    PAYLOAD_STORE_ABOVE: int = 256 * 1024  # encoded payloads of more bytes go to the storage
    PAYLOAD_STORED_REFUSE: int = 64 * 1024 * 1024  # in place of PAYLOAD_REFUSE with a storage
    PAYLOAD_CACHE_BYTES: int = 32 * 1024 * 1024  # files of payloads kept by a process
    RETENTION: tuple[dict[str, Any], ...] = ({"days": 90},)  # the first rule that fits a closed run
    RETENTION_ARCHIVE: str = ""  # the alias in STORAGES where runs go before they are deleted
    PRUNE_INTERVAL: float = 600.0  # how often closed runs are looked through for old ones
    SEARCH_ATTRIBUTES: dict[str, str] = dataclasses.field(default_factory=dict)  # name: kind

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> Self:
        """Read the `AION` dict.

        Raises:
            ImproperlyConfigured: a key is unknown, or a value has the wrong type; the message names it.
        """
        problems = list(find_problems(values))
        if problems:
            raise ImproperlyConfigured(problems[0])
        return cls(**values)

    @property
    def lease(self) -> dt.timedelta:
        """`LEASE` as a duration."""
        return dt.timedelta(seconds=self.LEASE)


_MAY_BE_ZERO = frozenset({"PENDING_ACTIVITY_LIMIT"})
_CHOICES = {"TURN_LOOP": ("auto", "always", "never"), "ON_NON_DETERMINISM": ("hold", "fail")}


def find_problems(values: Any) -> list[str]:
    """Say everything that is wrong with an `AION` dict."""
    if not isinstance(values, dict):
        return [f"AION must be a dict, not {type(values).__name__}"]
    fields = {field.name: field for field in dataclasses.fields(Settings)}
    problems = [
        problem
        for key, value in values.items()
        if (problem := _problem(key, value, fields)) is not None
    ]
    return problems or _disagreements(
        {key: field.default for key, field in fields.items()} | values
    )


def _disagreements(values: dict[str, Any]) -> list[str]:
    """Say which settings do not go together."""
    return [
        f"AION['HISTORY_SUGGEST_{what}'] must be below AION['HISTORY_MAX_{what}']"
        for what in ("EVENTS", "BYTES")
        if values[f"HISTORY_SUGGEST_{what}"] >= values[f"HISTORY_MAX_{what}"]
    ]


def _problem(key: str, value: Any, fields: dict[str, Any]) -> str | None:
    field = fields.get(key)
    if field is None:
        return f"AION has no key {key!r}. Keys are: {', '.join(sorted(fields))}"
    if key in _READERS:
        return _READERS[key](value)
    default = field.default
    wanted: Any = (int, float) if isinstance(default, float) else type(default)
    if isinstance(default, tuple):
        wanted = (tuple, list)
    if isinstance(default, bool) and isinstance(value, bool):
        return None
    if not isinstance(value, wanted) or isinstance(value, bool):
        return f"AION[{key!r}] must be {type(default).__name__}, not {type(value).__name__}"
    off = key in _MAY_BE_ZERO and value == 0
    if isinstance(default, (int, float)) and not off and not 0 < value < math.inf:
        return f"AION[{key!r}] must be positive and finite, not {value}"
    if isinstance(default, tuple) and not all(isinstance(item, str) for item in value):
        return f"AION[{key!r}] must hold str only, not {value!r}"
    choices = _CHOICES.get(key)
    if choices and value not in choices:
        return f"AION[{key!r}] must be one of {', '.join(choices)}, not {value!r}"
    return None


def _attributes_problem(value: Any) -> str | None:
    if not isinstance(value, dict):
        return f"AION['SEARCH_ATTRIBUTES'] must be dict, not {type(value).__name__}"
    for name, kind in value.items():
        try:
            check_name(name)
            check_kind(kind)
        except InvalidArgument as error:
            return f"AION['SEARCH_ATTRIBUTES'][{name!r}]: {error.message}"
    return None


_LIMITS: dict[str, tuple[type, ...]] = {
    "concurrency": (int,),
    "concurrency_per_key": (int,),
    "rate": (int, float),
    "rate_per_key": (int, float),
}


def _limits_problem(value: Any) -> str | None:
    if not isinstance(value, dict):
        return f"AION['ACTIVITY_LIMITS'] must be dict, not {type(value).__name__}"
    for queue, limits in value.items():
        place = f"AION['ACTIVITY_LIMITS'][{queue!r}]"
        if not isinstance(queue, str) or not isinstance(limits, dict):
            return f"{place} must be a dict of limits by the name of a task queue"
        for name, limit in limits.items():
            kinds = _LIMITS.get(name)
            if kinds is None:
                return f"{place} has no limit {name!r}. Limits are: {', '.join(sorted(_LIMITS))}"
            fits = isinstance(limit, kinds) and not isinstance(limit, bool)
            if not fits or not 0 < float(limit) < math.inf:
                return f"{place}[{name!r}] must be a positive {kinds[-1].__name__}, not {limit!r}"
    return None


def _open_runs_problem(value: Any) -> str | None:
    if not isinstance(value, dict):
        return f"AION['OPEN_RUN_LIMITS'] must be dict, not {type(value).__name__}"
    for name, limit in value.items():
        if not isinstance(name, str):
            return f"AION['OPEN_RUN_LIMITS'] is by the names of workflow types, not {name!r}"
        if not isinstance(limit, int) or isinstance(limit, bool) or limit < 1:
            return f"AION['OPEN_RUN_LIMITS'][{name!r}] must be a positive int, not {limit!r}"
    return None


def _retention_problem(value: Any) -> str | None:
    try:
        read_rules(value)
    except InvalidArgument as error:
        return f"AION['RETENTION'] {error.message}"
    return None


_READERS: dict[str, Callable[[Any], str | None]] = {
    "SEARCH_ATTRIBUTES": _attributes_problem,
    "RETENTION": _retention_problem,
    "ACTIVITY_LIMITS": _limits_problem,
    "OPEN_RUN_LIMITS": _open_runs_problem,
}


_NAMES = tuple(field.name for field in dataclasses.fields(Settings))


class _Current:
    """The settings in force, read once and again when Django says that they changed.

    What was read lies in the instance's own attributes, where it is found at once: turns ask for it often.
    """

    def __init__(self) -> None:
        self._settings: Settings | None = None
        self._ports: dict[str, Any] = {}

    def __getattr__(self, name: str) -> Any:
        if self._settings is None:
            self._settings = read = Settings.from_dict(getattr(django_settings, "AION", {}))
            vars(self).update({each: getattr(read, each) for each in _NAMES})
        return getattr(self._settings, name)

    def port(self, name: str) -> Any:
        """Give the object behind a dotted path in the settings; made once for each process.

        Raises:
            ImproperlyConfigured: the path cannot be imported.
        """
        if name not in self._ports:
            path = getattr(self, name)
            try:
                self._ports[name] = import_string(path)()
            except ImportError as error:
                raise ImproperlyConfigured(f"AION[{name!r}] = {path!r}: {error}") from error
        return self._ports[name]

    def made(self, name: str, make: Callable[[], T]) -> T:
        """Give what a function makes of the settings; made once for each process."""
        if name not in self._ports:
            self._ports[name] = make()
        found: T = self._ports[name]
        return found

    def reset(self, *, setting: str = "AION", **_: Any) -> None:
        """Forget what was read."""
        if setting == "AION":
            self._settings = None
            self._ports.clear()
            for each in _NAMES:
                vars(self).pop(each, None)


settings = _Current()
setting_changed.connect(settings.reset)
