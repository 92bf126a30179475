"""Starts the reading child, listens to it with a watchdog, and says what its end means."""

import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Self

from finview.errors import (
    FileEncrypted,
    FileTooLarge,
    FileType,
    FileUnreadable,
    FinviewError,
    Invalid,
)
from finview.imports.reading import frames, messages
from finview.imports.reading.limits import Limits

_CHILD = ("-I", "-m", "finview.imports.reading.child")
_KEPT_ENV = ("PATH", "LD_LIBRARY_PATH", "DYLD_LIBRARY_PATH", "SYSTEMROOT", "LANG", "LC_ALL", "TZ")
_ERRORS: dict[str, type[FinviewError]] = {
    "PASSWORD_PROTECTED": FileEncrypted,
    **dict.fromkeys(
        (
            "FILE_TOO_LARGE", "FILE_TOO_LARGE_UNCOMPRESSED", "TOO_MANY_PARTS", "COLUMN_LIMIT",
            "ROW_LIMIT", "READER_LIMIT",
        ),
        FileTooLarge,
    ),
    **dict.fromkeys(
        (
            "UNSUPPORTED_FILE_TYPE", "NOT_A_WORKBOOK", "UNSUPPORTED_HTML_AS_XLS",
            "UNSUPPORTED_LEGACY_FORMAT", "BANK_FILE_TYPE",
        ),
        FileType,
    ),
    "SHEET_UNKNOWN": Invalid,
}  # fmt: skip
_KILLED_BY_LIMIT = frozenset(
    getattr(signal, name) for name in ("SIGXCPU", "SIGKILL", "SIGABRT") if hasattr(signal, name)
)


def refusal(reason: str, **params: Any) -> FinviewError:
    """Return the error that carries a fine reason."""
    return _ERRORS.get(reason, FileUnreadable)(reason, **params)


class Child:
    """A running reading process and its pipes."""

    def __init__(
        self,
        path: Path,
        filename: str,
        limits: Limits,
        request: Mapping[str, Any],
        readers: Sequence[str],
    ) -> None:
        self._silence_s = limits.silence_s_max
        self._timed_out = False
        # No secret of the service reaches the process that reads foreign files.
        env = {name: os.environ[name] for name in _KEPT_ENV if name in os.environ}
        env["OPENPYXL_DEFUSEDXML"] = "False"
        self._process = subprocess.Popen(  # noqa: S603  # fixed arguments
            (sys.executable, *_CHILD),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            env=env,
            start_new_session=True,
        )
        assert self._process.stdin is not None
        try:
            with self._process.stdin as pipe:
                frames.write(
                    pipe,  # type: ignore[arg-type]  # a pipe is a binary stream
                    {
                        **request,
                        "path": str(path.absolute()),
                        "filename": filename,
                        "limits": limits.as_dict(),
                        "readers": list(readers),
                    },
                )
        except BrokenPipeError:  # it died at once; the first answer tells why
            pass

    def answers(self) -> Iterator[dict[str, Any]]:
        """Yield the frames up to the end frame; raise what a failure or a sudden end means."""
        assert self._process.stdout is not None
        while True:
            watchdog = threading.Timer(self._silence_s, self._time_out)
            watchdog.daemon = True
            watchdog.start()
            try:
                frame = frames.read(self._process.stdout)  # type: ignore[arg-type]  # as above
            except ValueError:
                frame = None
            finally:
                watchdog.cancel()
            match frame:
                case {"t": "tick"}:
                    continue
                case {"t": "end"}:
                    self.close()
                    return
                case {"t": "fail", "reason": str(reason), "params": dict(params)}:
                    self.close()
                    raise refusal(
                        reason if reason in messages.REASONS else "FILE_CORRUPT", **params
                    )
                case {"t": "file" | "sheet" | "rows" | "lines"} if frame is not None:
                    yield frame
                case _:
                    raise self._died()

    def close(self) -> None:
        """Kill the process if it still runs, and wait until it is gone."""
        if self._process.poll() is None:
            self._process.kill()
        if self._process.stdout is not None:
            self._process.stdout.close()
        self._process.wait()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _time_out(self) -> None:
        self._timed_out = True
        self._process.kill()

    def _died(self) -> FinviewError:
        try:
            status = self._process.wait(timeout=1)
        except subprocess.TimeoutExpired:  # it talks nonsense but lives
            status = 0
        self.close()
        by_limit = self._timed_out or -status in _KILLED_BY_LIMIT
        return refusal("READER_LIMIT" if by_limit else "FILE_CORRUPT")
