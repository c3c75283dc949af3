"""`python -m tests.simulation --seconds 60 --seed 1`: live one seed after the other, and count."""

from __future__ import annotations

import argparse
import os
import sys
import time

import django


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=60.0)
    parser.add_argument("--seed", type=int, default=None, help="the first seed")
    parser.add_argument("--only", action="store_true", help="one seed, with all that happens in it")
    parser.add_argument("--histories", action="store_true", help="print what it left, too")
    arguments = parser.parse_args()
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings.test")
    django.setup()
    from tests.simulation.simulator import play, simulated

    seed = time.time_ns() % 10**9 if arguments.seed is None else arguments.seed
    if arguments.only:
        with simulated() as database:
            world, found = play(seed, database, traced=True)
            if arguments.histories:
                _print_histories()
        print("\n".join([*(world.trace or []), *found]))
        return int(bool(found))
    begun, bad, count = time.monotonic(), [], 0
    with simulated() as database:
        while time.monotonic() - begun < arguments.seconds:
            _, found = play(seed + count, database)
            if found:
                bad.append(seed + count)
                print(f"seed {seed + count}:", *found[:5], sep="\n  ", flush=True)
            count += 1
    minutes = (time.monotonic() - begun) / 60
    print(
        f"{count} schedules from seed {seed}, {count / minutes:.0f} a minute; failed: {bad or 'none'}"
    )
    return int(bool(bad))


def _print_histories() -> None:
    from aion.models import Run
    from aion.store import histories

    for run in Run.objects.order_by("workflow_id", "first_seq"):
        print(f"{run.workflow_id} {run.id} {run.status}")
        for recorded in histories.load_one(run.id):
            print(f"  {recorded.seq:3} {recorded.recorded_at:%H:%M:%S.%f} {recorded.event}"[:200])


if __name__ == "__main__":
    sys.exit(main())
