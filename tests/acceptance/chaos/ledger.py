"""What callers were promised: a file of JSON lines, written behind each promise and never changed.

A caller that dies leaves at most its last line out: then it asks again, under the same request id.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

Line = dict[str, Any]


class Ledger:
    """Appends lines to a file that several processes may append to, one after the other."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._lock = threading.Lock()

    def write(self, **line: Any) -> None:
        """Append a line; it is with the system when this returns."""
        text = json.dumps(line) + "\n"
        with self._lock, self._path.open("a") as file:
            file.write(text)

    def read(self) -> Iterator[Line]:
        """Give the lines; one that was cut off in the middle of writing is left out."""
        if not self._path.exists():
            return
        for line in self._path.read_text().splitlines():
            try:
                yield json.loads(line)
            except ValueError:
                continue
