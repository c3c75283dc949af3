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
    """Sizes in bytes of encoded JSON: above `warn` a log line, above `refuse` an error.

    `in_row` refuses what always lies in a row, where other payloads may lie in a storage.
    """

    warn: int = 512 * _KIBIBYTE
    refuse: int = 2 * _MEBIBYTE
    in_row: int = 2 * _MEBIBYTE

    def check(self, size: int, *, field: str) -> None:
        """Let a size pass, with a warning if it is large.

        Raises: PayloadTooLarge naming the field, the size and the limit.
        """
        if size <= self.warn and size <= self.refuse:
            return
        if size > self.refuse:
            raise _too_large(field, size, self.refuse)
        _logger.warning("%s: %d bytes of JSON; above %d it is refused", field, size, self.refuse)

    def check_in_row(self, size: int, *, field: str) -> None:
        """Let a size pass that lies in a row.

        Raises: PayloadTooLarge naming the field, the size and the limit.
        """
        if size > self.in_row:
            raise _too_large(field, size, self.in_row)


def _too_large(field: str, size: int, limit: int) -> PayloadTooLarge:
    return PayloadTooLarge(
        f"{field}: {size:,} bytes of JSON, over the limit of {limit:,}; "
        f"store the data elsewhere and pass its key",
        field=field,
        size=size,
        limit=limit,
    )


_default = Limits()


def default_limits() -> Limits:
    """Give the limits that apply where a caller names none."""
    return _default


def set_default_limits(limits: Limits) -> None:
    """Set the limits that apply where a caller names none, for the whole process."""
    global _default  # noqa: PLW0603 (one value, set once when settings are read)
    _default = limits
