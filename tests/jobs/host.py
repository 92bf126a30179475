"""A process for the tests: `host.py URL FOLDER drain|work|many` runs toy jobs until it ends or dies."""

import os
import sys
from pathlib import Path

from finview.db.runtime import Services
from finview.jobs.processes import supervise
from finview.jobs.runner import drain
from finview.jobs.worker import work
from finview.settings import Settings
from finview.testing.loading import load_file


def build() -> Services:
    """Open the database the test has made."""
    load_file("finview_toyjobs", Path(__file__).with_name("toyjobs.py"))
    return Services.open(Settings(database_url=sys.argv[1], data_dir=Path(sys.argv[2])))


def one_of_many(number: int) -> bool:
    """Tell its number and process, then work."""

    def ready() -> None:
        sys.stdout.write(f"working {number} {os.getpid()}\n")
        sys.stdout.flush()

    return work(build, threads=2, grace_s=20, on_ready=ready)


if sys.argv[3] == "drain":
    drain(build())
elif sys.argv[3] == "many":
    sys.exit(0 if supervise(2, one_of_many) else 1)
else:
    sys.exit(0 if work(build, grace_s=20) else 1)
