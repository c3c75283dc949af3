"""When a failed attempt is tried again: the policy users write, and the delay it gives.

Theory of operation
-------------------
Attempts count from 1. After attempt n the wait is `initial_interval * backoff_coefficient**(n-1)`,
never above `maximum_interval`. Jitter only shortens the wait, by up to its fraction, so that the
maximum is a true maximum; it comes from a hash of a seed that the caller gives (the activity's id,
say), because pure code draws no random numbers and two processes must agree.

What the failure says outranks the policy: `non_retryable` ends it, `next_retry_delay` replaces the
computed wait. It never buys attempts beyond `maximum_attempts`.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Iterable, Mapping
from datetime import timedelta
from typing import TYPE_CHECKING, Any, TypeGuard

import msgspec

from aion.core.failures import Failure

_DEFAULT_MAXIMUM_FACTOR = 100
# An upper bound for every wait, well inside what timedelta and database intervals can hold.
_LONGEST = timedelta(days=36_500)
_JITTER_BYTES = 8


if TYPE_CHECKING:
    FailureTypes = tuple[str | type[BaseException], ...]
else:
    # What is kept and stored is names; only a caller may write classes.
    FailureTypes = tuple[str, ...]


class RetryPolicy(msgspec.Struct, frozen=True, kw_only=True):
    """How often, and after which waits, a failed attempt is tried again.

    `maximum_interval` None means 100 times the initial one; `maximum_attempts` 0 means without
    end. `non_retryable` names the failure types that end at once: exception classes, which stand
    for their own name only and not for their subclasses, or names as strings; it reads back as
    names. `jitter` is the fraction by which a wait may be shortened.

    Stored in full, without leaving out defaults, so that a stored policy keeps its meaning when a
    default changes.

    Raises: ValueError naming the field whose value cannot work.
    """

    initial_interval: timedelta = timedelta(seconds=1)
    backoff_coefficient: float = 2.0
    maximum_interval: timedelta | None = None
    maximum_attempts: int = 20
    non_retryable: FailureTypes = ()
    jitter: float = 0.1

    def __post_init__(self) -> None:
        _check_interval("initial_interval", self.initial_interval)
        _check_number("backoff_coefficient", self.backoff_coefficient, least=1.0)
        if self.maximum_interval is not None:
            _check_interval("maximum_interval", self.maximum_interval)
            if self.maximum_interval < self.initial_interval:
                raise ValueError("maximum_interval must not be shorter than initial_interval")
        _check_count("maximum_attempts", self.maximum_attempts)
        _check_number("jitter", self.jitter, least=0.0, most=1.0)
        if self.non_retryable != ():
            names = _type_names(self.non_retryable)
            msgspec.structs.force_setattr(self, "non_retryable", names)

    @property
    def longest_interval(self) -> timedelta:
        """The wait that no retry exceeds, with the default for `maximum_interval` filled in."""
        if self.maximum_interval is not None:
            return self.maximum_interval
        # Compared before multiplying: a hundred times a huge interval overflows timedelta.
        if self.initial_interval > _LONGEST / _DEFAULT_MAXIMUM_FACTOR:
            return _LONGEST
        return self.initial_interval * _DEFAULT_MAXIMUM_FACTOR

    def to_json(self) -> dict[str, Any]:
        """Give the policy as JSON values; intervals are ISO 8601 durations."""
        stored: dict[str, Any] = msgspec.to_builtins(self)
        # Nothing and no names are what their absence means, in every version.
        present = {name: value for name, value in stored.items() if value not in (None, ())}
        if "non_retryable" in present:
            present["non_retryable"] = list(present["non_retryable"])
        return present

    @classmethod
    def from_json(cls, stored: Mapping[str, Any]) -> RetryPolicy:
        """Read what `to_json` gave, of this or another version: unknown keys are ignored.

        Raises: ValueError naming the field that cannot be read.
        """
        return msgspec.convert(stored, cls)


def next_delay(
    policy: RetryPolicy, *, attempt: int, failure: Failure, seed: str
) -> timedelta | None:
    """Say how long to wait after a failed attempt, or None when there is to be no other.

    Shapes: attempt: the number of the attempt that failed, from 1; seed: anything stable that
            differs between activities, so that they do not all come back at once.
    """
    if failure.non_retryable or failure.type in policy.non_retryable:
        return None
    if 0 < policy.maximum_attempts <= attempt:
        return None
    if failure.next_retry_delay is not None:
        return _asked_for(failure.next_retry_delay)
    nominal = _backoff(policy, attempt)
    return nominal * (1.0 - policy.jitter * _fraction(seed, attempt))


def _backoff(policy: RetryPolicy, attempt: int) -> timedelta:
    first, longest = policy.initial_interval, policy.longest_interval
    if policy.backoff_coefficient == 1.0 or first >= longest:
        return min(first, longest)
    # Decided in logarithms: the power itself overflows a float after a thousand doublings.
    steps_to_longest = math.log(longest / first) / math.log(policy.backoff_coefficient)
    if attempt - 1 >= steps_to_longest:
        return longest
    return min(first * policy.backoff_coefficient ** max(attempt - 1, 0), longest)


def _asked_for(seconds: float) -> timedelta:
    """Bound the delay that an error asked for; it came as data and may be anything."""
    if not seconds > 0:
        return timedelta(0)
    return timedelta(seconds=min(seconds, _LONGEST.total_seconds()))


def _fraction(seed: str, attempt: int) -> float:
    """Give the number in [0, 1) that belongs to this seed and attempt in every process."""
    text = f"{seed}:{attempt}".encode("utf-8", "backslashreplace")
    digest = hashlib.blake2b(text, digest_size=_JITTER_BYTES).digest()
    # 53 bits are what a float holds exactly; more would round up to 1.0.
    return (int.from_bytes(digest, "big") >> 11) / 2**53


def _check_interval(name: str, value: object) -> None:
    if not isinstance(value, timedelta):
        raise ValueError(f"{name} must be a timedelta, not {value!r}")  # noqa: TRY004
    if not timedelta(0) < value <= _LONGEST:
        raise ValueError(f"{name} must be above zero and at most a hundred years, not {value!r}")


def _check_count(name: str, value: object) -> None:
    if not isinstance(value, int) or isinstance(value, bool) or value < 0:
        raise ValueError(f"{name} must be an integer of 0 or more, not {value!r}")


def _check_number(name: str, value: object, *, least: float, most: float = math.inf) -> None:
    if _is_number(value) and math.isfinite(value) and least <= value <= most:
        return
    bound = f"of at least {least:g}" if math.isinf(most) else f"from {least:g} to {most:g}"
    raise ValueError(f"{name} must be a number {bound}, not {value!r}")


def _is_number(value: object) -> TypeGuard[float]:
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def _type_names(types: object) -> tuple[str, ...]:
    # A lone string is iterable too, and would become a list of letters.
    if isinstance(types, (str, type)) or not isinstance(types, Iterable):
        raise ValueError(f"non_retryable must be a tuple of exception types, not {types!r}")  # noqa: TRY004
    return tuple(_type_name(each) for each in types)


def _type_name(each: object) -> str:
    if isinstance(each, str) and each:
        return each
    if isinstance(each, type) and issubclass(each, BaseException):
        return each.__name__
    raise ValueError(f"non_retryable takes exception classes or their names, not {each!r}")
