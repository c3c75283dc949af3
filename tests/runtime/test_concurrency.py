"""No worker runs more activities at once than it says."""

from __future__ import annotations

import asyncio
import threading
from typing import Any

import pytest

from aion import client
from tests.support import kit
from tests.support.engine import running_worker
from tests.support.waiting import eventually

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.mark.parametrize("local", [False, True], ids=["remote", "local"])
def test_a_worker_runs_no_more_at_once_than_it_says(
    script: Any, acting: Any, settings: Any, local: bool
) -> None:
    settings.AION = {**settings.AION, "LOCAL_THREADS": 2}
    lock, inside, most = threading.Lock(), [0], [0]
    let_go = threading.Event()

    @acting
    def work() -> None:
        with lock:
            inside[0] += 1
            most[0] = max(most[0], inside[0])
        let_go.wait(20)
        with lock:
            inside[0] -= 1

    @script
    async def main(me: kit.Scripted) -> None:
        asked = kit.act.with_options(local=local)
        await asyncio.gather(*(asked.execute("work") for _ in range(6)))

    with running_worker(activity_threads=2):
        handle = client.start_workflow(kit.Scripted, "main")
        eventually(lambda: inside[0] == 2)
        let_go.wait(0.3)  # time for a third, if there were one
        let_go.set()
        handle.result(20)
    assert most[0] == 2
