"""`finview match`: measures the bound matcher on labelled data."""

import csv
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, cast

from finview.cli import show
from finview.cli.opening import existing, opened
from finview.errors import Invalid
from finview.i18n import N_, sentences
from finview.matching import evaluate
from finview.plugins.bindings import resolve
from finview.plugins.contracts.matcher import Matcher
from finview.plugins.manager import Plugins

sentences(
    {
        "CSV_COLUMNS": N_("{file} lacks the columns {columns}."),
        "MATCHER_NONE": N_("No matcher is bound."),
    }
)


def run_evaluate(left: Path, right: Path, truth: Path, matcher: str | None) -> dict[str, Any]:
    """Match RIGHT against LEFT and compare with the true pairs."""
    pairs = _read(truth, needs=2)
    names = list(pairs[0]) if pairs else []
    wanted = [(str(row[names[0]]), str(row[names[1]])) for row in pairs]
    with _matcher(matcher) as provider:
        return evaluate.evaluate(
            _read(left, needs=1), _read(right, needs=1), wanted, provider, rss_mb=_rss_mb
        )


def run_pairs(file: Path, matcher: str | None) -> dict[str, Any]:
    """Judge each pair of a file."""
    rows = _read(file, needs=1)
    with _matcher(matcher) as provider:
        return evaluate.pairs(rows, provider)


def show_evaluation(found: Mapping[str, Any]) -> None:
    """Print the quality of a matcher."""
    rows = [(name, value) for name, value in found["auto"].items()]
    rows += [(name, value) for name, value in found.items() if not isinstance(value, dict)]
    show.table([show.say(N_("Figure")), show.say(N_("Value"))], [(n, str(v)) for n, v in rows])


def show_pairs(found: Mapping[str, Any]) -> None:
    """Print the decision on each pair."""
    headers = [show.say(N_("Pair")), show.say(N_("Decision")), "%", show.say(N_("Guards"))]
    rows = [
        (p["pair_id"], p["decision"], f"{p['percent']:.1f}", ", ".join(p["guards"]))
        for p in found["pairs"]
    ]
    show.table(headers, rows)


@contextmanager
def _matcher(name: str | None) -> Iterator[Matcher[Any]]:
    """Hand out the matcher that is bound for the whole agency, or the one named."""
    with opened() as services:
        plugins = services.get(Plugins)
        if name is not None:
            yield cast("Matcher[Any]", plugins.make("matcher", name))
            return
        with services.db.reading() as session:
            bound = resolve(session, plugins, [], "matcher")
        if bound is None:
            raise Invalid("MATCHER_NONE")
        yield cast("Matcher[Any]", bound.provider)


def _read(path: Path, *, needs: int) -> list[dict[str, str | None]]:
    with existing(path).open(newline="", encoding="utf-8-sig") as text:
        reader = csv.DictReader(text)
        if len(reader.fieldnames or ()) < needs:
            raise Invalid("CSV_COLUMNS", file=str(path), columns=needs)
        return list(reader)


def _rss_mb() -> float:
    """Return the most memory this process ever held; 0 where the system doesn't tell."""
    try:
        import resource
    except ImportError:  # Windows
        return 0.0
    unit = 1024 if sys.platform != "darwin" else 1024 * 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / unit
