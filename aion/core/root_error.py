"""The root of every error that Aion raises on purpose."""

from __future__ import annotations

from typing import Any, ClassVar


class AionError(Exception):
    """The root of every error that Aion raises on purpose."""

    code: ClassVar[str] = "aion_error"

    def __init__(self, message: str, **context: Any) -> None:
        super().__init__(message)
        self.message = message
        self.context = context
        for name, value in context.items():
            setattr(self, name, value)

    def __reduce__(self) -> tuple[Any, ...]:
        return _rebuild, (type(self), self.args, self.__dict__)


def _rebuild(cls: type[AionError], args: tuple[Any, ...], state: dict[str, Any]) -> AionError:
    """Unpickle an error without calling its `__init__`, whose signature differs by class."""
    error = cls.__new__(cls, *args)
    error.args = args
    error.__dict__.update(state)
    return error
