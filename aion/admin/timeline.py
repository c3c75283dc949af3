"""A run's history as bars over time, for drawing. Pure.

Idle time is shortened: between two moments the axis grows with the logarithm of the time between them, so
that a month of waiting leaves room for the seconds in which things happened. The labels tell real times.
"""

from __future__ import annotations

import dataclasses
import datetime as dt
import math
from collections.abc import Iterable, Sequence
from itertools import pairwise
from typing import Final

from aion.admin.groups import Group, groups
from aion.core.history import Recorded

MOST_ROWS: Final = 200
WIDTH: Final = 1_000
ROW: Final = 22
LONGEST_LABEL: Final = 70
_LETTER: Final = 6.6  # the width of a letter of a label, roughly
_LABELS: Final = 6
_NARROWEST: Final = 3


@dataclasses.dataclass(slots=True)
class Bar:
    """A row of the drawing: something that began and, unless it is open, ended."""

    kind: str
    label: str
    seq: int
    started_at: dt.datetime
    ended_at: dt.datetime | None
    outcome: str
    x: float = 0.0
    width: float = 0.0
    y: int = 0

    @property
    def text_y(self) -> int:
        """Where the label's line stands."""
        return self.y + 14

    @property
    def place(self) -> str:
        """Where the label stands: behind the bar, in front of it, or inside where neither has room."""
        needed = min(len(self.label), LONGEST_LABEL) * _LETTER + 10
        if self.x + self.width + needed <= WIDTH:
            return "behind"
        return "front" if self.x >= needed else "inside"

    @property
    def label_x(self) -> float:
        """Where the label begins, or ends if it stands in front."""
        match self.place:
            case "behind":
                return self.x + self.width + 5
            case "front":
                return self.x - 5
        return self.x + 6


@dataclasses.dataclass(frozen=True, slots=True)
class Tick:
    """A moment named on the axis."""

    x: float
    at: dt.datetime
    anchor: str


@dataclasses.dataclass(frozen=True, slots=True)
class Timeline:
    """The bars and the axis; `left_out` rows did not fit."""

    bars: Sequence[Bar]
    ticks: Sequence[Tick]
    left_out: int

    @property
    def height(self) -> int:
        """The drawing's height, with the axis."""
        return len(self.bars) * ROW + 30

    @property
    def axis_y(self) -> int:
        """Where the axis' labels stand."""
        return len(self.bars) * ROW + 20


def timeline(history: Iterable[Recorded], *, now: dt.datetime | None) -> Timeline:
    """Lay a history out; `now` ends what is still open, None where the run has ended."""
    drawn = [group for group in groups(history) if group.kind != "note"]
    left_out = max(0, len(drawn) - MOST_ROWS)
    shown = [_bar(group) for group in drawn[:MOST_ROWS]]
    moments = {bar.started_at for bar in shown} | {b.ended_at for b in shown if b.ended_at}
    if now is not None:
        moments.add(now)
    if not moments:
        return Timeline((), (), 0)
    places = _places(sorted(moments))
    last = max(moments)
    for number, bar in enumerate(shown):
        bar.x = places[bar.started_at]
        bar.width = max(places[bar.ended_at or last] - bar.x, _NARROWEST)
        bar.x = min(bar.x, WIDTH - bar.width)
        bar.y = number * ROW
    return Timeline(shown, _ticks(places), left_out)


def _bar(group: Group) -> Bar:
    return Bar(group.kind, group.label, group.seq, group.started_at, group.ended_at, group.outcome)


def _places(moments: Sequence[dt.datetime]) -> dict[dt.datetime, float]:
    """Give each moment its place on the axis."""
    reached = [0.0]
    for before, after in pairwise(moments):
        reached.append(reached[-1] + math.log1p((after - before).total_seconds() * 1_000))
    scale = WIDTH / reached[-1] if reached[-1] else 0.0
    return {at: round(place * scale, 1) for at, place in zip(moments, reached, strict=True)}


def _ticks(places: dict[dt.datetime, float]) -> list[Tick]:
    """Choose moments that stand far enough apart to be named."""
    room = WIDTH / _LABELS
    ticks: list[Tick] = []
    for at, x in places.items():
        if not ticks or x - ticks[-1].x >= room:
            ticks.append(Tick(x, at, "start" if x < room / 2 else "middle"))
    last_at, last_x = next(reversed(places.items()))
    if last_x - ticks[-1].x >= room / 2:
        ticks.append(Tick(last_x, last_at, "end"))
    elif len(ticks) > 1:
        ticks[-1] = Tick(last_x, last_at, "end")
    return ticks
