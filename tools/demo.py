"""Kill a worker half-way through fifty orders, and count what happened to them.

    python tools/demo.py            SQLite and one `manage.py aion_worker`: needs no server
    python tools/demo.py --stack    PostgreSQL, Redis, two Celery workers, beat (make demo-stack)

Each order (examples/orders) takes stock, charges a card at a bank that fails twice, waits for an
approval, ships and sends a receipt. The worker is killed with SIGKILL when half of these effects
have happened, and started again. Then every effect must have happened exactly as often as it
should. The database and the logs stay in var/demo. Exits with 1 when anything is wrong.
"""

from __future__ import annotations

import argparse
import datetime as dt
import os
import shutil
import signal
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn
from urllib.parse import urlsplit

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))  # a script finds only its own directory

from tools.demo_processes import PLACE, Processes, WentWrong  # noqa: E402

if TYPE_CHECKING:
    from examples.orders.models import Order

DATABASE = PLACE / "demo.sqlite3"
ORDERS = 50
STOCK = ORDERS + 10
LEASE = "3"  # seconds; the default of 15 would only make the demo longer
PATIENCE = 60  # seconds for anything that ought to happen
HALF, ENOUGH = 0.5, 0.6  # of all effects


# --------------------------------------------------------------------------------- the two set-ups


@dataclass
class Setup:
    """How the workers run; the first one is killed."""

    title: str
    workers: dict[str, tuple[str, ...]]
    others: dict[str, tuple[str, ...]] = field(default_factory=dict)
    scratch: str = ""  # a Redis database to be emptied in the end
    recovery: str = f"what the dead one held is free after {LEASE} s of its silence"


def embedded() -> Setup:
    """SQLite and a worker without a broker."""
    os.environ |= {
        "DJANGO_SETTINGS_MODULE": "config.settings.embedded",
        "AION_SQLITE_PATH": str(DATABASE),
    }
    worker = ("manage.py", "aion_worker")
    return Setup(f"SQLite in {DATABASE.relative_to(ROOT)}, one worker", {"worker": worker})


def stack() -> Setup:
    """PostgreSQL, Redis, Celery."""
    database, redis = (os.environ.get(f"AION_TEST_{name}_URL") for name in ("DATABASE", "REDIS"))
    if not database or not redis:
        raise WentWrong("PostgreSQL or Redis is missing; `make demo-stack` finds or starts them.")
    scratch = unused_redis_database(redis)
    redis = scratch or redis
    os.environ |= {
        "DJANGO_SETTINGS_MODULE": "config.settings.production",
        "AION_DEMO": "1",
        "AION_DATABASE_URL": database,
        "AION_REDIS_URL": redis,
        "CELERY_BROKER_URL": redis,
    }
    celery = ("-m", "celery", "-A", "config")
    worker = (*celery, "worker", "--loglevel", "INFO", "--concurrency", "4", "--hostname")
    return Setup(
        "PostgreSQL, Redis, two Celery workers (prefork) and beat",
        {name: (*worker, f"{name}@%h") for name in ("celery-1", "celery-2")},
        {"beat": (*celery, "beat", "--loglevel", "INFO", "--pidfile=")},
        scratch,
        f"{Setup.recovery}, messages that died with it are sent again after 10 s",
    )


def unused_redis_database(url: str) -> str:
    """Give the URL of an empty Redis database, where no other worker takes our messages, or ""."""
    import redis

    with redis.Redis.from_url(url, socket_timeout=5) as server:
        used: dict[str, Any] = server.info("keyspace")
    free = next((number for number in range(1, 14) if f"db{number}" not in used), None)
    return "" if free is None else urlsplit(url)._replace(path=f"/{free}").geturl()


def clean_up(setup: Setup) -> None:
    """Leave no queues behind."""
    if setup.scratch:
        import redis

        with redis.Redis.from_url(setup.scratch, socket_timeout=5) as server:
            server.flushdb()


