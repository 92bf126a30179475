"""Named places where tests let a process die or fail; they do nothing anywhere else."""

import os
import signal

_NAME, _, _ACTION = os.environ.get("FINVIEW_FAILPOINT", "").partition(":")
_armed: dict[str, str] = {_NAME: _ACTION or "raise"} if _NAME else {}


class FailpointReached(Exception):
    """An armed failpoint with the action `raise` was reached."""


def failpoint(name: str) -> None:
    """Die or raise here when a test armed `name`; one dictionary look-up otherwise.

    Armed by the environment, FINVIEW_FAILPOINT="name:kill" or "name:raise", or by `arm`.
    """
    if _armed and name in _armed:
        if _armed[name] == "kill":
            os.kill(os.getpid(), signal.SIGKILL)
        raise FailpointReached(name)


def arm(name: str, action: str = "raise") -> None:
    """Arm a failpoint in this process."""
    _armed[name] = action


def disarm() -> None:
    """Disarm every failpoint of this process."""
    _armed.clear()
