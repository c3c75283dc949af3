from django.apps import AppConfig

from benchmarks.counted import count_here_if_asked


class BenchmarksConfig(AppConfig):
    """Brings workflows and activities; it has no tables."""

    name = "benchmarks.app"
    label = "aion_benchmarks"

    def ready(self) -> None:
        count_here_if_asked()
