"""Whether the workload got what it was promised: ledger and business tables against the histories.

Plain SQL again. What holds of any tables is checked by `tests.acceptance.invariants`.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from typing import Any, Final

from tests.acceptance.chaos.ledger import Line
from tests.acceptance.invariants.sql import field, rows, run_id, text, value

TRANSACTIONAL: Final = ("chaos.book", "chaos.book_here")
AT_LEAST_ONCE: Final = ("chaos.note", "chaos.note_here", "chaos.stumble", "chaos.count")


def problems(ledger: Iterable[Line]) -> list[str]:
    """Give a sentence for each promise that was not kept."""
    return [*_of_callers(list(ledger)), *_of_business(), *_of_children()]


# --- what callers were told ---


def _of_callers(lines: list[Line]) -> Iterator[str]:
    ended = {line["story"] for line in lines if line.get("ended")}
    for number in sorted({line["story"] for line in lines} - ended):
        yield f"story {number} was not told to its end"
    for line in lines:
        if "broken" in line:
            yield f"story {line['story']} broke off: {line['broken']}"
        if "result" in line and line["found"] != line["expected"]:
            yield f"{line['result']} gave {line['found']} in place of {line['expected']}"
    firsts = dict(
        rows(
            "SELECT workflow_id, count(*) FROM aion_run WHERE continued_from_run_id IS NULL "
            "GROUP BY workflow_id"
        )
    )
    for line in lines:
        for key, count in (("started", 1), ("undone", 0)):
            if key in line and firsts.get(line[key], 0) != count:
                yield f"{line[key]} was {key} and has {firsts.get(line[key], 0)} runs"
    yield from _lost_signals(lines)
    yield from _lost_updates(lines)
    yield from _wrong_ends(lines)


def _lost_signals(lines: list[Line]) -> Iterator[str]:
    found = rows(
        f"SELECT DISTINCT r.workflow_id, {field('e', 'request_id')} FROM aion_event e "
        "JOIN aion_run r ON r.id = e.run_id WHERE e.kind = 'SignalReceived'"
    )
    received = set(found)
    for line in lines:
        if "signalled" in line and (line["signalled"], line["request_id"]) not in received:
            yield f"signal {line['request_id']} was accepted and is in no history"


def _lost_updates(lines: list[Line]) -> Iterator[str]:
    found = rows(
        f"SELECT r.workflow_id, {field('e', 'update_id')}, e.kind, {value('e', 'result')} "
        "FROM aion_event e JOIN aion_run r ON r.id = e.run_id "
        "WHERE e.kind IN ('UpdateAccepted', 'UpdateCompleted')"
    )
    accepted = {
        (workflow, update) for workflow, update, kind, _ in found if kind == "UpdateAccepted"
    }
    answers = {
        (workflow, update): json.loads(result)
        for workflow, update, kind, result in found
        if kind == "UpdateCompleted"
    }
    for line in lines:
        update = (line.get("updated") or line.get("refused"), line.get("update_id"))
        if "updated" in line and answers.get(update, ...) != line["answer"]:
            yield f"update {update[1]} was answered {line['answer']}, and its run says otherwise"
        if "refused" in line and update in accepted:
            yield f"update {update[1]} was refused, and its run has accepted it"


def _wrong_ends(lines: list[Line]) -> Iterator[str]:
    statuses = dict(
        rows(
            "SELECT r.workflow_id, r.status FROM aion_run r WHERE NOT EXISTS "
            "(SELECT 1 FROM aion_run n WHERE n.continued_from_run_id = r.id)"
        )
    )
    for line in lines:
        if "ends" in line and statuses.get(line["ends"]) != line["status"]:
            yield f"{line['ends']} is {statuses.get(line['ends'])} in place of {line['status']}"


# --- what activities did ---


def _of_business() -> Iterator[str]:
    yield from _booked_twice()
    yield from _booked_without_outcome()
    yield from _outcomes_without_entry()
    yield from _wrong_balances()
    yield from _outcomes_without_effect()


def _booked_twice() -> Iterator[str]:
    for run, activity, count in rows(
        "SELECT run_id, activity_id, count(*) FROM sample_entry "
        "GROUP BY run_id, activity_id HAVING count(*) > 1"
    ):
        yield f"transactional activity {activity} of run {run} has booked {count} times"


def _booked_without_outcome() -> Iterator[str]:
    """An outcome that comes to a run that was ended from outside meanwhile is not recorded any more."""
    for run, activity in rows(
        "SELECT n.run_id, n.activity_id FROM sample_entry n LEFT JOIN aion_run r ON r.id = n.run_id "
        "WHERE NOT EXISTS (SELECT 1 FROM aion_event e WHERE e.run_id = n.run_id "
        f"AND e.kind = 'ActivityCompleted' AND {field('e', 'activity_id')} = n.activity_id) "
        "AND COALESCE(r.status, '') NOT IN ('terminated', 'timed_out')"
    ):
        yield f"transactional activity {activity} of run {run} has booked and did not complete"


def _completed(types: tuple[str, ...]) -> str:
    """Give the outcomes of activities of these types: a local one names its type, others their order does."""
    return (
        f"SELECT e.run_id, {field('e', 'activity_id')} AS activity_id FROM aion_event e "
        "LEFT JOIN aion_event s ON s.run_id = e.run_id AND s.kind = 'ActivityScheduled' "
        f"AND {field('s', 'activity_id')} = {field('e', 'activity_id')} "
        "WHERE e.kind = 'ActivityCompleted' "
        f"AND COALESCE({field('e', 'activity_type')}, {field('s', 'activity_type')}) IN ({text(types)})"
    )


def _outcomes_without_entry() -> Iterator[str]:
    for run, activity in rows(
        f"SELECT c.run_id, c.activity_id FROM ({_completed(TRANSACTIONAL)}) c WHERE NOT EXISTS "
        "(SELECT 1 FROM sample_entry n WHERE n.run_id = c.run_id AND n.activity_id = c.activity_id)"
    ):
        yield f"transactional activity {activity} of run {run} completed and has not booked"


def _wrong_balances() -> Iterator[str]:
    for account, balance, total in rows(
        "SELECT a.name, a.balance, COALESCE(sum(n.amount), 0) FROM sample_account a "
        "LEFT JOIN sample_entry n ON n.account = a.name GROUP BY a.name, a.balance "
        "HAVING a.balance <> COALESCE(sum(n.amount), 0)"
    ):
        yield f"account {account} says {balance} and its entries are {total}"


def _outcomes_without_effect() -> Iterator[str]:
    marks = f"'chaos:' || {_dashed('c.run_id')} || ':' || c.activity_id"
    for run, activity in rows(
        f"SELECT c.run_id, c.activity_id FROM ({_completed(AT_LEAST_ONCE)}) c WHERE NOT EXISTS "
        f"(SELECT 1 FROM sample_effect f WHERE f.key = {marks})"
    ):
        yield f"activity {activity} of run {run} completed and left no effect"


def _dashed(column: str) -> str:
    """Give an id as the activity wrote it."""
    text_of_id = run_id(column)
    if text_of_id != column:
        return text_of_id
    parts = ((1, 8), (9, 4), (13, 4), (17, 4), (21, 12))
    return " || '-' || ".join(f"substr({column}, {begin}, {length})" for begin, length in parts)


# --- what became of children ---


def _of_children() -> Iterator[str]:
    """A sitter ends as its policy says, however and whenever its parent ended."""
    cases: dict[str, Any] = {
        "terminate": "terminated",
        "request_cancel": "cancelled",
        "abandon": "completed",
    }
    for child, policy, status in rows(
        "SELECT workflow_id, parent_close_policy, status FROM aion_run "
        "WHERE workflow_type = 'chaos.sitter'"
    ):
        if status != cases[policy]:
            yield f"child {child} with the policy {policy} is {status}"
