"""Programs that run beside a measurement: workers and servers of the systems."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager

import psutil

MIB = 1024 * 1024


class Processes:
    """Started programs with all their children."""

    def __init__(self, started: Sequence[subprocess.Popen[bytes]]) -> None:
        self.started = started

    def _all(self) -> Iterator[psutil.Process]:
        for process in self.started:
            one = psutil.Process(process.pid)
            yield one
            yield from one.children(recursive=True)

    def cpu_seconds(self) -> float:
        """Give the processor time that they have used until now."""
        times = [one.cpu_times() for one in self._all()]
        return sum(each.user + each.system for each in times)

    def memory_mib(self) -> float:
        """Give the resident memory of all of them."""
        return sum(one.memory_info().rss for one in self._all()) / MIB

    def check(self) -> None:
        """Notice that one has ended.

        Raises:
            RuntimeError: it has.
        """
        for process in self.started:
            if process.poll() is not None:
                words = subprocess.list2cmdline([str(word) for word in process.args])  # type: ignore[union-attr]
                raise RuntimeError(f"{words} ended with {process.returncode}")

    def kill(self) -> None:
        """End them at once, like a power failure: all is measured, or that is what is measured."""
        for one in list(self._all()):
            one.kill()
        for process in self.started:
            process.wait()
        self.started = ()


@contextmanager
def running(
    *commands: Sequence[str], environment: Mapping[str, str] | None = None
) -> Iterator[Processes]:
    """Run programs meanwhile. What they say goes to standard error."""
    processes = Processes(
        [
            subprocess.Popen(
                command,
                env={**os.environ, **(environment or {})},
                stdin=subprocess.DEVNULL,
                stdout=sys.stderr,
            )
            for command in commands
        ]
    )
    try:
        yield processes
    finally:
        processes.kill()
