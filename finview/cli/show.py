"""What commands print: sentences, tables and progress for people, one JSON document for programs.

Results go to standard output; with `--json` nothing but the document does. Progress, notes and
errors go to standard error.
"""

import json
import os
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import date, datetime
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table

from finview.i18n import N_, negotiate, sentences, translate

sentences(
    {
        "PHASE_IMPORT_READING": N_("Reading and checking rows"),
        "PHASE_IMPORT_MATCHING": N_("Looking for known debtors"),
        "PHASE_IMPORT_LAUNCHING": N_("Starting workflows"),
        "PHASE_WORK": N_("Working"),
    }
)

_LOCALE_VARIABLES = ("FINVIEW_LOCALE", "LC_ALL", "LC_MESSAGES", "LANG")

PIPED_WIDTH = 140
"""Where nobody knows how wide the reader's window is."""

OnProgress = Callable[[Any], None]


def locale() -> str:
    """Return the language of this terminal: FINVIEW_LOCALE, else the system's, else English."""
    return negotiate(next((os.environ[n] for n in _LOCALE_VARIABLES if os.environ.get(n)), None))


def say(message: str, **params: Any) -> str:
    """Return a message marked with `N_` in the language of this terminal."""
    return translate(message, locale(), **params)


def note(text: str) -> None:
    """Tell a person something beside the result."""
    Console(stderr=True, highlight=False, soft_wrap=True).print(text, markup=False)


def line(text: str = "") -> None:
    """Print one line of the result."""
    Console(highlight=False, soft_wrap=True).print(text, markup=False)


def heading(text: str) -> None:
    """Print a heading."""
    Console(highlight=False).print(f"\n[bold]{text}[/bold]")


def document(value: Any) -> None:
    """Print the one JSON document of a command."""
    sys.stdout.write(json.dumps(value, ensure_ascii=False, indent=2, default=_plain) + "\n")
    sys.stdout.flush()


def table(headers: Sequence[str], rows: Sequence[Sequence[Any]], *, title: str = "") -> None:
    """Print a table; whole numbers stand at the right."""
    shown = Table(title=title or None, title_justify="left", header_style="bold", box=None)
    for at, header in enumerate(headers):
        numeric = bool(rows) and all(isinstance(row[at], int) for row in rows)
        shown.add_column(header, justify="right" if numeric else "left", overflow="fold")
    for row in rows:
        shown.add_row(*("" if cell is None else str(cell) for cell in row))
    out = Console(highlight=False)
    if not out.is_terminal:
        out.width = PIPED_WIDTH
    out.print(shown, markup=False)


@contextmanager
def progress() -> Iterator[OnProgress]:
    """Show a bar on a terminal's standard error; hand out what `drain` calls at each step."""
    console = Console(stderr=True)
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
    )
    bars: dict[tuple[int, str | None], Any] = {}
    with Progress(
        *columns, console=console, transient=True, disable=not console.is_terminal
    ) as shown:

        def step(now: Any) -> None:
            key = (now.job_id, now.phase)
            if key not in bars:
                bars[key] = shown.add_task(_phase(now.phase), total=now.total)
            shown.update(bars[key], completed=now.done, total=now.total)

        yield step


def _phase(phase: str | None) -> str:
    from finview.i18n import known_codes, sentence

    code = f"PHASE_{phase}"
    return sentence(code if code in known_codes() else "PHASE_WORK", locale())


def _plain(value: Any) -> Any:
    if isinstance(value, date | datetime):
        return value.isoformat()
    return str(value)
