"""Kinds of jobs that only tests run: each leaves one event per effect, so doubles show."""

import os
import signal
import sys
import threading
from typing import Any, ClassVar

from sqlalchemy.orm import Session

from finview.db.events import EventInbox, emit
from finview.db.jobs import (
    CHUNKED,
    EXTERNAL,
    SHORT,
    JobError,
    JobView,
    Misconfigured,
    Rejected,
    RetryLater,
    Step,
    enqueue,
    job,
)

__all__ = ["EventInbox", "ToyChunked", "ToyExternal", "effect"]


def effect(session: Session, name: str) -> None:
    """Leave one trace; a second of the same name stands beside it."""
    emit(session, name)


@job("toy.short", shape=SHORT)
def toy_short(session: Session, job: JobView) -> None:
    """Have one effect, then do what `args` ask for."""
    effect(session, f"short:{job.args.get('n', 0)}")
    wish = job.args.get("wish")
    if wish == "raise":
        raise ValueError("a secret name")
    if wish == "later":
        raise RetryLater("the line is busy", after_s=30)
    if wish == "reject":
        raise Rejected("no such number")
    if wish == "park":
        raise Misconfigured("the key is wrong", park_key="binding:7")
    if wish == "nest":
        enqueue(session, "toy.short", {"n": 99})


@job("toy.mortal", shape=SHORT, max_runs=2)
def toy_mortal(session: Session, job: JobView) -> None:
    """Kill the process it runs in."""
    effect(session, f"mortal:{job.runs}")
    os.kill(os.getpid(), signal.SIGKILL)


def say(line: str) -> None:
    """Tell whoever started this process."""
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


@job("toy.loud", shape=SHORT)
def toy_loud(session: Session, job: JobView) -> None:
    """Have one effect and tell that it is about to be committed."""
    effect(session, f"loud:{job.args['n']}")
    say(f"started {job.args['n']}")


@job("toy.slow", shape=EXTERNAL)
class ToySlow:
    """Tell that it has started, take a while with no session open, have one effect."""

    def __init__(self, job: JobView) -> None:
        self.job = job

    def before(self, _session: Session) -> float:
        """Return for how long."""
        return float(self.job.args["s"])

    def call(self, request: float) -> str:
        """Take that long."""
        say(f"started {self.job.args['n']}")
        threading.Event().wait(request)
        return "waited"

    def after(self, session: Session, outcome: str) -> None:
        """Have the effect."""
        effect(session, f"{outcome}:{self.job.args['n']}")


@job("toy.doomed", shape=SHORT, max_runs=2)
def toy_doomed(session: Session, job: JobView) -> None:
    """Always fail; the hook below tells when it is given up."""
    effect(session, f"doomed:{job.runs}")
    raise ValueError("never works")


def _gave_up(session: Session, job: JobView, error: JobError) -> None:
    effect(session, f"gave up:{job.id}:{error.params['reason']}")


toy_doomed.on_dead = _gave_up  # type: ignore[attr-defined] # hooks are attributes of a handler


@job("toy.chunked", shape=CHUNKED, queue="bulk")
class ToyChunked:
    """Have one effect per chunk, up to `args.chunks`; the class attribute lets tests look in."""

    between: ClassVar[Any] = None

    def __init__(self, job: JobView) -> None:
        self.job = job

    def prepare(self) -> int | None:
        """Return the number of the next chunk."""
        done = (self.job.cursor or {"next": 0})["next"]
        if type(self).between is not None:
            type(self).between(self.job, done)
        return done if done < self.job.args["chunks"] else None

    def write(self, session: Session, work: int) -> Step:
        """Have the chunk's effect."""
        effect(session, f"chunk:{work}")
        return Step(cursor={"next": work + 1}, done=work + 1, total=self.job.args["chunks"])

    def finish(self, session: Session) -> None:
        """Have the last effect."""
        effect(session, "finished")

    def close(self) -> None:
        """Nothing is held."""

    @staticmethod
    def on_cancel(session: Session, job: JobView) -> None:
        """Tell that it was cancelled."""
        effect(session, f"cancelled:{job.id}")


@job("toy.external", shape=EXTERNAL, queue="outreach")
class ToyExternal:
    """Call a provider that tests put in place."""

    provider: ClassVar[Any] = None

    def __init__(self, job: JobView) -> None:
        self.job = job

    def before(self, session: Session) -> dict[str, Any] | None:
        """Decide to send, unless `args.skip`."""
        if self.job.args.get("skip"):
            return None
        effect(session, "SENDING")
        return {"to": "somebody"}

    def call(self, request: dict[str, Any]) -> str:
        """Hand it over."""
        return str(type(self).provider(request))

    def after(self, session: Session, outcome: str) -> None:
        """Keep the outcome."""
        effect(session, f"outcome:{outcome}")
