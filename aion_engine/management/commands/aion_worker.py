"""Run a worker without Celery: it takes turns and runs activities until it is told to stop."""

from __future__ import annotations

import os
import signal
import threading
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.db import connections
from django.db.migrations.loader import MigrationLoader

from aion.conf import settings
from aion_engine.runtime.worker import Worker


class Command(BaseCommand):
    """`manage.py aion_worker`: SIGTERM and SIGINT end it warmly."""

    help = "Takes turns and runs activities in threads, without a broker."

    def add_arguments(self, parser: CommandParser) -> None:
        """Add the options."""
        parser.add_argument(
            "--activities",
            type=int,
            default=None,
            metavar="N",
            help="threads for activities; 0 runs none (default: AION['ACTIVITY_THREADS'])",
        )
        parser.add_argument("--no-turns", action="store_true", help="run activities only")
        parser.add_argument(
            "--queue",
            action="append",
            default=[],
            metavar="NAME",
            help="take activities of this task queue only; may be repeated",
        )

    def handle(self, *args: Any, **options: Any) -> None:
        """Work until a signal comes.

        Raises:
            CommandError: the database has not all of Aion's tables.
        """
        _check_tables()
        worker = Worker(
            turns=not options["no_turns"],
            activity_threads=options["activities"],
            queues=tuple(options["queue"]),
        )
        if options["verbosity"]:
            self.stdout.write(f"{worker.identity.name} is working; stop it with Ctrl-C")
        _run_until_signalled(worker)


def _check_tables() -> None:
    loader = MigrationLoader(connections[settings.DATABASE])
    [newest] = loader.graph.leaf_nodes("aion")
    needed = [node for node in loader.graph.forwards_plan(newest) if node[0] == "aion"]
    missing = [name for app, name in needed if (app, name) not in loader.applied_migrations]
    if missing:
        raise CommandError(
            f"Database {settings.DATABASE!r} lacks {len(missing)} migrations of Aion, "
            f"from {missing[0]} on: run `manage.py migrate` first."
        )


def _run_until_signalled(worker: Worker) -> None:
    """Work in a thread and wait here for a signal, or for the end of the work.

    A signal handler may interrupt this thread while it holds any lock, so ours takes none: it writes to a
    pipe. `Worker.stop` sets events, and must not be called from a handler in the thread that waits for them.
    """
    reader, writer = os.pipe()

    def run() -> None:
        try:
            worker.run()
        finally:
            os.write(writer, b".")

    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: os.write(writer, b"."))
    thread = threading.Thread(target=run, name="aion-worker")
    thread.start()
    os.read(reader, 1)
    worker.stop()
    thread.join()
