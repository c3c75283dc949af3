"""Whether tables stay small while runs come, end and are deleted, hour after hour.

Runs are started as fast as one worker ends them. Those that closed some seconds ago are deleted meanwhile,
so that after a while as many go as come: from then on a table that still grows is one that vacuum loses.
"""

from __future__ import annotations

import datetime as dt
import threading
import time
from collections.abc import Callable
from typing import Final

from django.db import connection, connections, transaction

from aion import client
from aion.models import Run
from aion.operations.prune import prune
from benchmarks.app.workflows import remote_steps, trivial
from benchmarks.on_aion.worker import working

_KEEP: Final = dt.timedelta(seconds=20)
_OPEN: Final = 1_000  # runs on their way at a time
_STARTS: Final = {remote_steps: 20, trivial: 180}  # in one transaction
_LOOK: Final = 10.0
_TABLES: Final = ("aion_run", "aion_event", "aion_message", "aion_activitytask", "aion_timer")
_SIZES: Final = (
    "SELECT relname, n_live_tup, n_dead_tup, autovacuum_count, "
    "pg_total_relation_size(relid) / 1024 / 1024.0 FROM pg_stat_user_tables WHERE relname = ANY(%s)"
)


def watch(seconds: float) -> None:
    """Load for so long, and print rows, dead rows, vacuums and MiB of each table."""
    stopping = threading.Event()
    threads = [
        threading.Thread(target=_until, args=(stopping, work)) for work in (_start_some, _prune)
    ]
    with working():
        for thread in threads:
            thread.start()
        began = time.perf_counter()
        try:
            while (passed := time.perf_counter() - began) < seconds:
                _show(passed)
                time.sleep(_LOOK)
        finally:
            stopping.set()
            for thread in threads:
                thread.join()
    _show(time.perf_counter() - began)


def _until(stopping: threading.Event, work: Callable[[], None]) -> None:
    while not stopping.is_set():
        work()
    connections.close_all()


def _start_some() -> None:
    if Run.objects.filter(closed_at__isnull=True).count() > _OPEN:
        time.sleep(0.02)
        return
    with transaction.atomic():
        for workflow, count in _STARTS.items():
            for _ in range(count):
                client.start_workflow(workflow, 3)


def _prune() -> None:
    if prune(_KEEP).runs == 0:
        time.sleep(0.2)


def _show(passed: float) -> None:
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_stat_clear_snapshot()")
        cursor.execute(_SIZES, [list(_TABLES)])
        found = {name: row for name, *row in cursor.fetchall()}
        cursor.execute("SELECT last_value FROM aion_message_id_seq")
        messages = cursor.fetchone()[0]
    print(f"after {passed:.0f} s, {messages:,} messages so far")
    for name in _TABLES:
        live, dead, vacuums, size = found[name]
        print(f"  {name:<18} {live:>8,} rows {dead:>8,} dead {vacuums:>4} vacuums {size:>7.1f} MiB")
    print(end="", flush=True)