def prepare(setup: Setup, say: Story) -> None:
    """Make the tables, a product and somebody who may use the admin."""
    import django

    django.setup()
    from django.contrib.auth import get_user_model
    from django.core.management import call_command

    from aion.models import Run
    from examples.orders.models import Product

    call_command("migrate", verbosity=0)
    if Run.objects.exists():
        raise WentWrong("The database has runs in it; the demo needs an empty one.")
    get_user_model().objects.create_superuser("admin", password="admin")  # noqa: S106 (a demo)
    Product.objects.create(sku="teapot", name="Teapot", price="24.90", stock=STOCK)
    say(f"the tables are there: {setup.title}")


# --------------------------------------------------------------------------------------- the story


@dataclass
class Story:
    """Called with a sentence, prints it with the time since the start. `marks` go on the timeline."""

    began: float = field(default_factory=time.monotonic)
    marks: list[tuple[dt.datetime, str]] = field(default_factory=list)
    timings: list[str] = field(default_factory=list)

    def __call__(self, sentence: str) -> float:
        """Print a sentence and give the time."""
        now = time.monotonic()
        print(f"{now - self.began:7.2f} s  {sentence}", flush=True)
        return now

    def mark(self, words: str) -> None:
        """Keep this moment for the timeline."""
        self.marks.append((dt.datetime.now(dt.UTC), words))

    def timing(self, what: str, seconds: float) -> None:
        """Keep a duration for the summary."""
        self.timings.append(f"{what} {seconds:.2f} s")


def tell(setup: Setup, processes: Processes, say: Story) -> None:
    """Place the orders, approve them, kill a worker in the middle, wait for the end."""
    from aion.models import Run

    start_all(setup, processes, say)
    waiting = place_orders(say)
    began = time.monotonic()
    killed = 0.0
    for _ in until("the orders to finish", processes):
        approve_those_that_wait(waiting)
        if not killed and is_half_done():
            killed = kill_and_restart(setup, processes, say)
            say.timing("half of the effects after", killed - began)
        if not Run.objects.filter(closed_at=None).exists():
            break
    ended = say(f"all {ORDERS} orders have finished")
    if not killed:
        raise WentWrong("The orders finished before the worker was killed.")
    say.timing("all of them, after the kill,", ended - killed)


def start_all(setup: Setup, processes: Processes, say: Story) -> None:
    """Start the processes and wait until the workers work."""
    from aion.models import Worker

    names = setup.workers | setup.others
    for name, words in names.items():
        processes.start(name, *words)
    for _ in until("the workers to begin", processes):
        if Worker.objects.count() >= len(setup.workers):
            break
    say.timing("set-up", say(f"at work: {', '.join(names)}") - say.began)


def place_orders(say: Story) -> dict[int, Order]:
    """Place all orders at once, and before them one that is rolled back."""
    from django.db import transaction

    from aion.models import Run
    from examples.orders.models import Order, Product
    from examples.orders.services import place_order

    teapot = Product.objects.get(sku="teapot")
    with transaction.atomic():
        place_order(teapot)
        transaction.set_rollback(True)
    if Order.objects.exists() or Run.objects.exists():
        raise WentWrong("An order that was rolled back left something behind.")
    say("1 order placed and rolled back: no order, no run")
    began = time.monotonic()
    orders = [place_order(teapot) for _ in range(ORDERS)]
    ended = say(f"{ORDERS} orders placed, each with its workflow in one transaction")
    say.timing(f"{ORDERS} orders placed in", ended - began)
    return {order.pk: order for order in orders}


def until(what: str, processes: Processes) -> Iterator[None]:
    """Yield now and then; raise when it takes too long, or when a process has ended."""
    end = time.monotonic() + PATIENCE
    while time.monotonic() < end:
        yield
        processes.check()
        time.sleep(0.02)
    raise WentWrong(f"Waited {PATIENCE} s for {what}; see the logs in {PLACE}.")


def approve_those_that_wait(waiting: dict[int, Order]) -> None:
    """Approve the orders that are charged and whose workflow says that it waits."""
    from aion import client
    from examples.orders.models import Charge
    from examples.orders.services import approve_order
    from examples.orders.workflows import OrderWorkflow

    for pk in Charge.objects.filter(order__in=waiting).values_list("order", flat=True):
        handle = client.get_workflow_handle(waiting[pk].workflow_id)
        if handle.query(OrderWorkflow.status) == "waiting for approval":
            approve_order(waiting.pop(pk), by="the demo")


