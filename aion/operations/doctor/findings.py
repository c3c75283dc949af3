"""What a doctor may find: a name, how bad it is, what it means, what to do. Pure."""

from __future__ import annotations

import dataclasses
import enum
from typing import Final


class Level(enum.StrEnum):
    """How bad a finding is: something does not move; it may soon; or it is only worth knowing."""

    ERROR = "error"
    WARNING = "warning"
    INFO = "info"


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One thing that was found. `summary` says what here and now; `examples` name some of it."""

    code: str
    level: Level
    summary: str
    meaning: str
    remedy: str
    examples: tuple[str, ...] = ()


@dataclasses.dataclass(frozen=True, slots=True)
class Advice:
    """What a kind of finding means, and what to do."""

    level: Level
    meaning: str
    remedy: str


_ERROR, _WARNING, _INFO = Level.ERROR, Level.WARNING, Level.INFO

ADVICE: Final = {
    "database_away": Advice(
        _ERROR,
        "The database does not answer: nothing starts and nothing moves. Nothing is lost.",
        "Bring the database back. Workers connect again by themselves.",
    ),
    "settings": Advice(
        _ERROR,
        "A system check fails, so something cannot work as it is configured.",
        "Do what the message says; `manage.py check --database default` shows it again.",
    ),
    "migrations": Advice(
        _ERROR,
        "The tables are not those of this code.",
        "Run `manage.py migrate`; deploy the code that belongs to the tables if they are newer.",
    ),
    "durability": Advice(
        _WARNING,
        "The database says that a commit is done before it is on disk. A power cut may lose the newest "
        "steps, which then run again.",
        "Set it back for this database, unless you have decided so.",
    ),
    "pooler": Advice(
        _WARNING,
        "A pooler hands each transaction to another server process, and the loop's session settings "
        "would reach other clients.",
        "Set AION['TUNE_SESSION'] = False, or give workers a connection past the pooler.",
    ),
    "broker": Advice(
        _ERROR,
        "Activities are handed over to nobody. Runs go on to the next activity and wait there.",
        "Bring the broker back, or run `manage.py aion_worker` meanwhile, which needs none.",
    ),
    "bell": Advice(
        _WARNING,
        "Nobody is rung, so work is found by polling: everything is right and some seconds late.",
        "Bring it back, or choose another BELL.",
    ),
    "tick": Advice(
        _ERROR,
        "Nobody looks at deadlines: timeouts, dead workers, schedules and lost hand-overs wait.",
        "Start beat (`celery -A config beat`) or any worker; each ticks when nobody else does.",
    ),
    "no_worker": Advice(
        _ERROR,
        "Nobody takes turns or runs activities. What is started waits.",
        "Start a Celery worker or `manage.py aion_worker`.",
    ),
    "queue_without_worker": Advice(
        _ERROR,
        "Activities wait in a queue that no living worker consumes.",
        "Start a worker with this queue (`-Q NAME`, `--queue NAME`), or correct the activity's task_queue.",
    ),
    "unclaimed_activity": Advice(
        _WARNING,
        "Activities have been due for longer than a hand-over takes: workers are busy, or do not run them.",
        "Add workers or concurrency for this queue; look whether the pool's processes hang.",
    ),
    "overdue_timer": Advice(
        _ERROR,
        "A timer should have fired: no turn loop takes its run.",
        "See that a worker hosts a loop (TURN_LOOP, LOOP_QUEUES) and is not overloaded.",
    ),
    "unfolded_message": Advice(
        _ERROR,
        "A message waits for a turn that nobody takes.",
        "See that a worker hosts a loop (TURN_LOOP, LOOP_QUEUES) and is not overloaded.",
    ),
    "held_runs": Advice(
        _WARNING,
        "The code of these runs failed in a way that only other code repairs; they wait and try again.",
        "Deploy the code that fits, or terminate them: docs/howto/operate-held-runs.md.",
    ),
    "payload_key": Advice(
        _ERROR,
        "Payloads cannot be brought back here: a key, a codec or the storage is missing.",
        "Give this process the keys and settings of those that wrote them.",
    ),
    "unknown_type": Advice(
        _WARNING,
        "Runs are open whose workflow type this code does not have: their next turn holds them.",
        "Deploy the code that has the type, or terminate the runs.",
    ),
    "paused_runs": Advice(
        _INFO,
        "Somebody paused these runs; they wait until they are resumed.",
        "`manage.py resume_workflow ID`, when their time has come.",
    ),
    "failing_activity": Advice(
        _WARNING,
        "Activities have failed again and again and are still tried.",
        "Read the last failure (`describe_workflow ID`); pause, fix, retry, or fail it by hand.",
    ),
    "dead_leases": Advice(
        _WARNING,
        "Dead workers hold runs or attempts, which nobody else takes until they are given back.",
        "A tick gives them back within seconds; if this stays, see `tick`, or run recover_workflows.",
    ),
    "overdue_schedule": Advice(
        _WARNING,
        "Schedules should have been looked at: nobody ticks, or starting their workflow fails.",
        "See `tick`; `manage.py describe_schedule ID` shows the problem of one.",
    ),
    "pruning_late": Advice(
        _WARNING,
        "Nobody has looked for old runs for a while: the tables grow.",
        "See that beat has the entry `aion.prune`, or that a worker runs; `prune_workflows` does it now.",
    ),
    "clock_database": Advice(
        _WARNING,
        "The clock of this machine and that of the database differ.",
        "Let all machines follow one time server. Leases are as right as the clocks.",
    ),
    "clock_worker": Advice(
        _WARNING,
        "A worker says that it was seen in the future: its clock is ahead of this machine's.",
        "Let all machines follow one time server. Leases are as right as the clocks.",
    ),
}
"""Every kind of finding by its code."""


def found(
    code: str, summary: str, *, level: Level | None = None, examples: tuple[str, ...] = ()
) -> Finding:
    """Make a finding of a kind."""
    advice = ADVICE[code]
    return Finding(
        code=code,
        level=level or advice.level,
        summary=summary,
        meaning=advice.meaning,
        remedy=advice.remedy,
        examples=examples,
    )
