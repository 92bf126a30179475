"""`finview import` and `finview columns`: a whole import, or only its mapping, from a terminal."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from finview.cli import show
from finview.cli.jobs import warn_of_failed
from finview.cli.opening import (
    acting,
    existing,
    opened,
    read_settings,
    the_bucket,
    the_customer,
    the_portfolio,
)
from finview.cli.steps import ImportSteps
from finview.i18n import N_, sentence
from finview.imports.mapping import propose
from finview.imports.reading.limits import Limits
from finview.imports.reading.process import probe


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """What a person asked of `finview import`."""

    file: Path
    customer: str
    portfolio: str
    kind: str
    country: str
    bucket: str | None
    launch: bool
    dry_run: bool
    rows: bool


def run_import(order: Order) -> dict[str, Any]:
    """Import a file as far as the order says and return the document of it."""
    path = existing(order.file)
    with opened() as services, show.progress() as on_progress:
        viewer = acting(services)
        with services.db.reading() as session:
            customer = the_customer(session, order.customer)
            portfolio = the_portfolio(session, customer, order.portfolio)
            bucket = the_bucket(session, portfolio, order.bucket) if order.bucket else None
        steps = ImportSteps(services, viewer, on_progress)
        steps.upload(path, portfolio, kind=order.kind, country=order.country)
        try:
            steps.confirm_mapping()
        except Exception:
            steps.forget()  # nobody could go on with it from here
            raise
        if order.dry_run:
            found = _document(steps, order)
            steps.forget()
            return {**found, "dry_run": True}
        steps.complete_review()
        if bucket is not None:
            steps.link(bucket.id)
        if order.launch:
            steps.launch()
        warn_of_failed(services)
        return _document(steps, order)


def _document(steps: ImportSteps, order: Order) -> dict[str, Any]:
    found: dict[str, Any] = {"import": steps.summary()}
    return {**found, "rows": steps.rows()} if order.rows else found


def show_import(found: Mapping[str, Any]) -> None:
    """Print what became of an import."""
    row = found["import"]
    locale = show.locale()
    show.line(show.say(N_("Import {number}: {state}"), number=row["number"], state=row["state"]))
    for notice in row["notices"]:
        show.line(f"  {notice['message']}")
    show_counts(row)
    stopped = [
        (code, n, sentence(f"{code}.HINT", locale))
        for code, n in row["issues"].items()
        if not code.startswith("AUTOFIX")
    ]
    if stopped:
        headers = [show.say(N_("Reason")), show.say(N_("Rows")), show.say(N_("What to do"))]
        show.table(headers, stopped)
    for one in found.get("rows", ()):
        codes = ", ".join(one["codes"])
        show.line(f"{one['row']:>6}  {one['section']:<15} {codes}")
    if found.get("dry_run"):
        show.note(show.say(N_("This was a dry run: nothing was kept.")))


def show_counts(row: Mapping[str, Any]) -> None:
    """Print the sections and matches of an import."""
    sections, matches = row["sections"], row["matches"]
    headers = ["", show.say(N_("Number"))]
    show.table(
        headers,
        [
            (show.say(N_("Rows ready")), sections["ready"]),
            (show.say(N_("Rows that need cleansing")), sections["needs_cleansing"]),
            (show.say(N_("Faulty rows")), sections["faulty"]),
            (show.say(N_("Rows left out")), sections["skipped"]),
            (show.say(N_("New debtors")), matches["new"]),
            (show.say(N_("Known debtors")), matches["matched"]),
            (show.say(N_("Debtors somebody must decide")), matches["review"]),
            (show.say(N_("Cases")), row["cases"]),
        ],
    )


def run_columns(file: Path, *, kind: str, country: str) -> list[dict[str, Any]]:
    """Return the mapping that would be proposed for a file; no database is needed."""
    path = existing(file)
    seen = probe(path, path.name, Limits.of(read_settings()))
    return [
        {
            "index": column.index,
            "header": column.header,
            "field": column.field,
            "confidence": column.confidence,
            "margin": column.margin,
            "decided": column.decided,
            "evidence": column.evidence,
            "samples": column.samples,
        }
        for column in propose(seen.headers, seen.sample, debtor_kind=kind, country=country)
    ]


def show_columns(columns: Sequence[Mapping[str, Any]]) -> None:
    """Print a proposed mapping."""
    headers = [
        show.say(N_("Column")),
        show.say(N_("Field")),
        show.say(N_("Confidence")),
        show.say(N_("Decided")),
        show.say(N_("Example")),
    ]
    rows = [
        (c["header"], c["field"] or "–", f"{c['confidence']:.0%}", c["decided"], _first(c))
        for c in columns
    ]
    show.table(headers, rows)


def _first(column: Mapping[str, Any]) -> str:
    samples = column["samples"]
    return str(samples[0])[:40] if samples else ""
