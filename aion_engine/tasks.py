"""Where Celery's autodiscovery finds the engine's tasks."""

from aion_engine.runtime.celery_activities import run_activity, run_prune, run_tick

__all__ = ["run_activity", "run_prune", "run_tick"]