def is_half_done() -> bool:
    """Say whether half of the effects have happened, and attempts are in full swing if possible."""
    from aion.models import ActivityTask
    from tools.demo_account import EFFECTS, effect_counts

    done = sum(effect_counts().values()) / (ORDERS * len(EFFECTS))
    busy = done >= HALF and ActivityTask.objects.filter(state="running").exists()
    return busy or done >= ENOUGH


def kill_and_restart(setup: Setup, processes: Processes, say: Story) -> float:
    """Kill the first worker with all its processes, start it again, and give the time of the kill."""
    from aion.models import ActivityTask, Worker
    from tools.demo_account import effect_counts

    name, words = next(iter(setup.workers.items()))
    worker = Worker.objects.get(pid=processes.pid(name))
    processes.kill(name)
    say.mark(f"kill -9 {name}")
    attempts = ActivityTask.objects.filter(owner_id=worker.pk).count()
    at = say(f"kill -9 {name}, in the midst of {attempts} activities")
    say("so far " + ", ".join(f"{count} {effect}" for effect, count in effect_counts().items()))
    processes.start(name, *words)
    say.mark(f"{name} starts again")
    say(f"{name} starts again; {setup.recovery}")
    return at


# -------------------------------------------------------------------------------------------- main

NEXT_EMBEDDED = """
What to run next
  export AION_SQLITE_PATH=var/demo/demo.sqlite3       the database of this demo
  .venv/bin/python manage.py runserver                http://127.0.0.1:8000/admin/ (admin, admin)
  .venv/bin/python manage.py aion_worker              beside it; then place an order of your own:
  curl -u admin:admin -d product=teapot http://127.0.0.1:8000/orders/
  curl -u admin:admin -X POST http://127.0.0.1:8000/orders/NUMBER/approve/
  make demo-stack                                     the same on PostgreSQL, Redis and Celery
The code that ran: examples/orders/workflows.py and activities.py
"""
NEXT_STACK = """
What to run next, with SECRET_KEY, AION_DATABASE_URL and AION_REDIS_URL of your own
  .venv/bin/python manage.py migrate --settings=config.settings.production
  .venv/bin/celery -A config worker                   as many as you like, on any machine
  .venv/bin/celery -A config beat                     one
The code that ran: examples/orders/workflows.py and activities.py
"""


def run(setup: Setup) -> bool:
    """Tell the whole story; say whether all is right."""
    say = Story()
    prepare(setup, say)
    processes = Processes()
    try:
        tell(setup, processes, say)
    finally:
        processes.stop()
        clean_up(setup)
    say("all processes have ended")
    from tools import demo_account as account

    account.print_timeline(say.marks)
    orders, sums = account.check_orders(ORDERS), account.check_sums(ORDERS, STOCK)
    account.print_table("for each order", orders)
    account.print_table("altogether", sums)
    good = all(check.good for check in orders + sums)
    print(f"\nTimings: {'; '.join(say.timings)}.")
    print("Every effect happened as often as it should." if good else "SOMETHING IS WRONG.")
    return good


def leave(number: int, frame: object) -> NoReturn:
    """Turn a signal into an exit, so that what was started is stopped."""
    raise SystemExit(128 + number)


def main() -> int:
    """Read the command line and run the demo."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--stack", action="store_true", help="on PostgreSQL, Redis and Celery")
    on_stack = parser.parse_args().stack
    for each in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(each, leave)
    os.environ["AION_LEASE"] = LEASE
    shutil.rmtree(PLACE, ignore_errors=True)
    PLACE.mkdir(parents=True)
    try:
        good = run(stack() if on_stack else embedded())
    except WentWrong as error:
        print(error, file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 128 + signal.SIGINT
    if good:
        print(NEXT_STACK if on_stack else NEXT_EMBEDDED)
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main())
