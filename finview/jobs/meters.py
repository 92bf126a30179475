"""What a process measures of the jobs it runs, for `/metrics`."""

from prometheus_client import CollectorRegistry, Counter, Histogram

BUCKETS_S = (0.002, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 15, 60, 300, 1800)


class Meters:
    """A registry of its own for each process of ours: tests have many in one of Python's."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self._known: dict[tuple[str, str], tuple[Histogram, Counter]] = {}
        self._seconds = Histogram(
            "finview_job_seconds",
            "How long a run of a job took.",
            ["kind"],
            buckets=BUCKETS_S,
            registry=self.registry,
        )
        self._runs = Counter(
            "finview_job_runs",
            "How runs of jobs ended.",
            ["kind", "outcome"],
            registry=self.registry,
        )

    def ran(self, kind: str, outcome: str, seconds: float) -> None:
        """Note one run; the outcome is the state it led to, or `fenced`."""
        found = self._known.get((kind, outcome))
        if found is None:
            found = self._seconds.labels(kind), self._runs.labels(kind, outcome.lower())
            self._known[kind, outcome] = found
        found[0].observe(seconds)
        found[1].inc()
