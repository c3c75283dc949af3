"""The environment in Django's own test cases, sync and async."""

from __future__ import annotations

import asyncio
import datetime as dt

import pytest
from django.test import TestCase, TransactionTestCase

from aion import client
from aion.models import Run
from aion_engine.testing import WorkflowEnvironment
from tests.testing import stories
from tests.testing.stories import Subscription

DAY = dt.timedelta(days=1)


class InATestCase(TestCase):
    def setUp(self) -> None:
        self.env = WorkflowEnvironment().open()
        self.addCleanup(self.env.close)

    def test_a_run_comes_to_its_end(self) -> None:
        assert self.env.execute_workflow(Subscription, "ada", 3) == 3

    def test_the_rows_of_other_tests_are_gone(self) -> None:
        self.env.execute_workflow(stories.each_kind, "ada")

        assert Run.objects.count() == 1


class InATransactionTestCase(TransactionTestCase):
    def test_a_run_comes_to_its_end(self) -> None:
        with WorkflowEnvironment() as env:
            handle = env.start_workflow(Subscription, "ada", 3)
            env.skip(DAY)
            assert handle.query("so_far") == 2
            assert handle.result() == 3
            assert env.execute_workflow(stories.each_kind, "ada")[1] == "local ada"


class InAnAsyncTestCase(TestCase):
    async def test_a_run_comes_to_its_end(self) -> None:
        async with WorkflowEnvironment() as env:
            begin = env.now
            handle = await client.astart_workflow(Subscription, "ada", 3)
            assert await handle.aexecute_update(Subscription.change, 9) == 5
            await env.askip(DAY)
            assert await handle.aquery("so_far") == 2
            assert await handle.aresult() == 3
            assert env.now == begin + 3 * DAY
            await env.arun_until_idle()
            assert await env.aexecute_workflow(stories.each_kind, "ada")
            await env.aadvance_to(env.now + DAY)
            assert not await env.askip_to_next()


@pytest.mark.django_db(transaction=True)
def test_a_coroutine_of_a_test_of_pytest() -> None:
    async def main() -> int:
        async with WorkflowEnvironment() as env:
            handle = await env.astart_workflow(Subscription, "ada", 3)
            result: int = await handle.aresult()
            return result

    assert asyncio.run(main()) == 3
