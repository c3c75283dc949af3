"""Real workers with encryption and a storage: nothing in clear, and a rotation beside them loses nothing."""

from __future__ import annotations

import base64
from pathlib import Path
from typing import Any

import pytest

from aion import client
from aion.operations.rotate_payloads import rotate_payloads
from tests.acceptance import invariants
from tests.acceptance.processes import Cluster
from tests.sample.models import Effect
from tests.sample.workflows import Order, call
from tests.support.codecs import everything_in_the_database, settings_with
from tests.support.waiting import eventually

OLD, NEW = (base64.b64encode(letter * 32).decode() for letter in (b"o", b"n"))
LARGE = "m4rk3r" * 30


def encrypt(cluster: Cluster, settings: Any, monkeypatch: pytest.MonkeyPatch, keys: str) -> None:
    """Give this process and those started from now on the same codecs and keys."""
    aion = {
        "PAYLOAD_CODECS": ["aion.codecs.Zlib", "aion.codecs.AesGcm"],
        "PAYLOAD_STORAGE": "payloads",
        "PAYLOAD_STORE_ABOVE": 100,
    }
    cluster.configure(aion=aion)
    cluster.environment["AION_PAYLOAD_KEYS"] = keys
    monkeypatch.setenv("AION_PAYLOAD_KEYS", keys)
    settings_with(settings, **aion)


@pytest.fixture
def files(settings: Any, tmp_path: Path) -> Path:
    """A directory that all processes know as the storage."""
    directory = tmp_path / "payloads"
    backend = {
        "BACKEND": "django.core.files.storage.FileSystemStorage",
        "OPTIONS": {"location": str(directory)},
    }
    settings.STORAGES = {**settings.STORAGES, "payloads": backend}
    return directory


def live(keys: list[str]) -> list[Any]:
    handles = [client.start_workflow(Order, f"m4rk3r-{key}", id=f"order-{key}") for key in keys]
    handles += [client.start_workflow(call, "fail_times", [f"m4rk3r-{key}", 1]) for key in keys]
    handles += [client.start_workflow(call, "leave_mark", [LARGE[:150] + key]) for key in keys]
    return handles


def finish(handles: list[Any], count: int) -> None:
    assert [handle.result(60) for handle in handles[:count]] == [
        f"m4rk3r-{handle.workflow_id.removeprefix('order-')} by m4rk3r"
        for handle in handles[:count]
    ]
    # One attempt more where the worker was killed in the middle of one.
    assert {handle.result(60) for handle in handles[count : 2 * count]} <= {2, 3}
    assert all(handle.result(60).startswith("m4rk3r") for handle in handles[2 * count :])


def check(files: Path) -> None:
    Effect.objects.all().delete()  # the activities' own rows, which are not Aion's
    assert "m4rk3r" not in everything_in_the_database()
    stored = [path for path in files.rglob("*") if path.is_file()]
    assert stored
    assert all(b"m4rk3r" not in path.read_bytes() for path in stored)
    assert invariants.problems() == []


@pytest.mark.django_db(transaction=True)
def test_workers_with_keys_and_one_that_is_replaced_by_one_with_a_new_key(
    embedded_workers: Cluster,
    settings: Any,
    files: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    cluster = embedded_workers
    cluster.environment["AION_ACCEPTANCE_PAYLOADS"] = str(files)
    encrypt(cluster, settings, monkeypatch, f"old:{OLD}")
    first = cluster.aion_worker("first")
    handles = live(["1", "2", "3"])
    eventually(lambda: Effect.objects.filter(key__startswith="once:").count() == 3, timeout=60)
    first.kill()
    encrypt(cluster, settings, monkeypatch, f"new:{NEW} old:{OLD}")
    cluster.aion_worker("second")
    for handle in handles[:3]:
        handle.signal(Order.approve, "m4rk3r")

    while sum(rotate_payloads(from_key="old").written.values()):
        pass
    finish(handles, 3)

    rotate_payloads()
    text = everything_in_the_database()
    assert '"key":"old"' not in text
    assert '"key":"new"' in text
    check(files)


@pytest.mark.postgres
@pytest.mark.redis
@pytest.mark.parametrize("pool", ["prefork", "threads"])
def test_celery_workers_with_keys(
    workers: Cluster,
    settings: Any,
    files: Path,
    monkeypatch: pytest.MonkeyPatch,
    pool: str,
) -> None:
    workers.environment["AION_ACCEPTANCE_PAYLOADS"] = str(files)
    encrypt(workers, settings, monkeypatch, f"new:{NEW}")
    workers.celery("one", "-B", pool=pool)
    workers.celery("two", pool=pool)
    handles = live(["1", "2"])
    for handle in handles[:2]:
        handle.signal(Order.approve, "m4rk3r")

    finish(handles, 2)

    check(files)
