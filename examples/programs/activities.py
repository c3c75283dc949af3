"""Aion imports this module of every app, too. Here each activity stands beside the workflow that uses it."""

from examples.programs import (
    hello,
    human_approval,
    parallel,
    polling,
    retries,
    saga,
    sleep_for_days,
    sliding_window,
)

__all__ = [
    "hello",
    "human_approval",
    "parallel",
    "polling",
    "retries",
    "saga",
    "sleep_for_days",
    "sliding_window",
]
