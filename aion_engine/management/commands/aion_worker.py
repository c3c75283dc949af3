"""Run a worker without Celery: it takes turns and runs activities until it is told to stop."""

from __future__ import annotations

import signal
from typing import Any

from django.core.management.base import BaseCommand, CommandParser

from aion_engine.runtime.worker import Worker


class Command(BaseCommand):
    """`manage.py aion_worker`: SIGTERM and SIGINT end it warmly."""

    help = "Takes turns and runs activities in threads, without a broker."

    def add_arguments(self, parser: CommandParser) -> None:
        """Add the options."""
        parser.add_argument(
            "--activities", type=int, default=None, metavar="N",
            help="threads for activities; 0 runs none (default: AION['ACTIVITY_THREADS'])",
        )
        parser.add_argument("--no-turns", action="store_true", help="run activities only")
        parser.add_argument(
            "--queue", action="append", default=[], metavar="NAME",
            help="take activities of this task queue only; may be repeated",
        )

    def handle(self, *args: Any, **options: Any) -> None:
        """Work until a signal comes."""
        worker = Worker(
            turns=not options["no_turns"],
            activity_threads=options["activities"],
            queues=tuple(options["queue"]),
        )
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda *_: worker.stop())
        if options["verbosity"]:
            self.stdout.write(f"{worker.identity.name} is working; stop it with Ctrl-C")
        worker.run()
