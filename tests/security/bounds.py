"""How much is drawn: a little in the suite, and the same each time; `AION_FUZZ=100` is the long form."""

from __future__ import annotations

import datetime as dt
import os
from typing import Any, Final

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st

TIMES: Final = int(os.environ.get("AION_FUZZ") or 0)
LONGEST: Final = dt.timedelta(seconds=20)
"""No input takes longer, on a busy machine either."""


def bounded(few: int) -> Any:
    """Draw a few examples in the suite, many times as many in the long form."""
    return settings(
        max_examples=few * max(TIMES, 1),
        derandomize=not TIMES,
        deadline=LONGEST,
        database=None,
        suppress_health_check=list(HealthCheck),
    )


HUGE: Final = [2**31, 2**53, 2**63, 2**64, -(2**63) - 1, 10**30, 10**400, -1, 0]
ODD_TEXTS: Final = [
    "",
    " ",
    "\x00",
    "\ud800",
    "\u202e\u0661",
    "\r\nInjected: header",
    "%s%n{0}",
    "'; DROP TABLE aion_run; --",
    "<script>alert(1)</script>",
    "../../etc/passwd",
    "x" * 256,
    "x" * 5_000,
    "NaN",
    "1e999",
    "9" * 5_000,
    "0001-01-01T00:00:00+14:00",
    "9999-12-31T23:59:59-14:00",
    "[" * 300,
]
texts = st.sampled_from(ODD_TEXTS) | st.text(max_size=30)
numbers = st.sampled_from(HUGE) | st.integers() | st.floats()
scalars = st.none() | st.booleans() | numbers | texts
values = st.recursive(
    scalars,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(texts, inner, max_size=3),
    max_leaves=8,
)
