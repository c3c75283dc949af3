"""Many tasks at once, and many steps."""

from __future__ import annotations

from benchmarks.figures import Figures, Size
from benchmarks.measuring import stopwatch, wait_until
from benchmarks.on_absurd.setup import client, ended, spawn
from benchmarks.on_absurd.tasks import register_plain
from benchmarks.on_absurd.worker import working


def starts(size: Size) -> Figures:
    count = size["peers_starts"]
    absurd = client()
    spawn(absurd, "trivial", {})
    with stopwatch() as watch:
        for _ in range(count):
            spawn(absurd, "trivial", {})
    return {"": count / watch.seconds, "cpu": watch.cpu / count * 1000}


def trivial_workflows(size: Size) -> Figures:
    rate, cpu = _per_second("trivial", size["peers_runs"], {}, workers=1)
    return {"": rate, "cpu": cpu}


def ten_steps(size: Size) -> Figures:
    runs, steps = size["peers_runs"], size["steps"]
    one, cpu = _per_second("steps", runs, {"count": steps}, workers=1)
    two, _ = _per_second("steps", runs, {"count": steps}, workers=2)
    return {"": one * steps, "two": two * steps, "cpu": cpu / steps}


def _per_second(
    task: str, count: int, params: dict[str, int], *, workers: int
) -> tuple[float, float]:
    """Give tasks a second of warm workers, spawning them too, and the workers' milliseconds for each."""
    with working(workers) as processes:
        absurd = client()
        before, worked = ended(), processes.cpu_seconds()
        with stopwatch() as watch:
            for _ in range(count):
                spawn(absurd, task, params)
            wait_until(lambda: ended() == before + count, timeout=120, pause=0.01)
        cpu = processes.cpu_seconds() - worked
        absurd.close()
    return count / watch.seconds, cpu / count * 1000


def sequential_step(size: Size) -> Figures:
    """One task in this process, without another that it would wait for."""
    count = size["peers_steps"]
    absurd = client()
    register_plain(absurd)
    spawn(absurd, "steps", {"count": 10})
    absurd.work_batch()
    spawn(absurd, "steps", {"count": count})
    with stopwatch() as watch:
        absurd.work_batch()
    assert ended() == 2
    return {"": watch.seconds / count * 1000, "cpu": watch.cpu / count * 1000}
