"""Runs and activities that kill processes: they are found and stopped, and their neighbours go on."""

from __future__ import annotations

import pytest

from aion import client
from aion.core.errors import WorkflowFailureError
from aion.models import Run
from aion.store.holds import PARKED
from tests.acceptance import invariants
from tests.acceptance.processes import Cluster
from tests.sample.models import Effect
from tests.sample.workflows import call, deadly
from tests.support.waiting import eventually

SUPERVISOR = """
import faulthandler
from aion_engine.runtime.worker import Worker
faulthandler.disable()  # what kills these workers is known
for life in range(12):
    pid = os.fork()
    if pid == 0:
        Worker(activity_threads=2).run()
        os._exit(0)
    _, status = os.waitpid(pid, 0)
    print("worker", life, "died:", os.waitstatus_to_exitcode(status), flush=True)
"""


def test_runs_that_kill_their_worker_are_parked(embedded_workers: Cluster) -> None:
    embedded_workers.configure(aion={"CRASH_LIMIT": 2, "LEASE": 2.0})
    before = [client.start_workflow(call, "leave_mark_once", [f"{n}"]) for n in range(3)]
    killing = [client.start_workflow(deadly, how, id=how) for how in ("segfault", "exit")]
    after = [client.start_workflow(call, "leave_local_mark", [f"local-{n}"]) for n in range(3)]

    supervisor = embedded_workers.script("supervisor", SUPERVISOR)

    calm = [*before, *after]
    results = [handle.result(90) for handle in calm]
    assert results == [*(f"{n}" for n in range(3)), *(f"local-{n}" for n in range(3))]
    eventually(
        lambda: Run.objects.filter(held_until__gte=PARKED).count() == len(killing),
        timeout=60,
        what="both are parked",
    )
    assert {handle.describe().problem["code"] for handle in killing} == {"crash_loop"}  # type: ignore[index]
    deaths = sum(line.startswith("worker ") for line in supervisor.output.splitlines())
    print(f"{deaths} workers died")
    assert deaths <= 6, "one unseen, one of all, and one alone for each that kills"

    late = client.start_workflow(call, "leave_mark_once", ["late"])
    assert late.result(60) == "late"
    assert invariants.problems() == []


@pytest.mark.postgres
@pytest.mark.redis
def test_an_activity_that_breaks_its_process_fails_its_run_only(workers: Cluster) -> None:
    workers.celery("first", "-B")
    broken = client.start_workflow(call, "break_process", ["it"])
    others = [client.start_workflow(call, "leave_mark", [f"{n}"]) for n in range(5)]

    with pytest.raises(WorkflowFailureError, match=r"its process \d+ died"):
        broken.result(60)

    assert [handle.result(60) for handle in others] == [f"{n}" for n in range(5)]
    assert Effect.objects.filter(key="break:it").count() == 2, "as its policy says"
    assert invariants.problems() == []
