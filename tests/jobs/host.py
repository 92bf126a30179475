"""A process for the tests: `host.py URL FOLDER drain|work` runs toy jobs until it ends or dies."""

import sys
from pathlib import Path

from finview.db.runtime import Services
from finview.jobs.runner import drain
from finview.jobs.worker import work
from finview.settings import Settings
from finview.testing.loading import load_file


def build() -> Services:
    """Open the database the test has made."""
    load_file("finview_toyjobs", Path(__file__).with_name("toyjobs.py"))
    return Services.open(Settings(database_url=sys.argv[1], data_dir=Path(sys.argv[2])))


if sys.argv[3] == "drain":
    drain(build())
else:
    sys.exit(0 if work(build, grace_s=20) else 1)
