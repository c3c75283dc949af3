"""Filters of the admin's templates."""

from __future__ import annotations

import datetime as dt

from django import template

register = template.Library()


@register.filter
def duration(value: dt.timedelta | None) -> str:
    """Write a duration as people say it: 350 ms, 4.2 s, 3 min 20 s, 2 h 5 min, 12 d 4 h."""
    if value is None:
        return ""
    seconds = value.total_seconds()
    if seconds < 1:
        return f"{seconds * 1_000:.0f} ms"
    minutes, hours, days = int(seconds // 60), int(seconds // 3_600), int(seconds // 86_400)
    if minutes == 0:
        return f"{seconds:.1f} s"
    if hours == 0:
        return f"{minutes} min {int(seconds % 60)} s"
    if days == 0:
        return f"{hours} h {minutes % 60} min"
    return f"{days} d {hours % 24} h"


@register.filter
def away(value: dt.datetime | None, now: dt.datetime) -> str:
    """Write how far a moment is away: in 2 h 5 min, 3.0 s ago."""
    if value is None:
        return ""
    text = duration(abs(value - now))
    return f"in {text}" if value > now else f"{text} ago"
