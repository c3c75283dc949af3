"""How long somebody waits: for a result, for an answer, for a timer."""

from __future__ import annotations

import time

from benchmarks.figures import Figures, Size
from benchmarks.measuring import call_durations, milliseconds
from benchmarks.on_restate.callers import call_all
from benchmarks.on_restate.server import Caller, serving

_ALL_WAIT = 1.0  # seconds


def start_to_result(size: Size) -> Figures:
    with serving() as restate:
        caller = Caller(restate.port)

        def call() -> None:
            caller.call("/Bench/trivial", 1)

        call_durations(call, calls=20)
        return milliseconds(call_durations(call, calls=size["calls"], seconds=size["seconds"]))


def signal_round_trip(size: Size) -> Figures:
    """A workflow waits for a durable promise, which another of its handlers keeps."""
    count = size["peers_signals"] + 3
    with serving() as restate:
        caller = Caller(restate.port)
        for number in range(count):
            caller.call(f"/Answering/{number}/run/send", 1)
        time.sleep(_ALL_WAIT)
        waiting = list(range(count))

        def call() -> None:
            number = waiting.pop()
            caller.call(f"/Answering/{number}/ask", 7)
            answer = caller.call(f"/restate/workflow/Answering/{number}/attach", method="GET")
            assert answer == 7

        call_durations(call, calls=3)
        return milliseconds(call_durations(call, calls=len(waiting), seconds=size["seconds"]))


def timer_lateness(size: Size) -> Figures:
    count, seconds = size["peers_timers"], size["peers_seconds"]
    with serving() as restate:
        first = time.time() + _ALL_WAIT + count / 200
        moments = [first + seconds * number / count for number in range(count)]
        return milliseconds(call_all(restate.port, "/Bench/alarm", moments, callers=count))
