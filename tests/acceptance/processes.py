"""Worker processes for a test: started, watched, killed, and always cleaned up."""

from __future__ import annotations

import contextlib
import ctypes
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from tests.conftest import ROOT
from tests.support.waiting import eventually

BOOT_SECONDS = 60.0  # on a machine that does much else


_PR_SET_PDEATHSIG = 1
_libc = ctypes.CDLL(None) if sys.platform == "linux" else None


def _die_with_parent() -> None:
    """A test session that is killed cleans up nothing, so its processes end by themselves."""
    if _libc is not None:
        _libc.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)


class Process:
    """One process, its children and its log. It leads a process group, so that nothing is left behind."""

    def __init__(
        self,
        name: str,
        command: list[str],
        environment: dict[str, str],
        log: Path,
        directory: Path = ROOT,
    ) -> None:
        self.name = name
        self.log = log
        with log.open("ab") as file:
            self.popen = subprocess.Popen(
                command,
                cwd=directory,
                env=environment,
                stdin=subprocess.DEVNULL,
                stdout=file,
                stderr=subprocess.STDOUT,
                start_new_session=True,
                preexec_fn=_die_with_parent,
            )

    @property
    def pid(self) -> int:
        return self.popen.pid

    @property
    def alive(self) -> bool:
        return self.popen.poll() is None

    @property
    def output(self) -> str:
        return self.log.read_text(errors="replace")

    def wait_for(self, text: str, *, timeout: float = BOOT_SECONDS) -> None:
        def seen() -> bool:
            assert self.alive, f"{self.name} ended early:\n{self.output}"
            return text in self.output

        eventually(seen, timeout=timeout, what=f"{text!r} in the log of {self.name}")

    def send(self, number: signal.Signals) -> None:
        os.kill(self.pid, number)

    def kill(self) -> None:
        """The process, not its children: they are left to notice."""
        self.send(signal.SIGKILL)
        self.popen.wait(60)

    def terminate(self, *, timeout: float = 60.0) -> float:
        """Stop it warmly; give the seconds that took."""
        begin = time.monotonic()
        self.send(signal.SIGTERM)
        self.popen.wait(timeout)
        return time.monotonic() - begin

    def sweep_up(self) -> None:
        """Kill what is left of the group."""
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.pid, signal.SIGCONT)
            os.killpg(self.pid, signal.SIGKILL)
        self.popen.wait(60)


class Cluster:
    """The processes of one test, on its database and a queue of its own."""

    def __init__(self, environment: dict[str, str], directory: Path) -> None:
        self.environment = environment
        self._directory = directory
        self._processes: list[Process] = []

    def configure(self, *, aion: dict[str, Any] | None = None, **celery: Any) -> None:
        """Set keys for the processes started from now on."""
        for variable, values in (("AION", aion or {}), ("CELERY", celery)):
            name = f"AION_ACCEPTANCE_{variable}"
            known = json.loads(self.environment.get(name, "{}"))
            self.environment[name] = json.dumps({**known, **values})

    def celery(
        self, name: str, *options: str, pool: str = "prefork", slots: int = 2, ready: bool = True
    ) -> Process:
        """A Celery worker; waits until it consumes."""
        command = [sys.executable, "-m", "celery", "-A", "config", "worker", "-l", "INFO"]
        # The name is known to the whole broker.
        command += ["-n", f"{name}-{os.getpid()}@%h", "-P", pool, "-c", str(slots)]
        command += ["--without-mingle", "--without-gossip", *options]
        if "-B" in options:
            command += ["-s", str(self._directory / f"{name}.beat")]
        process = self.start(name, command)
        if ready:
            process.wait_for(" ready.")
        return process

    def beat(self, name: str) -> Process:
        """A Celery beat of its own, beside the workers; waits until it is up."""
        command = [sys.executable, "-m", "celery", "-A", "config", "beat", "-l", "INFO"]
        process = self.start(name, [*command, "--pidfile=", "--max-interval", "1"])
        process.wait_for("beat: Starting", timeout=3 * BOOT_SECONDS)
        return process

    def aion_worker(self, name: str, *options: str, ready: bool = True) -> Process:
        """A worker without Celery; waits until it is registered."""
        command = [sys.executable, "manage.py", "aion_worker", *options]
        process = self.start(name, command)
        if ready:
            eventually(lambda: is_registered(process), timeout=BOOT_SECONDS, what=f"{name} is up")
        return process

    def script(self, name: str, code: str) -> Process:
        """A Python program that has Django set up."""
        setup = "import os, django; django.setup()\n"
        return self.start(name, [sys.executable, "-c", setup + code])

    def start(self, name: str, command: list[str]) -> Process:
        log = self._directory / f"{name}.log"
        process = Process(name, command, self.environment, log)
        self._processes.append(process)
        return process

    def stop(self) -> None:
        for process in self._processes:
            process.sweep_up()

    def show_logs(self, *, lines: int = 60) -> None:
        for log in sorted(self._directory.glob("*.log")):
            print(f"--- the end of {log.name}")
            text = log.read_text(errors="replace").splitlines()
            print("\n".join([line for line in text if "aion.tick" not in line][-lines:]))


def is_registered(process: Process) -> bool:
    from aion.models import Worker

    assert process.alive, f"{process.name} ended early:\n{process.output}"
    return Worker.objects.filter(pid=process.pid).exists()


@contextlib.contextmanager
def cluster(environment: dict[str, str], directory: Path) -> Iterator[Cluster]:
    made = Cluster(environment, directory)
    try:
        yield made
    finally:
        made.stop()
        made.show_logs()  # pytest shows them with a failure only
