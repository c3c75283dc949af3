"""Tells running attempts to stop: those that were cancelled, paused or taken away, and all at a shutdown.

In a process of a pool a thread reads what its parent has put on the board; it also gives up what the rows say
that this process runs, and it does not.
"""

from __future__ import annotations

import logging
import threading
import time
import uuid
from collections.abc import Callable, Iterable
from typing import Final

from django.db import connections

from aion_engine.runtime.board import Board, Notice
from aion_engine.runtime.execution import Running
from aion_engine.runtime.strangers import Strangers

log = logging.getLogger("aion.activities")

LOOK: Final = 0.5  # seconds between two looks


def tell(running: Iterable[Running], notice: Notice) -> None:
    """Compare attempts with what their rows say. Those begun after that look wait for the next."""
    for item in running:
        if item.begun >= notice.looked_at:
            continue
        number, reason = notice.held.get(item.attempt.id.hex, (0, ""))
        if number != item.attempt.attempt:
            reason = "lost"
        if reason:
            item.context.stop(reason)


def tell_shutdown(running: Iterable[Running]) -> None:
    """Tell all of them that the worker shuts down."""
    for item in running:
        item.context.stop("shutdown")


def start(board: Board, running: Callable[[], Iterable[Running]], owner_id: uuid.UUID) -> None:
    """Begin to read the board of this pool process's parent, in a daemon thread."""
    strangers = Strangers(owner_id)
    thread = threading.Thread(
        target=_watch, args=(board, running, strangers), name="aion-child-watch", daemon=True
    )
    thread.start()


def _watch(board: Board, running: Callable[[], Iterable[Running]], strangers: Strangers) -> None:
    while True:
        time.sleep(LOOK / 2)
        try:
            notice = board.read()
            if notice is not None:
                tell(running(), notice)
            if board.stopping:
                tell_shutdown(running())
            elif notice is not None and strangers.give_up(running(), notice):
                connections.close_all()  # this thread needs one hardly ever
        except Exception:
            log.exception("The attempts of this process cannot be watched")
            connections.close_all()
