"""Ended sessions, commits whose answer is lost, a pooler in between: nothing is lost or done twice."""

from __future__ import annotations

import contextlib
import os
import random
import shutil
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, urlencode, urlsplit, urlunsplit

import pytest
from django.db import connection, connections

from aion import checks, client
from tests.acceptance import invariants, orders
from tests.acceptance.conftest import number
from tests.acceptance.processes import Cluster
from tests.acceptance.servers import answers, free_port
from tests.sample.models import Effect
from tests.sample.workflows import call
from tests.support.connections import end_other_sessions
from tests.support.engine import in_thread
from tests.support.proxies import Wire, wire
from tests.support.waiting import eventually

pytestmark = pytest.mark.postgres

SEED = number("AION_SEED", int.from_bytes(os.urandom(3)))


def redirected(environment: dict[str, str], port: int) -> None:
    """Send the processes of a cluster to another port, in plain text."""
    for name in ("AION_TEST_DATABASE_URL", "AION_DATABASE_URL"):
        parts = urlsplit(environment[name])
        query = dict(parse_qsl(parts.query))
        query |= {"host": "127.0.0.1", "port": str(port), "sslmode": "disable"}
        environment[name] = urlunsplit(parts._replace(query=urlencode(query)))


@pytest.fixture
def line(embedded_workers: Cluster) -> Iterator[Wire]:
    values = connection.settings_dict
    host, port = values["HOST"] or "/var/run/postgresql", int(values["PORT"] or 5432)
    with wire(host, port) as made:
        redirected(embedded_workers.environment, made.port)
        yield made


def test_orders_survive_ended_sessions_and_commits_without_answer(
    embedded_workers: Cluster, line: Wire
) -> None:
    """The same worker lives through all of it: no restart repairs anything."""
    count, rounds = number("AION_RUNS", 16), number("AION_CUTS", 8)
    print(f"AION_SEED={SEED} AION_RUNS={count} AION_CUTS={rounds}")
    chance = random.Random(SEED)
    worker = embedded_workers.aion_worker("only")
    keys = orders.start_orders(count)
    ended = 0

    for step in range(rounds):
        line.cut_after_commits(chance.choice((1, 1, 2, 3)))
        orders.approve(keys[step * count // rounds : (step + 1) * count // rounds])
        with contextlib.suppress(AssertionError):  # a worker with nothing to do commits nothing
            eventually(lambda: line.cuts_left == 0, timeout=1)
        if step % 2:
            ended += end_other_sessions()
    line.cut_after_commits(0)

    orders.assert_all_went_well(keys, timeout=60)
    print(f"{line.cut_count} commits without an answer, {ended} sessions ended")
    assert line.cut_count >= rounds // 2
    assert worker.alive


def test_an_activity_that_is_cut_off_goes_on(embedded_workers: Cluster, line: Wire) -> None:
    """In its heartbeats, while it runs, and at its end: one attempt is enough."""
    embedded_workers.aion_worker("only")
    handle = client.start_workflow(call, "only_heartbeats", ["cut", 8])
    eventually(lambda: Effect.objects.filter(key="began:cut").exists(), what="it runs")

    for _ in range(3):
        end_other_sessions()
        time.sleep(0.2)

    assert handle.result(60) == 1, "it was not begun again"
    assert invariants.problems() == []


POOLER = """[databases]
* = host={host} port={port} user={user}
[pgbouncer]
listen_addr = 127.0.0.1
listen_port = {own}
unix_socket_dir =
auth_type = any
pool_mode = transaction
default_pool_size = 4
max_client_conn = 100
ignore_startup_parameters = extra_float_digits,options
logfile = {log}
"""


@pytest.fixture
def pooler(tmp_path: Path) -> Iterator[int]:
    """The port of a PgBouncer in transaction mode, with fewer server sessions than clients."""
    program = shutil.which("pgbouncer", path=f"{os.environ['PATH']}:/usr/sbin")
    if program is None:
        pytest.skip("pgbouncer is not installed (apt-get install pgbouncer)")
    values = connection.settings_dict
    port = free_port()
    text = POOLER.format(
        host=values["HOST"] or "/var/run/postgresql",
        port=values["PORT"] or 5432,
        user=values["USER"] or "postgres",
        own=port,
        log=tmp_path / "pgbouncer.log",
    )
    configuration = tmp_path / "pgbouncer.ini"
    configuration.write_text(text)
    command = [program, str(configuration)]
    if os.geteuid() == 0:  # it refuses to be the superuser
        tmp_path.chmod(0o777)
        for parent in tmp_path.parents:
            if parent.stat().st_uid == 0 and not parent.stat().st_mode & 0o005:
                parent.chmod(parent.stat().st_mode | 0o055)
        command[1:1] = ["-u", "nobody"]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        eventually(lambda: answers(port), timeout=60, what="the pooler listens")
        yield port
    finally:
        process.kill()
        process.wait(60)


def test_workers_behind_a_pooler_in_transaction_mode(
    embedded_workers: Cluster, pooler: int
) -> None:
    embedded_workers.configure(aion={"TUNE_SESSION": False})
    redirected(embedded_workers.environment, pooler)
    count = 12
    embedded_workers.aion_worker("first")
    embedded_workers.aion_worker("second")
    keys = orders.start_orders(count)
    orders.approve(keys)

    orders.assert_all_went_well(keys, timeout=60)

    assert orders.repeated() == 0


def test_callers_behind_a_pooler_that_nobody_has_told_us_of(
    embedded_workers: Cluster, pooler: int
) -> None:
    """Their sessions change behind their backs; starts are made, each once."""
    embedded_workers.aion_worker("directly")

    def start(name: str) -> list[str]:
        pooled = connection.copy()
        pooled.settings_dict = {**pooled.settings_dict, "HOST": "127.0.0.1", "PORT": str(pooler)}
        connections["default"] = pooled  # this thread's
        keys = [f"{name}-{number}" for number in range(15)]
        for key in keys:
            client.start_workflow(call, "leave_local_mark_once", [key], id=key)
        return keys

    callers = [in_thread(start, f"caller{number}") for number in range(8)]  # of four sessions
    keys = [key for caller in callers for key in caller.done()]

    for key in keys:
        client.get_workflow_handle(key).result(60)
    assert Effect.objects.count() == len(keys)


@pytest.mark.django_db(transaction=True)
def test_the_database_check_sees_a_pooler(pooler: int, settings: Any) -> None:
    def found() -> list[str | None]:
        pooled = connection.copy()
        pooled.settings_dict = {**pooled.settings_dict, "HOST": "127.0.0.1", "PORT": str(pooler)}
        connections["default"] = pooled  # this thread's
        return [message.id for message in checks.check_database(None, databases=["default"])]

    directly = [message.id for message in checks.check_database(None, databases=["default"])]
    tuned = in_thread(found).done()
    settings.AION = {**settings.AION, "TUNE_SESSION": False}
    untuned = in_thread(found).done()

    assert (directly, tuned, untuned) == ([], ["aion.W005"], [])
