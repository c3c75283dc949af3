"""The doctor finds what is wrong by name, and nothing where nothing is."""

from __future__ import annotations

import dataclasses
import datetime as dt
import json
from collections.abc import Callable
from io import StringIO
from typing import Any

import pytest
from celery import current_app
from django.core.management import call_command
from django.core.management.base import CommandError
from django.db import OperationalError, connection, connections

from aion import client, workflow
from aion.core.ids import uuid7
from aion.models import ActivityTask, Event, Message, Run, Schedule, Tick, Timer, Worker
from aion.operations.doctor import ADVICE, Level, diagnose
from aion.operations.doctor.facts import Facts
from aion.operations.doctor.rules import examine
from aion.store import workers
from tests.support import kit
from tests.support.clocks import START, StandingClock
from tests.support.codecs import settings_with
from tests.support.engine import Engine

pytestmark = pytest.mark.django_db

OF_THE_TESTS = {"durability", "settings"}
"""How the test databases are set up is none of the doctor's business."""


@pytest.fixture(autouse=True)
def runs(script: Callable[[Any], Any], acting: Callable[[Any], Any]) -> None:
    @script
    async def main(me: kit.Scripted) -> Any:
        await workflow.sleep(5)
        return await kit.act.execute("step")

    @script
    async def steps(me: kit.Scripted) -> Any:
        return await kit.act.execute("step")

    @script
    async def elsewhere(me: kit.Scripted) -> Any:
        return await kit.act.with_options(task_queue="gpu").execute("step")

    @script
    async def listens(me: kit.Scripted) -> Any:
        await workflow.wait_condition(lambda: me.notes)
        return me.notes

    @acting
    def step() -> Any:
        raise RuntimeError("as written")


@pytest.fixture
def healthy(engine: Engine, clock: StandingClock, monkeypatch: pytest.MonkeyPatch) -> Engine:
    """A worker that lives and ticks, with some runs on their way. The database has the test's time."""
    monkeypatch.setattr("aion.store.symptoms.database_time", lambda: clock.read())
    Worker.objects.filter(id=engine.worker.id).update(queues=["default"])
    for name in ("main", "steps", "listens"):
        engine.start(name, id=name)
    engine.turns()
    engine.tick()
    return engine


def codes() -> set[str]:
    return {finding.code for finding in diagnose().findings} - OF_THE_TESTS


def test_nothing_is_found_where_all_is_well(healthy: Engine) -> None:
    assert codes() == set()


def _at_once(*statements: str) -> None:
    with connection.cursor() as cursor:
        for statement in statements:
            cursor.execute(statement)


def _later(engine: Engine, seconds: float, *, alive: bool = True, ticking: bool = True) -> None:
    clock.move(seconds)
    if alive:
        Worker.objects.update(last_seen_at=clock.read())
    if ticking:
        Tick.objects.update(ticked_at=clock.read())


class _Clock:
    """The clock of the test, for the faults below."""

    standing: StandingClock

    def move(self, seconds: float) -> None:
        self.standing.move(seconds)

    def read(self) -> dt.datetime:
        return self.standing.read()


clock = _Clock()


def a_key_is_missing(engine: Engine, settings: Any) -> None:
    settings_with(settings, PAYLOAD_CODECS=("tests.support.codecs.new_key",))
    client.start_workflow(kit.Scripted, "listens", id="sealed", memo={"a": "b"})
    settings_with(settings, PAYLOAD_CODECS=("tests.support.codecs.old_key",))


def a_run_is_held(engine: Engine, settings: Any) -> None:
    kit.SCRIPTS["main"] = kit.SCRIPTS["steps"]
    engine.loop.turns.cache.clear()
    client.get_workflow_handle("main").signal("note", 1)
    engine.turns()


def a_schedule_is_overdue(engine: Engine, settings: Any) -> None:
    client.create_schedule("s", kit.greet, "ada", spec=dt.timedelta(minutes=1))
    Schedule.objects.update(due_at=clock.read() - dt.timedelta(hours=1))


def broker_is_down(engine: Engine, settings: Any) -> None:
    settings_with(settings, DISPATCHER="aion_engine.runtime.dispatch.CeleryDispatcher")


def bell_is_down(engine: Engine, settings: Any) -> None:
    url = "redis://127.0.0.1:1/0"
    settings_with(settings, BELL="aion_engine.runtime.bells.RedisBell", REDIS_URL=url)


