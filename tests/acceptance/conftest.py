"""Fixtures: a cluster of Celery workers on Redis, one of embedded workers, and settings to match here."""

from __future__ import annotations

import os
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.acceptance.processes import Cluster, cluster
from tests.acceptance.servers import OwnRedis, forget_queues, own_redis
from tests.conftest import ROOT
from tests.support.fixtures import clock, engine  # noqa: F401

# Short, so that recovery is seen soon. Nothing here may pause for so long on its own.
QUICK = {
    "LEASE": 3.0,
    "REPUBLISH_AFTER": 2.0,
    "TICK_STALE_AFTER": 2.0,
    "BELL_POLL_INTERVAL": 2.0,
}


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    here = Path(__file__).parent
    for item in items:
        if here in item.path.parents:
            item.add_marker(pytest.mark.acceptance)


@pytest.fixture
def queue() -> str:
    return f"aion-test-{uuid.uuid4().hex[:12]}"


@pytest.fixture
def server() -> Iterator[OwnRedis]:
    with own_redis() as started:
        yield started


@pytest.fixture
def environment(process_environment: dict[str, str]) -> dict[str, str]:
    return {
        **process_environment,
        "DJANGO_SETTINGS_MODULE": "tests.acceptance.settings",
        "PYTHONPATH": str(ROOT),
        "PYTHONFAULTHANDLER": "1",
        "CELERY_SKIP_CHECKS": "1",  # Django's checks at each start of a worker
        "PYTHONWARNINGS": "ignore",  # Celery warns of the superuser
    }


@pytest.fixture
def workers(
    environment: dict[str, str], redis_url: str, queue: str, tmp_path: Path, settings: Any
) -> Iterator[Cluster]:
    """Celery workers on the shared Redis."""
    yield from celery_cluster(environment, redis_url, redis_url, queue, tmp_path, settings)
    forget_queues(redis_url, [queue, "elsewhere"])


@pytest.fixture
def own_workers(
    environment: dict[str, str], server: OwnRedis, queue: str, tmp_path: Path, settings: Any
) -> Iterator[Cluster]:
    """Celery workers on a Redis that the test may stop and flush."""
    yield from celery_cluster(environment, server.url, server.url, queue, tmp_path, settings)


@pytest.fixture
def embedded_workers(
    environment: dict[str, str], tmp_path: Path, settings: Any
) -> Iterator[Cluster]:
    """Workers without Celery."""
    with cluster(environment, tmp_path) as made:
        made.configure(aion=QUICK)
        yield made


def celery_cluster(
    environment: dict[str, str],
    broker: str,
    bell: str,
    queue: str,
    directory: Path,
    settings: Any,
) -> Iterator[Cluster]:
    settings.AION = {
        **settings.AION,
        **QUICK,
        "BELL": "aion_engine.runtime.bells.RedisBell",
        "REDIS_URL": bell,
    }
    here = {
        "AION_ACCEPTANCE_BROKER": broker,
        "AION_ACCEPTANCE_BELL": bell,
        "AION_ACCEPTANCE_QUEUE": queue,
    }
    with cluster({**environment, **here}, directory) as made:
        made.configure(aion=QUICK)
        yield made


def number(variable: str, default: int) -> int:
    return int(os.environ.get(variable) or default)
