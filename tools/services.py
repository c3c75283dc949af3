"""Run something with PostgreSQL and Redis: servers that were found, or started for the purpose.

    python tools/services.py run -- COMMAND...     run COMMAND with what was found
    eval "$(python tools/services.py env)"         the same for the rest of this shell
    python tools/services.py --own run -- ...      start servers even where some are running
    python tools/services.py --durable run -- ...  only a PostgreSQL that waits for the disk

COMMAND sees AION_TEST_DATABASE_URL and AION_TEST_REDIS_URL; a service that can be neither found
nor started leaves its variable unset. Variables that are set already are passed on. Otherwise the
database named in the URL is created empty for this one use and dropped afterwards, as are the
databases that Django's test runner derives from it.

Theory of operation. `keeper.py`, in a process and session of its own, finds or starts the servers
and then only waits for its standard input to end. That happens when we close the pipe and also
when we are killed in any way, so no server outlives the command it was started for.
"""

from __future__ import annotations

import argparse
import contextlib
import importlib.util
import json
import os
import shlex
import signal
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

TOOLS = Path(__file__).resolve().parent
VENV = TOOLS.parent / ".venv"


@dataclass(frozen=True)
class Services:
    """What there is: variables for the environment, and one sentence per service."""

    environment: dict[str, str]
    report: list[str]


def _start_keeper(*options: str, own: bool, durable: bool, stdin: int) -> subprocess.Popen[str]:
    given = [*(["--own"] if own else []), *(["--durable"] if durable else []), *options]
    return subprocess.Popen(
        [sys.executable, TOOLS / "keeper.py", *given],
        stdin=stdin,
        stdout=subprocess.PIPE,
        text=True,
        start_new_session=True,  # Ctrl-C is for the command; the keeper cleans up after it
    )


def _read(keeper: subprocess.Popen[str]) -> Services:
    line = keeper.stdout.readline() if keeper.stdout else ""
    if not line:
        raise RuntimeError("the search for servers failed, see above")
    environment, report = json.loads(line)
    return Services(environment, report)


@contextlib.contextmanager
def running(*, own: bool = False, durable: bool = False) -> Iterator[Services]:
    """Provide the services within a `with` block; they end with it or with this process.

    A `durable` PostgreSQL has each commit on its disk: what benchmarks need and tests do not.
    """
    with _start_keeper(own=own, durable=durable, stdin=subprocess.PIPE) as keeper:
        yield _read(keeper)
        # Leaving the block closes the keeper's input, also on errors, and waits for its end.


def run(command: list[str], *, own: bool, durable: bool = False) -> int:
    """Run `command` with the services in its environment and return its exit status."""
    with running(own=own, durable=durable) as services:
        for sentence in services.report:
            print(f"# {sentence}", file=sys.stderr, flush=True)
        child = subprocess.Popen(command, env={**os.environ, **services.environment})
        # The terminal sends Ctrl-C to the child as well; it decides, and we wait for it.
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        signal.signal(signal.SIGTERM, lambda *_: child.terminate())
        status = child.wait()
    return status if status >= 0 else 128 - status


def print_environment(*, own: bool, durable: bool = False) -> None:
    """Print `export` lines; what was started ends with the shell that asked."""
    shell = str(os.getppid())
    keeper = _start_keeper("--shell", shell, own=own, durable=durable, stdin=subprocess.DEVNULL)
    services = _read(keeper)
    for sentence in services.report:
        print(f"# {sentence}")
    for name, value in services.environment.items():
        print(f"export {name}={shlex.quote(value)}")


def _use_project_environment() -> None:
    """Go on in .venv where this interpreter has no driver: only there the wheels are, too."""
    python = VENV / "bin" / "python"
    if importlib.util.find_spec("psycopg") or not python.exists():
        return
    if Path(sys.prefix).resolve() != VENV.resolve():
        os.execv(python, [str(python), *sys.argv])  # noqa: S606


def main() -> int:
    """Read the command line and do what it says."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--own", action="store_true", help="ignore servers that are running")
    parser.add_argument(
        "--durable", action="store_true", help="only a PostgreSQL that waits for the disk"
    )
    commands = parser.add_subparsers(dest="command", required=True)
    commands.add_parser("env", help="print exports for a shell")
    runner = commands.add_parser("run", help="run a command: run -- COMMAND...")
    runner.add_argument("words", nargs=argparse.REMAINDER)
    arguments = parser.parse_args()
    _use_project_environment()
    match arguments.command:
        case "env":
            print_environment(own=arguments.own, durable=arguments.durable)
        case _:
            words = arguments.words[1:] if arguments.words[:1] == ["--"] else arguments.words
            if not words:
                parser.error("run needs a command")
            return run(words, own=arguments.own, durable=arguments.durable)
    return 0


if __name__ == "__main__":
    sys.exit(main())
