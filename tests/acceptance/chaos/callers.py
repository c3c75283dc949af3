"""A process of callers: threads that begin stories and bring them to their end, whatever breaks meanwhile.

    python -m tests.acceptance.chaos.callers LEDGER SEED STOP_FILE

It goes on where an earlier one was killed, as the ledger says. When the stop file is there no new story is
begun; the process ends when those that were begun have ended.
"""

from __future__ import annotations

import itertools
import os
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import django

THREADS = 6
LONGEST_PAUSE = 1.0


class Callers:
    """Tells stories on several threads."""

    def __init__(self, ledger: Path, seed: str, stop: Path) -> None:
        from tests.acceptance.chaos.ledger import Ledger

        self._seed = seed
        self._stop = stop
        self._ledger = Ledger(ledger)
        lines = list(self._ledger.read())
        self._done = {(line["story"], line["step"]) for line in lines if "step" in line}
        begun = {line["story"] for line in lines}
        ended = {line["story"] for line in lines if line.get("ended")}
        self._unfinished = sorted(begun - ended)
        self._fresh = itertools.count(max(begun, default=-1) + 1)
        self._lock = threading.Lock()

    def run(self) -> None:
        """Tell stories until there are no more to be told."""
        threads = [threading.Thread(target=self._work) for _ in range(THREADS)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

    def _numbers(self) -> Iterator[int]:
        while True:
            with self._lock:
                if self._unfinished:
                    number = self._unfinished.pop(0)
                elif self._stop.exists():
                    return
                else:
                    number = next(self._fresh)
                    self._ledger.write(story=number)
            yield number

    def _work(self) -> None:
        from django.db import connections

        for number in self._numbers():
            try:
                self._tell(number)
            except Exception as error:  # an answer that no story expects is a violation
                self._ledger.write(
                    story=number, ended=True, broken=f"{type(error).__name__}: {error}"
                )
        connections.close_all()

    def _tell(self, number: int) -> None:
        from tests.acceptance.chaos.stories import story

        for name, step in story(number, self._seed).steps():
            if (number, name) not in self._done:
                promise = _until_done(step)
                self._ledger.write(story=number, step=name, **promise)
        self._ledger.write(story=number, ended=True)


def _until_done(step):  # type: ignore[no-untyped-def]
    """Do a step until the database has let it through; give what it promised."""
    from django.db import Error, connection

    from tests.acceptance.chaos.stories import NotYet

    for attempt in itertools.count(1):
        try:
            return step()
        except NotYet:
            time.sleep(0.1)
        except Error:
            connection.close()
            time.sleep(min(0.05 * attempt, LONGEST_PAUSE))


if __name__ == "__main__":
    django.setup()
    Callers(Path(sys.argv[1]), sys.argv[2], Path(sys.argv[3])).run()
    os._exit(0)  # no thread of a bell or of a broker may hold it up
