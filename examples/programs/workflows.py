"""Aion imports this module of every app. The programs have modules of their own, so it only names them.

In the order in which to read them: hello, retries, parallel, signal_and_query, update_with_validator,
human_approval, sleep_for_days, polling, child, saga, scheduled, sliding_window, cron_chain, plain_code.
"""

from examples.programs import (
    child,
    cron_chain,
    hello,
    human_approval,
    parallel,
    plain_code,
    polling,
    retries,
    saga,
    scheduled,
    signal_and_query,
    sleep_for_days,
    sliding_window,
    update_with_validator,
)

__all__ = [
    "child",
    "cron_chain",
    "hello",
    "human_approval",
    "parallel",
    "plain_code",
    "polling",
    "retries",
    "saga",
    "scheduled",
    "signal_and_query",
    "sleep_for_days",
    "sliding_window",
    "update_with_validator",
]
