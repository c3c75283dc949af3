"""The shop as its owners have it: the wheel in an environment of its own, far from this checkout."""

from __future__ import annotations

import os
import shutil
import socket
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest

from tests.acceptance.processes import Process
from tests.acceptance.servers import own_redis
from tests.conftest import ROOT, on_postgresql
from tests.support.waiting import eventually

pytestmark = [
    pytest.mark.slow,
    pytest.mark.timeout(300),
    pytest.mark.skipif(on_postgresql(), reason="the shop has a database of its own"),
]

APPROVE = """
from django.contrib.auth.models import User
from django.test import Client
user = User.objects.create_superuser("ada")
client = Client(headers={"host": "localhost"})
client.force_login(user)
for path in ("/admin/", "/admin/store/order/", "/admin/aion/run/"):
    answer = client.get(path)
    assert answer.status_code == 200, (path, answer.status_code)
asked = {"action": "approve", "_selected_action": ["%d"]}
answer = client.post("/admin/store/order/", asked, follow=True)
assert b'class="warning"' not in answer.content, answer.content.decode()
"""


class Shop:
    """The shop's project in a directory of its own, and its environment."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory / "shop"
        self.python = directory / "venv" / "bin" / "python"
        self.database = directory / "shop.sqlite3"
        inherited = {name: os.environ[name] for name in ("PATH", "HOME") if name in os.environ}
        self.environment = {
            **inherited,
            "SHOP_DATABASE": str(self.database),
            "PYTHONWARNINGS": "ignore",  # Celery warns of the superuser
        }

    def manage(self, *words: str) -> str:
        command = [str(self.python), "manage.py", *words]
        return _run(*command, cwd=self.directory, environment=self.environment)

    def start(self, name: str, *words: str) -> Process:
        log = self.directory / f"{name}.log"
        return Process(name, [str(self.python), *words], self.environment, log, self.directory)

    def place_order(self, *words: str) -> int:
        return int(self.manage("place_order", *words).strip().removeprefix("order-"))

    def ask(self, query: str) -> list[tuple[object, ...]]:
        with closing(sqlite3.connect(self.database, timeout=20)) as database:
            return database.execute(query).fetchall()

    def state(self, number: int) -> object:
        return self.ask(f"SELECT state FROM store_order WHERE id = {number}")[0][0]


def _run(*command: str, cwd: Path = ROOT, environment: dict[str, str] | None = None) -> str:
    done = subprocess.run(
        command, cwd=cwd, env=environment, capture_output=True, text=True, check=False, timeout=240
    )
    assert done.returncode == 0, f"{' '.join(command)}\n{done.stdout}\n{done.stderr}"
    return done.stdout


def _need_an_index() -> None:
    try:
        socket.create_connection(("pypi.org", 443), timeout=5).close()
    except OSError as error:
        pytest.skip(f"the shop installs Aion with what it needs, and PyPI does not answer: {error}")


def _install(directory: Path) -> None:
    """Build the wheel and install it, with the versions that this checkout is tested with."""
    constraints = str(ROOT / "requirements" / "base.txt")
    near = Path(sys.executable).with_name("uv")
    uv = str(near) if near.exists() else shutil.which("uv")
    if uv:
        _run(uv, "build", "--quiet", "--wheel", "--out-dir", str(directory), str(ROOT))
        _run(uv, "venv", "--quiet", "--python", sys.executable, str(directory / "venv"))
        pip = [uv, "pip", "install", "--quiet", "--python", str(directory / "venv/bin/python")]
    else:
        _run(sys.executable, "-m", "pip", "wheel", "-q", "--no-deps", "-w", str(directory), ".")
        _run(sys.executable, "-m", "venv", str(directory / "venv"))
        pip = [str(directory / "venv" / "bin" / "pip"), "install", "--quiet"]
    [wheel] = directory.glob("*.whl")
    _run(*pip, "--constraint", constraints, str(wheel))


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Shop:
    _need_an_index()
    directory = tmp_path_factory.mktemp("shop")
    _install(directory)
    shutil.copytree(ROOT / "examples" / "shop", directory / "shop")
    made = Shop(directory)
    made.manage("migrate", "--verbosity", "0")
    return made


def test_an_order_goes_through_the_shop(shop: Shop) -> None:
    number = shop.place_order("Tea pot", "5")
    worker = shop.start("worker", "manage.py", "aion_worker")
    try:
        waits = "it waits for approval"
        eventually(lambda: shop.state(number) == "approval", timeout=60, what=waits)
        shop.manage("shell", "-c", APPROVE % number)
        worker.wait_for(f"Order {number} is on its way", timeout=60)
    finally:
        worker.sweep_up()

    assert shop.state(number) == "shipped"
    assert shop.ask("SELECT stock FROM store_product WHERE name = 'Tea pot'") == [(5,)]
    paid = f"SELECT payment LIKE 'paid-%' FROM store_order WHERE id = {number}"
    assert shop.ask(paid) == [(1,)]


def test_its_own_celery_app_carries_orders_too(shop: Shop) -> None:
    with own_redis() as redis:
        shop.environment["CELERY_BROKER_URL"] = redis.url
        number = shop.place_order("Cup")
        words = ("-A", "shop_site", "worker", "-P", "threads", "-c", "2")
        worker = shop.start("celery", "-m", "celery", *words)
        try:
            worker.wait_for(f"Order {number} is on its way", timeout=90)
        finally:
            worker.sweep_up()

    assert shop.state(number) == "shipped"
