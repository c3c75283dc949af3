from django.apps import AppConfig


class BenchmarksConfig(AppConfig):
    """Brings workflows and activities; it has no tables."""

    name = "benchmarks.app"
    label = "aion_benchmarks"
