"""The course of a run: set up, disturb, let it settle, look."""

from __future__ import annotations

import dataclasses
import os
import time
from collections import Counter
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

from tests.acceptance.chaos.faults import Injector
from tests.acceptance.chaos.ledger import Ledger
from tests.acceptance.chaos.stage import Stage, stage

SCHEDULES = ("allow_all", "skip", "buffer_one", "terminate_other")


@dataclasses.dataclass
class Outcome:
    """What happened, in numbers, and what was wrong."""

    seed: str
    seconds: float
    settled_in: float
    faults: dict[str, int]
    stories: int
    runs: dict[str, int]
    events: int
    firings: int
    entries: int
    hand_overs: list[float]
    violations: list[str]

    def as_dict(self) -> dict[str, Any]:
        return dataclasses.asdict(self)

    def text(self) -> str:
        lines = [f"  {count:5}  {name}" for name, count in sorted(self.faults.items())]
        runs = ", ".join(f"{count} {status}" for status, count in sorted(self.runs.items()))
        slowest = max(self.hand_overs, default=0.0)
        return "\n".join(
            [
                *lines,
                f"{sum(self.faults.values())} faults of {len(self.faults)} kinds in {self.seconds:g} s",
                f"{self.stories} stories, {sum(self.runs.values())} runs ({runs})",
                f"{self.events} events, {self.firings} firings, {self.entries} entries",
                f"settled {self.settled_in:.1f} s after the last fault; "
                f"{len(self.hand_overs)} workers stopped warmly, the slowest in {slowest:.1f} s",
                f"{len(self.violations)} violations (seed {self.seed})",
                *self.violations[:40],
            ]
        )


def play(
    directory: Path,
    seed: str,
    *,
    seconds: float,
    least: int,
    workers: int,
    pause: tuple[float, float],
    settle: float,
) -> Outcome:
    """Run the whole thing; the violations are empty if nothing was lost."""
    with stage(directory, seed) as scene:
        _set_up(scene)
        scene.raise_curtain(workers)
        _make_schedules()
        injector = Injector(scene, seed, pause=pause)
        injector.run(seconds, least)
        begin = time.monotonic()
        injector.finish()
        ended = _settle(scene, settle)
        settled_in = time.monotonic() - begin
        scene.close()
        outcome = _look(scene, seed, seconds, settled_in, injector.counts)
        if not ended:
            outcome.violations.insert(0, f"it did not come to an end within {settle:g} s")
        if outcome.violations:
            scene.show_logs()
        return outcome


def _set_up(scene: Stage) -> None:
    """Make the tables. The settings are read now, for they name the server that has just been started."""
    os.environ.update(
        AION_TEST_DATABASE_URL=scene.database_url,
        AION_ACCEPTANCE_BROKER=scene.redis.url,
        AION_ACCEPTANCE_BELL=scene.redis.url,
        AION_ACCEPTANCE_QUEUE="nobody",
    )
    import django
    from django.core.management import call_command

    django.setup()
    call_command("migrate", verbosity=0)
    from tests.acceptance.chaos.activities import ACCOUNTS
    from tests.sample.models import Account

    Account.objects.bulk_create(Account(name=name) for name in ACCOUNTS)


def _make_schedules() -> None:
    from aion import client
    from tests.acceptance.chaos.workflows import clockwork

    for overlap in SCHEDULES:
        client.create_schedule(overlap, clockwork, 1.5, spec=timedelta(seconds=1), overlap=overlap)


def _settle(scene: Stage, most: float) -> bool:
    """Let the callers finish and each schedule fire; end these, and wait until nothing waits any more."""
    until = time.monotonic() + most
    scene.recover()
    scene.stop_file.touch()
    _insist(_is_quiet)
    for condition in (scene.callers_are_done, _all_schedules_fired):
        if not _await(scene, condition, until):
            return False
    _delete_schedules()
    return _await(scene, _is_quiet, until)


def _all_schedules_fired() -> bool:
    from aion.models import Firing

    return Firing.objects.values("schedule_id").distinct().count() == len(SCHEDULES)


def _delete_schedules() -> None:
    from aion import client
    from aion.core.errors import ScheduleNotFound

    for overlap in SCHEDULES:
        try:
            client.get_schedule_handle(overlap).delete("the play is over")
        except ScheduleNotFound:
            continue


def _insist(action: Callable[[], object]) -> None:
    """Do something on a connection that may have broken a while ago; from then on it is whole."""
    from django.db import Error, connection

    try:
        action()
    except Error:
        connection.close()
        action()


def _await(scene: Stage, condition: Callable[[], bool], until: float) -> bool:
    while not condition():
        if time.monotonic() > until:
            return False
        scene.revive()
        time.sleep(0.1)
    return True


def _is_quiet() -> bool:
    from tests.acceptance import invariants

    return not invariants.unfinished()


def _look(
    scene: Stage, seed: str, seconds: float, settled_in: float, faults: Counter[str]
) -> Outcome:
    from tests.acceptance import invariants
    from tests.acceptance.chaos import promises
    from tests.acceptance.invariants.sql import rows

    lines = list(Ledger(scene.ledger).read())
    return Outcome(
        seed=seed,
        seconds=seconds,
        settled_in=settled_in,
        faults=dict(faults),
        stories=len({line["story"] for line in lines}),
        runs=dict(rows("SELECT status, count(*) FROM aion_run GROUP BY status")),
        events=rows("SELECT count(*) FROM aion_event")[0][0],
        firings=rows("SELECT count(*) FROM aion_firing WHERE run_id IS NOT NULL")[0][0],
        entries=rows("SELECT count(*) FROM sample_entry")[0][0],
        hand_overs=scene.hand_overs,
        violations=[
            *invariants.problems(),
            *invariants.unfinished(),
            *promises.problems(lines),
        ],
    )
