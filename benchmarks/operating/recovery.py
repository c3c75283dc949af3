"""How long `recover_workflows` takes over many open runs, and how much memory."""

from __future__ import annotations

import os
import resource
import subprocess
import sys
import time
from typing import Any, Final

from django.db import connection

from aion import client
from aion_engine.runtime.identity import new_worker
from aion_engine.runtime.turn_loop import TurnLoop
from benchmarks.app.workflows import Answering

_COPIES: Final = (
    "CREATE TEMP TABLE copies AS SELECT gen_random_uuid() AS id FROM generate_series(1, %s)",
    "CREATE TEMP TABLE model AS SELECT * FROM aion_run",
    "INSERT INTO aion_run SELECT (jsonb_populate_record(m, jsonb_build_object("
    "'id', c.id, 'workflow_id', c.id, 'root_run_id', c.id))).* FROM model m, copies c",
    "INSERT INTO aion_event (run_id, seq, kind, recorded_at, attributes) "
    "SELECT c.id, e.seq, e.kind, e.recorded_at, e.attributes FROM aion_event e, copies c "
    "WHERE e.run_id IN (SELECT id FROM model)",
    "INSERT INTO aion_timer (run_id, timer_id, fire_at, parked) "
    "SELECT c.id, t.timer_id, t.fire_at, t.parked FROM aion_timer t, copies c "
    "WHERE t.run_id IN (SELECT id FROM model)",
    "ANALYZE",
)
_DAMAGE: Final = (
    "UPDATE aion_run SET status = 'failed' WHERE abs(hashtext(id::text)) % 100 = 1",
    "DELETE FROM aion_timer WHERE abs(hashtext(run_id::text)) % 100 = 2",
    "UPDATE aion_timer SET parked = true WHERE abs(hashtext(run_id::text)) % 100 = 3",
)


def measure(runs: int) -> None:
    """Make so many open runs, damage three in a hundred, and recover twice."""
    _make(runs)
    _say("nothing is wrong", runs)
    with connection.cursor() as cursor:
        damaged = [_rows(cursor, statement) for statement in _DAMAGE]
    _say(f"{damaged} rows damaged", runs)
    _say("a second time", runs)


def _rows(cursor: Any, statement: str) -> int:
    cursor.execute(statement)
    return int(cursor.rowcount)


def _make(runs: int) -> None:
    client.start_workflow(Answering)
    loop = TurnLoop(new_worker("benchmark").id)
    while loop.step():
        pass
    with connection.cursor() as cursor:
        for statement in _COPIES:
            cursor.execute(statement, [runs - 1] if "%s" in statement else None)


def _say(what: str, runs: int) -> None:
    began = time.perf_counter()
    process = subprocess.Popen(
        [sys.executable, "manage.py", "recover_workflows", "--json"], stdout=subprocess.PIPE
    )
    assert process.stdout is not None
    answer = process.stdout.read().decode()
    _, status, used = os.wait4(process.pid, 0)
    seconds = time.perf_counter() - began
    print(f"{runs:,} open runs, {what}: {seconds:.1f} s, {_mib(used):.0f} MiB, exit code {status}")
    print(f"  {answer.strip()}", flush=True)


def _mib(used: resource.struct_rusage) -> float:
    return used.ru_maxrss / 1024
