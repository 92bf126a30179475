"""`finview serve` and `finview worker`: the processes that stay."""

import logging
import signal
from collections.abc import Sequence

import orjson

from finview.cli import show
from finview.cli.opening import opened, read_settings, start
from finview.db.migrations import check_current
from finview.db.runtime import Services
from finview.i18n import N_
from finview.jobs import metrics
from finview.jobs.processes import supervise
from finview.jobs.worker import EmbeddedWorker, work
from finview.settings import Settings
from finview.web import server

LOG = "%(asctime)s %(levelname)s %(name)s %(message)s"


def run_serve(*, host: str, port: int, with_worker: bool, settings: Settings | None = None) -> None:
    """Serve the API until a signal comes; jobs run beside it unless told not to."""
    log_to_stderr()
    with opened(settings, role="serve") as services:
        serve(services, host=host, port=port, with_worker=with_worker)


def serve(services: Services, *, host: str, port: int, with_worker: bool) -> None:
    """Serve opened services; the worker stops after the last request, gracefully."""
    # uvicorn raises the signal again once it has shut down; the worker is to stop after that.
    signal.signal(signal.SIGTERM, lambda _number, _frame: None)
    if services.settings.metrics_bind:
        metrics.serve(services, services.settings.metrics_bind)
    worker = EmbeddedWorker(services) if with_worker else None
    if worker is not None:
        worker.start()
    try:
        server.run(services, host=host, port=port)
    finally:
        if worker is not None:
            worker.stop()


def run_worker(*, queues: Sequence[str] | None, processes: int, threads: int | None) -> bool:
    """Run jobs until a signal comes; return whether all of them ended in time."""
    log_to_stderr()
    settings = read_settings()  # a wrong one is told before anything is begun

    def one(number: int) -> bool:
        def build() -> Services:
            services = start(settings, role="worker")
            check_current(services.db)
            if settings.metrics_bind:
                metrics.serve(services, settings.metrics_bind, offset=number)
            return services

        def ready() -> None:
            if number == 0:
                show.note(show.say(N_("Working. Stop with Ctrl-C.")))

        return work(build, queues=queues, threads=threads, on_ready=ready)

    return one(0) if processes == 1 else supervise(processes, one)


class _JsonLines(logging.Formatter):
    """One JSON object a line, for collectors of logs."""

    def format(self, record: logging.LogRecord) -> str:
        """Return the record with its instant, level, logger, message and trace."""
        line: dict[str, str] = {
            "at": self.formatTime(record),
            "level": record.levelname,
            "logger": record.name,
            "message": record.getMessage(),
        }
        if record.exc_info:
            line["trace"] = self.formatException(record.exc_info)
        return orjson.dumps(line).decode()


def log_to_stderr() -> None:
    """Let the log of this process be seen, as FINVIEW_LOG_FORMAT says."""
    json = read_settings().log_format == "json"
    handler = logging.StreamHandler()
    handler.setFormatter(_JsonLines() if json else logging.Formatter(LOG))
    logging.basicConfig(level=logging.INFO, handlers=[handler], force=True)
    logging.getLogger("alembic").setLevel(logging.WARNING)
