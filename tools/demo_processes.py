"""The processes that the demo starts, and the promise that none of them outlives it."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
PLACE = ROOT / "var" / "demo"


class WentWrong(Exception):
    """The demo cannot go on."""


GUARD = """
import os, signal, sys
groups = set()
for line in sys.stdin:
    (groups.add if line[0] == "+" else groups.discard)(int(line[1:]))
for group in groups:
    try:
        os.killpg(group, signal.SIGKILL)
    except OSError:
        pass
"""


class Processes:
    """What the demo starts: each a process group with a log in var/demo; none outlives the demo.

    A guard in a session of its own knows the groups. When its input ends, because the demo ended in
    whatever way, it kills those that are left.
    """

    def __init__(self) -> None:
        self._running: dict[str, subprocess.Popen[bytes]] = {}
        self._guard = subprocess.Popen(
            [sys.executable, "-S", "-c", GUARD],
            stdin=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )

    def _tell_guard(self, sign: str, group: int) -> None:
        if self._guard.stdin is not None:
            self._guard.stdin.write(f"{sign}{group}\n")
            self._guard.stdin.flush()

    def start(self, name: str, *words: str) -> None:
        """Start `python WORDS`."""
        with (PLACE / f"{name}.log").open("ab") as log:
            process = subprocess.Popen(
                [sys.executable, *words],
                cwd=ROOT,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        self._running[name] = process
        self._tell_guard("+", process.pid)

    def pid(self, name: str) -> int:
        """Give the process id."""
        return self._running[name].pid

    def kill(self, name: str) -> None:
        """Kill a process and its children with SIGKILL: nothing of it gets to clean up."""
        process = self._running.pop(name)
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        self._tell_guard("-", process.pid)

    def check(self) -> None:
        """Make sure that all still run.

        Raises: WentWrong with the end of the log of one that does not.
        """
        for name, process in self._running.items():
            if process.poll() is not None:
                log = (PLACE / f"{name}.log").read_text(errors="replace")
                raise WentWrong(f"{name} ended with {process.returncode}:\n{log[-2000:]}")

    def stop(self) -> None:
        """End all: politely, then not."""
        for process in self._running.values():
            process.terminate()
        until = time.monotonic() + 10
        for process in self._running.values():
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(max(until - time.monotonic(), 0.1))
        for name in list(self._running):
            self.kill(name)
        if self._guard.stdin is not None:
            self._guard.stdin.close()
        self._guard.wait()
