"""How large a payload may be: a size that warns and a size that is refused."""

from __future__ import annotations

import logging
from dataclasses import dataclass

from aion.core.errors import PayloadTooLarge

_logger = logging.getLogger("aion.payloads")

_KIBIBYTE = 1024
_MEBIBYTE = 1024 * _KIBIBYTE


@dataclass(frozen=True, slots=True)
class Limits:
    """Sizes in bytes of encoded JSON: above `warn` a log line, above `refuse` an error."""

    warn: int = 512 * _KIBIBYTE
    refuse: int = 2 * _MEBIBYTE

    def check(self, size: int, *, field: str) -> None:
        """Let a size pass, with a warning if it is large.

        Raises: PayloadTooLarge naming the field, the size and the limit.
        """
        if size <= self.warn and size <= self.refuse:
            return
        if size > self.refuse:
            raise PayloadTooLarge(
                f"{field}: {size:,} bytes of JSON, over the limit of {self.refuse:,}; "
                f"store the data elsewhere and pass its key",
                field=field,
                size=size,
                limit=self.refuse,
            )
        _logger.warning("%s: %d bytes of JSON; above %d it is refused", field, size, self.refuse)


_default = Limits()


def default_limits() -> Limits:
    """Give the limits that apply where a caller names none."""
    return _default


def set_default_limits(limits: Limits) -> None:
    """Set the limits that apply where a caller names none, for the whole process."""
    global _default  # noqa: PLW0603 (one value, set once when settings are read)
    _default = limits