FAULTS: dict[str, tuple[str, Callable[[Engine, Any], Any]]] = {
    "the worker died": ("no_worker", lambda e, s: _later(e, 60, alive=False)),
    "the worker died with leases": ("dead_leases", lambda e, s: _later(e, 60, alive=False)),
    "an unknown owner has a run": (
        "dead_leases",
        lambda e, s: Run.objects.filter(workflow_id="main").update(owner_id=uuid7()),
    ),
    "beat died, and nobody ticks": ("tick", lambda e, s: _later(e, 60, ticking=False)),
    "nobody has ticked": ("tick", lambda e, s: Tick.objects.all().delete()),
    "nobody consumes a queue": (
        "queue_without_worker",
        lambda e, s: [e.start("elsewhere"), e.turns()],
    ),
    "workers are busy": ("unclaimed_activity", lambda e, s: _later(e, 30)),
    "a timer does not fire": ("overdue_timer", lambda e, s: _later(e, 30)),
    "a signal is not seen": (
        "unfolded_message",
        lambda e, s: [client.get_workflow_handle("listens").signal("note"), _later(e, 30)],
    ),
    "code was rolled back": ("held_runs", a_run_is_held),
    "a key is missing": ("payload_key", a_key_is_missing),
    "a type is gone": (
        "unknown_type",
        lambda e, s: Run.objects.filter(workflow_id="main").update(workflow_type="old.Type"),
    ),
    "a run is paused": ("paused_runs", lambda e, s: client.get_workflow_handle("main").pause()),
    "an activity fails for ever": (
        "failing_activity",
        lambda e, s: ActivityTask.objects.update(
            attempt=9, last_failure='{"type":"X","message":""}'
        ),
    ),
    "a schedule is overdue": ("overdue_schedule", a_schedule_is_overdue),
    "nobody prunes": (
        "pruning_late",
        lambda e, s: [
            Tick.objects.create(id=workers.PRUNING, ticked_at=clock.read()),
            _later(e, 3600, ticking=False),
        ],
    ),
    "a worker's clock is ahead": (
        "clock_worker",
        lambda e, s: Worker.objects.update(last_seen_at=clock.read() + dt.timedelta(hours=1)),
    ),
    "the broker is down": ("broker", broker_is_down),
    "the bell is down": ("bell", bell_is_down),
    "a migration is missing": (
        "migrations",
        lambda e, s: _at_once("DELETE FROM django_migrations WHERE app = 'aion'"),
    ),
    "a setting is wrong": ("settings", lambda e, s: settings_with(s, PAYLOAD_STORAGE="nowhere")),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_a_fault_is_found_by_name(
    healthy: Engine, fault: str, settings: Any, request: pytest.FixtureRequest
) -> None:
    clock.standing = request.getfixturevalue("clock")
    code, inject = FAULTS[fault]
    if code == "broker":
        patch = request.getfixturevalue("monkeypatch")
        patch.setattr(current_app.conf, "broker_write_url", "redis://127.0.0.1:1/0")

    inject(healthy, settings)

    found = {finding.code: finding for finding in diagnose().findings}
    assert code in found
    assert found[code].summary
    assert found[code].remedy == ADVICE[code].remedy


def test_the_doctor_changes_nothing(healthy: Engine) -> None:
    models = (Run, Event, Message, Timer, ActivityTask, Worker, Tick, Schedule)
    before = [sorted(map(str, model.objects.values_list())) for model in models]

    diagnose()

    assert before == [sorted(map(str, model.objects.values_list())) for model in models]


def test_a_database_that_is_away_is_a_finding(
    healthy: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse() -> None:
        raise OperationalError("connection refused")

    monkeypatch.setattr(connections["default"], "ensure_connection", refuse)

    [finding] = diagnose().findings
    assert (finding.code, finding.summary) == (
        "database_away",
        "OperationalError: connection refused",
    )


# --- rules over facts that a test cannot bring about -------------------------------------------------


@pytest.mark.parametrize(
    ("facts", "code"),
    [
        ({"parameters": {"fsync": "off"}}, "durability"),
        ({"parameters": {"synchronous_commit": "off"}}, "durability"),
        ({"dialect": "sqlite", "parameters": {"synchronous": "0"}}, "durability"),
        ({"server_processes": 2}, "pooler"),
        ({"database_at": START + dt.timedelta(seconds=5)}, "clock_database"),
        ({"database_at": START - dt.timedelta(seconds=5)}, "clock_database"),
    ],
)
def test_what_a_database_says_is_judged(facts: dict[str, Any], code: str) -> None:
    assert code in {finding.code for finding in examine(Facts(now=START, **facts))}


def test_every_kind_is_reached_by_a_fault() -> None:
    reached = {code for code, _ in FAULTS.values()}

    assert set(ADVICE) - reached == {"durability", "pooler", "clock_database", "database_away"}


# --- the command ----------------------------------------------------------------------------------


def doctor(*options: str) -> tuple[int, str]:
    out = StringIO()
    try:
        call_command("aion_doctor", *options, stdout=out)
    except CommandError as error:
        return error.returncode, out.getvalue()
    return 0, out.getvalue()


@pytest.mark.parametrize(
    ("level", "plain", "strict"), [("info", 0, 0), ("warning", 0, 1), ("error", 1, 1)]
)
def test_exit_codes(
    healthy: Engine, monkeypatch: pytest.MonkeyPatch, level: str, plain: int, strict: int
) -> None:
    first = examine(Facts(now=START, broker_problem="gone"))[0]
    one = dataclasses.replace(first, level=Level(level))
    monkeypatch.setattr("aion.operations.doctor.diagnosis._findings", lambda: [one])

    assert doctor()[0] == plain
    assert doctor("--strict")[0] == strict


def test_the_report_says_what_to_do(healthy: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    # Other tests of this process may have left definitions that the checks rightly complain of.
    monkeypatch.setattr("aion.operations.doctor.facts.failing_checks", tuple)
    client.get_workflow_handle("main").pause()

    code, text = doctor()

    assert code == 0, text
    assert "INFO paused_runs: 1 runs are paused\n" in text
    assert "What to do: `manage.py resume_workflow ID`" in text
    report = json.loads(doctor("--json")[1])
    assert report["ok"] is True
    assert "paused_runs" in {finding["code"] for finding in report["findings"]}
