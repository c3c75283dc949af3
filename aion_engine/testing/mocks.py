"""Activities that a test replaces, by function or by name."""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import Callable
from typing import Any
from unittest.mock import Mock

from aion.authoring.activity_definition import Activity
from aion.authoring.options import ActivityOptions
from aion.authoring.registry import registry
from aion.core.errors import InvalidArgument


class MockedActivities:
    """Stand-ins in the registry, where workers look an activity up; `restore` takes them away."""

    def __init__(self) -> None:
        self._originals: dict[str, Activity[Any, Any] | None] = {}

    def add(self, target: Activity[Any, Any] | str, stand_in: Callable[..., Any]) -> None:
        """Let a function be run in place of an activity's. Arguments are decoded by the activity's signature.

        Raises:
            InvalidArgument: the target is neither an activity nor a name.
        """
        name = _name(target)
        original = registry.activities.get(name)
        self._originals.setdefault(name, original)
        if original is None:
            registry.activities[name] = Activity(
                _anything(stand_in), name=name, options=ActivityOptions()
            )
            return
        replaced = original.with_options()
        replaced.function = _calling(stand_in)
        replaced.is_async = False
        registry.activities[name] = replaced

    def restore(self) -> None:
        """Put the activities back."""
        for name, original in self._originals.items():
            if original is None:
                registry.activities.pop(name, None)
            else:
                registry.activities[name] = original
        self._originals.clear()


def _name(target: Any) -> str:
    if isinstance(target, Activity):
        return target.name
    if isinstance(target, str) and target:
        return target
    raise InvalidArgument(
        f"An activity is mocked by its function or by its name, not by {target!r}", field="activity"
    )


def _calling(stand_in: Callable[..., Any]) -> Callable[..., Any]:
    def call(*args: Any, **kwargs: Any) -> Any:
        result = stand_in(*args, **kwargs)
        return asyncio.run(_awaited(result)) if inspect.isawaitable(result) else result

    return call


def _anything(stand_in: Callable[..., Any]) -> Callable[..., Any]:
    """Give a function whose signature takes whatever comes, as a Mock's does not say that it does."""

    def call(*args: Any, **kwargs: Any) -> Any:
        return _calling(stand_in)(*args, **kwargs)

    return call


async def _awaited(value: Any) -> Any:
    return await value


def make_mock(name: str, returns: Any, side_effect: Any) -> Mock:
    """Make the mock that counts the calls."""
    return Mock(name=name, return_value=returns, side_effect=side_effect)
