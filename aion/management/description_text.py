"""A run's description and history as text for a terminal."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from typing import Any, Final

from aion.core.history import Recorded
from aion.core.plain import plain

_WIDEST: Final = 120


def described(description: Any) -> Iterator[str]:
    """Give a line for each field that says something; lists of records as indented blocks."""
    fields = plain(description)
    width = max(map(len, fields))
    for name, value in fields.items():
        if value is None or value in ("", [], {}):
            continue
        label = name.replace("_", " ").ljust(width)
        if isinstance(value, list) and isinstance(value[0], dict):
            yield f"{name.replace('_', ' ')}:"
            yield from (f"  - {_record(item)}" for item in value)
        else:
            yield from _field(label, value)


def _field(label: str, value: Any) -> Iterator[str]:
    if isinstance(value, dict) and isinstance(value.get("message"), str):
        yield f"{label}  {value.get('type', '')}: {value['message']}"
        trace = value.get("traceback") or ""
        yield from (f"    {line}" for line in trace.splitlines())
        return
    yield f"{label}  {_inline(value)}"


def _record(item: dict[str, Any]) -> str:
    said = ((name, value) for name, value in item.items() if value not in (None, "", [], {}))
    return ", ".join(f"{name.replace('_', ' ')}: {_inline(value)}" for name, value in said)


def _inline(value: Any) -> str:
    if isinstance(value, dict) and isinstance(value.get("message"), str):
        return f"{value.get('type', '')}: {value['message']}"
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    return text if len(text) <= _WIDEST else text[: _WIDEST - 1] + "…"


def events(history: Iterable[Recorded]) -> Iterator[str]:
    """Give a line for each event: seq, time, kind, attributes."""
    for recorded in history:
        said = {k: v for k, v in recorded.attributes.items() if v not in (None, "", [], {})}
        at = recorded.recorded_at.strftime("%Y-%m-%d %H:%M:%S.%f")[:-3]
        yield f"{recorded.seq:>6}  {at}  {recorded.kind:<28} {_inline(said) if said else ''}".rstrip()
