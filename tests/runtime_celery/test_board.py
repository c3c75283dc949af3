"""What a worker tells the processes of its pool."""

from __future__ import annotations

import os
import time
from types import SimpleNamespace
from typing import Any

from aion.core.ids import uuid7
from aion_engine.runtime import board, stop_watch
from aion_engine.runtime.board import Board, Notice


class Context:
    """Remembers why it was told to stop."""

    reason: str | None = None

    def stop(self, reason: str) -> None:
        self.reason = self.reason or reason


class Running:
    """An attempt that was begun at a moment."""

    def __init__(self, begun: float = 0.0, number: int = 1) -> None:
        self.attempt = SimpleNamespace(id=uuid7(), attempt=number)
        self.context, self.begun = Context(), begun


def told(running: Any, notice: Notice) -> str | None:
    stop_watch.tell([running], notice)
    return running.context.reason


def test_an_empty_board_says_nothing() -> None:
    assert Board().read() is None
    assert not Board().stopping


def test_the_last_notice_stands() -> None:
    page = Board()
    page.write(Notice(1.0, {"a": (1, "")}))
    page.write(Notice(2.0, {}))

    assert page.read() == Notice(2.0, {})


def test_a_shutdown_and_a_notice_do_not_wipe_each_other() -> None:
    page = Board()
    page.announce_stop()
    page.write(Notice(1.0, {}))

    assert page.stopping
    assert page.read() == Notice(1.0, {})


def test_a_half_written_notice_is_not_read() -> None:
    page = Board()
    page.write(Notice(1.0, {"a": (1, "")}))
    page._memory[board._HEADER.size + 3] ^= 1

    assert page.read() is None


def test_a_notice_that_does_not_fit_is_left_out() -> None:
    page = Board()
    page.write(Notice(1.0, {str(number): (1, "") for number in range(100_000)}))

    assert page.read() is None


def test_a_forked_process_reads_what_its_parent_writes() -> None:
    page = Board()
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        until = time.monotonic() + 30
        while page.read() is None and time.monotonic() < until:
            time.sleep(0.01)
        os.write(writer, b"y" if page.read() == Notice(7.0, {}) else b"n")
        os._exit(0)
    page.write(Notice(7.0, {}))

    assert os.read(reader, 1) == b"y"
    os.waitpid(child, 0)


def test_an_attempt_is_told_what_its_row_says() -> None:
    running = Running(number=2)

    assert told(running, Notice(1.0, {running.attempt.id.hex: (2, "")})) is None
    assert told(running, Notice(1.0, {running.attempt.id.hex: (2, "cancelled")})) == "cancelled"


def test_an_attempt_without_its_row_is_lost() -> None:
    later = Running(number=1)

    assert told(Running(), Notice(1.0, {})) == "lost"
    assert told(later, Notice(1.0, {later.attempt.id.hex: (2, "")})) == "lost"


def test_an_attempt_begun_after_the_look_waits_for_the_next() -> None:
    assert told(Running(begun=2.0), Notice(1.0, {})) is None
