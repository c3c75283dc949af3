"""Values as plain JSON: what commands and the API write."""

from __future__ import annotations

from typing import Any

import msgspec


def plain(value: Any) -> Any:
    """Give a value as JSON knows it: records as objects, times and ids as text."""
    return msgspec.to_builtins(value, enc_hook=_other, str_keys=True)


def _other(value: Any) -> Any:
    """Give payloads as the JSON that they hold, and other things as text."""
    return msgspec.json.decode(value) if isinstance(value, msgspec.Raw) else str(value)
