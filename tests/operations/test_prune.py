"""Retention: old closed runs go with everything they had; what something needs stays."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable
from typing import Any

import pytest
from django.apps import apps
from django.db import models

from aion import client, workflow
from aion.core.errors import InvalidArgument, RunNotFound
from aion.core.events import SignalReceived
from aion.core.ids import uuid7
from aion.models import Event, Firing, Message, Request, Run, SearchValue, Timer, Update
from aion.operations import prune as pruning
from aion.operations.prune import PruneReport, prune
from aion.store import mailbox, retention
from aion.store.claims import lock_run
from aion.store.dialects import atomic, connection
from tests.operations.test_races import somebody_waits_for_a_lock
from tests.support import kit
from tests.support.clocks import StandingClock
from tests.support.engine import Engine, in_thread
from tests.support.waiting import eventually

pytestmark = pytest.mark.django_db

Register = Callable[[Any], Any]
DAY = dt.timedelta(days=1)


@pytest.fixture(autouse=True)
def runs(script: Register) -> None:
    """What the tests start: runs that end at once, wait, continue, and have children."""

    @script
    async def brief(me: kit.Scripted) -> Any:
        return "done"

    @script
    async def waits(me: kit.Scripted) -> Any:
        await workflow.wait_condition(lambda: "end" in me.notes)
        if "again" in me.notes:
            workflow.continue_as_new("waits")
        return me.notes

    @script
    async def parent(me: kit.Scripted) -> Any:
        child = await workflow.start_child_workflow(
            kit.Scripted, "waits", id="child", parent_close_policy="abandon"
        )
        await workflow.wait_condition(lambda: "end" in me.notes)
        return str(child.run_id)


def summary(report: PruneReport) -> tuple[int, int]:
    return report.runs, report.kept


def ids() -> set[str]:
    return set(Run.objects.values_list("workflow_id", flat=True))


def rows_of(run_id: Any) -> dict[str, int]:
    """How many rows any table has that names the run in a column `run_id`."""
    found = {}
    with connection().cursor() as cursor:
        for table in retention.tables():
            key = Run._meta.pk.get_db_prep_value(run_id, connection())
            cursor.execute(f"SELECT count(*) FROM {table} WHERE run_id = %s", [key])
            found[table] = cursor.fetchone()[0]
    return found


# --- what goes ------------------------------------------------------------------------------------


def test_no_table_with_a_run_is_forgotten() -> None:
    owned = {
        model._meta.db_table
        for model in apps.get_app_config("aion").get_models()
        if any(field.column == "run_id" for field in model._meta.local_concrete_fields)
    }

    assert set(retention.tables()) == owned - {Firing._meta.db_table}  # a schedule's, not the run's
    assert {m._meta.db_table for m in (Event, Message, Request, SearchValue, Timer, Update)} <= (
        owned
    )


def test_an_old_run_goes_with_everything(engine: Engine, clock: StandingClock) -> None:
    old = engine.start("waits", id="old", search_attributes={"n": 1}, request_id="start")
    old.signal("note", "end", request_id="r")
    engine.go()
    clock.move(2 * DAY.total_seconds())
    engine.start("brief", id="young")
    engine.go()
    assert rows_of(old.run_id)["aion_event"] > 2
    assert rows_of(old.run_id)["aion_request"] == 1

    report = prune(DAY)

    assert (summary(report), report.events > 2) == ((1, 0), True)
    assert ids() == {"young"}
    assert set(rows_of(old.run_id).values()) == {0}
    assert summary(prune(DAY)) == (0, 0)
    with pytest.raises(RunNotFound):
        old.describe()


def test_every_table_is_emptied(engine: Engine, clock: StandingClock) -> None:
    """Rows that a closed run should not have go with it as well; but mail keeps it."""
    old = engine.start("brief", id="old")
    engine.go()
    for name in retention.tables():
        [model] = [m for m in apps.get_models() if m._meta.db_table == name]
        if model not in (Event, Message):
            _insert_anything(model, old.run_id)
    assert 0 not in {n for table, n in rows_of(old.run_id).items() if table != "aion_message"}
    clock.move(2 * DAY.total_seconds())

    prune(DAY)

    assert set(rows_of(old.run_id).values()) == {0}


def _insert_anything(model: type[models.Model], run_id: Any) -> None:
    values: dict[str, Any] = {}
    for field in model._meta.local_concrete_fields:
        given = field.null or field.has_default() or field.primary_key
        if given and not (field.primary_key and isinstance(field, models.ForeignKey)):
            continue
        match field:
            case models.ForeignKey():
                values[field.attname] = run_id
            case models.DateTimeField():
                values[field.attname] = dt.datetime(2026, 1, 1, tzinfo=dt.UTC)
            case models.IntegerField():
                values[field.attname] = 1
            case _:
                values[field.attname] = "x"
    model._base_manager.bulk_create([model(**values)])


def test_open_and_young_runs_stay(engine: Engine, clock: StandingClock) -> None:
    engine.start("waits", id="open")
    engine.turns()
    clock.move(2 * DAY.total_seconds())
    engine.start("brief", id="young")
    engine.go()

    assert summary(prune(DAY)) == (0, 0)
    assert ids() == {"open", "young"}


def test_type_and_status_narrow(engine: Engine, clock: StandingClock) -> None:
    engine.start("brief", id="completed")
    engine.start("waits", id="terminated").terminate()
    client.start_workflow(kit.greet, "ada", id="greeting")
    engine.go()
    clock.move(2 * DAY.total_seconds())

    assert summary(prune(DAY, status=["terminated"])) == (1, 0)
    assert ids() == {"completed", "greeting"}
    assert summary(prune(DAY, workflow_type="kit.Scripted")) == (1, 0)
    assert ids() == {"greeting"}


@pytest.mark.parametrize("batch", [1, 2, 200])
def test_batches_go_through_all(
    engine: Engine, clock: StandingClock, batch: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pruning, "MOST_EVENTS", 5)
    for number in range(5):
        engine.start("brief", id=f"run-{number}")
    engine.go()
    clock.move(2 * DAY.total_seconds())
    seen: list[int] = []

    dry = prune(DAY, batch=batch, dry_run=True)
    assert len(ids()) == 5
    report = prune(DAY, batch=batch, progress=lambda so_far: seen.append(so_far.runs))

    assert summary(dry) == summary(report) == (5, 0)
    assert not ids()
    assert seen == sorted(seen)
    assert len(seen) >= 3  # ten events: two runs in a batch at most


@pytest.mark.parametrize(
    "arguments",
    [
        {"older_than": -DAY},
        {"older_than": 90},
        {"older_than": dt.timedelta.max},
        {"status": ["running"]},
        {"status": ["gone"]},
        {"batch": 0},
        {"batch": 1001},
        {"workflow_type": 3},
    ],
)
def test_what_cannot_be_used_deletes_nothing(
    engine: Engine, clock: StandingClock, arguments: dict[str, Any]
) -> None:
    engine.start("brief", id="old")
    engine.go()
    clock.move(2 * DAY.total_seconds())

    with pytest.raises(InvalidArgument):
        prune(**{"older_than": DAY, **arguments})
    assert ids() == {"old"}


# --- what is needed -------------------------------------------------------------------------------


def test_a_closed_child_goes_after_its_parent(engine: Engine, clock: StandingClock) -> None:
    parent = engine.start("parent", id="parent")
    engine.go()
    client.get_workflow_handle("child").signal("note", "end")
    engine.go()
    clock.move(2 * DAY.total_seconds())

    assert summary(prune(DAY)) == (0, 1)
    parent.signal("note", "end")
    engine.go()
    assert summary(prune(DAY)) == (0, 1)
    clock.move(2 * DAY.total_seconds())
    assert summary(prune(DAY, dry_run=True, batch=1))[0] == 1  # the child closed before
    assert summary(prune(DAY)) == (2, 0)


def test_a_closed_parent_stays_with_its_open_child(engine: Engine, clock: StandingClock) -> None:
    engine.start("parent", id="parent").signal("note", "end")
    engine.go()
    clock.move(2 * DAY.total_seconds())

    assert summary(prune(DAY)) == (0, 1)
    client.get_workflow_handle("child").signal("note", "end")
    engine.go()
    assert summary(prune(DAY)) == (1, 0)  # the child is young, and its parent needs nobody
    clock.move(2 * DAY.total_seconds())
    assert summary(prune(DAY)) == (1, 0)
    assert not Message.objects.exists()


def test_chains_go_from_their_first_run(engine: Engine, clock: StandingClock) -> None:
    first = engine.start("waits", id="chain")
    for _number in range(2):
        chain = client.get_workflow_handle("chain")
        chain.signal("note", "again")
        chain.signal("note", "end")
        engine.go()
        clock.move(2 * DAY.total_seconds())
    Run.objects.filter(id=first.run_id).update(status="failed")

    assert summary(prune(DAY, status=["continued_as_new"])) == (0, 1)  # the first run leads to it
    assert summary(prune(DAY, dry_run=True, batch=1)) == (2, 0)
    assert summary(prune(DAY)) == (2, 0)

    last = client.get_workflow_handle("chain")
    last.signal("note", "end", request_id="r")
    engine.go()
    assert last.result(0) == ["end"]
    start = next(r.seq for r in last.fetch_history() if r.kind == "WorkflowStarted")
    again = last.reset(start)  # from its start on, with its signal
    engine.go()
    assert again.result(0) == ["end"]
    assert again.run_id != last.run_id


def test_mail_keeps_a_run_until_a_turn_has_seen_it(engine: Engine, clock: StandingClock) -> None:
    handle = engine.start("brief", id="old")
    engine.go()
    clock.move(2 * DAY.total_seconds())
    assert handle.run_id is not None
    letter = mailbox.message(handle.run_id, SignalReceived(name="note"))
    mailbox.post([letter], now=clock.at)

    assert summary(prune(DAY)) == (0, 1)
    engine.turns()
    assert summary(prune(DAY)) == (1, 0)


def test_a_schedule_hears_of_the_end_first(engine: Engine, clock: StandingClock) -> None:
    schedule = client.create_schedule("s", kit.greet, "ada", spec=DAY, paused=True)
    firing = schedule.trigger()
    engine.go()
    Firing.objects.update(state="running", current_run_id=firing.run_id)
    clock.move(2 * DAY.total_seconds())

    assert summary(prune(DAY)) == (0, 1)
    Firing.objects.update(state="ended")
    assert summary(prune(DAY)) == (1, 0)
    assert schedule.describe().recent[0].run_id == firing.run_id


def test_rows_of_other_applications_keep_their_runs(engine: Engine, clock: StandingClock) -> None:
    class Order(models.Model):
        run = models.ForeignKey(Run, models.PROTECT)
        later = models.ForeignKey(Run, models.DO_NOTHING, db_constraint=False, related_name="+")

        class Meta:
            app_label = "contenttypes"  # any that is not ours
            db_table = "shop_order"

    retention.tables.cache_clear()
    retention.foreign_links.cache_clear()
    try:
        assert retention.foreign_links() == (("shop_order", "run_id"),)
        assert "shop_order" not in retention.tables()
        named, free = (engine.start("brief", id=name) for name in ("named", "free"))
        engine.go()
        clock.move(2 * DAY.total_seconds())
        with connection().cursor() as cursor:
            cursor.execute(f"CREATE TEMPORARY TABLE shop_order (run_id {_uuid_type()})")
            key = Run._meta.pk.get_db_prep_value(named.run_id, connection())
            cursor.execute("INSERT INTO shop_order VALUES (%s)", [key])

        assert summary(prune(DAY)) == (1, 1)
        assert ids() == {"named"}
        assert free.run_id is not None
        with connection().cursor() as cursor:
            cursor.execute("DROP TABLE shop_order")
    finally:
        del apps.all_models["contenttypes"]["order"]
        apps.clear_cache()
        retention.tables.cache_clear()
        retention.foreign_links.cache_clear()
    assert retention.foreign_links() == ()


def _uuid_type() -> str:
    return "uuid" if connection().vendor == "postgresql" else "char(32)"


def test_mail_for_nobody_is_swept_up(engine: Engine, clock: StandingClock) -> None:
    engine.start("waits", id="open").signal("note", 1)
    mailbox.post([(uuid7(), mailbox.WAKE, "{}")] * 3, now=clock.at)
    before = Message.objects.count()

    prune(DAY, batch=2, dry_run=True)
    assert Message.objects.count() == before
    prune(DAY, batch=2)

    assert Message.objects.count() == before - 3
    assert set(Message.objects.values_list("run_id", flat=True)) <= set(
        Run.objects.values_list("id", flat=True)
    )


# --- beside others --------------------------------------------------------------------------------


def test_turns_between_the_batches_change_nothing(engine: Engine, clock: StandingClock) -> None:
    for number in range(3):
        engine.start("brief", id=f"old-{number}")
        engine.go()
        clock.move(1)
    waiting = engine.start("waits", id="waiting")
    failed = engine.start("waits", id="failed")
    engine.go()
    failed.terminate()
    clock.move(2 * DAY.total_seconds())

    def between(report: PruneReport) -> None:
        engine.start("brief", id=f"new-{report.runs}")
        if report.runs == 1:
            waiting.signal("note", "end")
            failed.reopen()  # before the walk has come to it
        engine.go()

    assert summary(prune(DAY, batch=1, progress=between)) == (3, 0)

    assert ids() == {"waiting", "failed", "new-1", "new-2", "new-3"}
    assert waiting.result(0) == ["end"]
    assert failed.describe().status.is_open
    assert Event.objects.exclude(run_id__in=Run.objects.values("id")).count() == 0


@pytest.mark.postgres
@pytest.mark.django_db(transaction=True)
def test_a_run_that_somebody_holds_is_left_alone(engine: Engine, clock: StandingClock) -> None:
    held = engine.start("brief", id="held")
    engine.start("brief", id="free")
    engine.go()
    clock.move(2 * DAY.total_seconds())
    assert held.run_id is not None

    with atomic():
        lock_run(held.run_id)
        in_thread(lambda: prune(DAY)).done()
        assert ids() == {"held"}
    assert summary(prune(DAY)) == (1, 0)


@pytest.mark.postgres
@pytest.mark.django_db(transaction=True)
def test_a_reopening_that_comes_too_late_hears_so(
    engine: Engine, clock: StandingClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    old = engine.start("waits", id="old")
    old.terminate()
    engine.go()
    clock.move(2 * DAY.total_seconds())
    true_delete = retention.delete
    late: list[Any] = []

    def delete(run_ids: Any) -> None:
        if run_ids:
            late.append(in_thread(old.reopen))
            eventually(somebody_waits_for_a_lock)
        true_delete(run_ids)

    monkeypatch.setattr(retention, "delete", delete)

    assert summary(prune(DAY)) == (1, 0)
    with pytest.raises(RunNotFound):
        late[0].done()
    assert not ids()
    assert not Event.objects.exists()
