"""Several working processes under one parent: forked before anything is opened, replaced when they die."""

import logging
import os
import signal
import sys
import threading
import time
from collections.abc import Callable
from types import FrameType
from typing import NoReturn

log = logging.getLogger(__name__)

QUICK_S = 10.0
"""A process that dies sooner than this after its start is replaced later and later."""
PAUSE_S_MAX = 30.0
BROKEN = 1
SIGNALS = (signal.SIGTERM, signal.SIGINT)
ENDED_WELL = (0, *(-number for number in SIGNALS))
"""The signals: asked to end before it had begun to work."""


def supervise(n: int, run: Callable[[int], bool]) -> bool:
    """Run `run(0)` … `run(n-1)`, each in a process of its own; return whether all ended well.

    They share what was imported and nothing that was opened: call this before any connection or
    thread is made. Signals are handed on. One that dies though nobody asked it to (killed, out of
    memory) is replaced; one that refuses to start ends them all.
    """
    return _Supervisor(n, run).watch()


class _Supervisor:
    """The parent: it forks, waits and hands signals on, and holds no connection."""

    def __init__(self, n: int, run: Callable[[int], bool]) -> None:
        self._run = run
        self._children: dict[int, tuple[int, float]] = {}
        self._pauses = dict.fromkeys(range(n), 0.0)
        self._asked = False
        self._well = True
        self._never = threading.Event()

    def watch(self) -> bool:
        """Fork all and wait until none is left."""
        for which in SIGNALS:
            signal.signal(which, self._hand_on)
        for number in self._pauses:
            self._fork(number)
        while self._children:
            pid, status = os.wait()
            number, began = self._children.pop(pid)
            code = os.waitstatus_to_exitcode(status)
            if self._asked or code >= 0:
                self._well = self._well and code in ENDED_WELL
                if not self._asked:
                    self._end_all()
                continue
            log.error("worker.died number=%s signal=%s", number, -code)
            self._replace(number, time.monotonic() - began)
        return self._well

    def _replace(self, number: int, lived_s: float) -> None:
        pause = 0.0 if lived_s > QUICK_S else self._pauses[number]
        self._pauses[number] = min(2 * pause + 0.5, PAUSE_S_MAX)
        until = time.monotonic() + pause
        while not self._asked and time.monotonic() < until:
            self._never.wait(0.1)
        if not self._asked:
            self._fork(number)

    def _fork(self, number: int) -> None:
        # A signal in between must reach a child that is known, or one that can take it.
        signal.pthread_sigmask(signal.SIG_BLOCK, SIGNALS)
        pid = os.fork()
        if pid == 0:
            self._be_child(number)
        self._children[pid] = (number, time.monotonic())
        signal.pthread_sigmask(signal.SIG_UNBLOCK, SIGNALS)

    def _be_child(self, number: int) -> NoReturn:
        os.setpgrp()  # Ctrl-C reaches the parent alone, which hands it on once
        self._children.clear()
        for which in SIGNALS:
            signal.signal(which, signal.SIG_DFL)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, SIGNALS)
        # Up through the command line, which tells of failures and ends the process.
        sys.exit(0 if self._run(number) else BROKEN)

    def _hand_on(self, number: int, _frame: FrameType | None) -> None:
        self._asked = True
        for pid in list(self._children):
            os.kill(pid, number)

    def _end_all(self) -> None:
        self._asked = True
        for pid in self._children:
            os.kill(pid, signal.SIGTERM)
