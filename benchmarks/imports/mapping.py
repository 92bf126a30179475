"""Measures column mapping: fields right, wrong fields, accepted columns right, whole files right.

`python benchmarks/imports/mapping.py [HEADERS.csv] [--files 50]`; the CSV has the columns header,
target, lang, source. Every header is drawn in four folds; "unseen" means the drawn headers were
taken out of the dictionary first. Values are invented, so the value profile is flattered.
"""

import argparse
import csv
import random
import sys
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from finview.imports import aliases, names
from finview.imports.mapping import ColumnProposal, propose

sys.path.insert(0, str(Path(__file__).resolve().parent))

from mapping_values import BUILT_IN, Invented

ROWS = 60
FOLDS = 4
CUSTOMER = ("customer_case_number", "customer_client_number")


@dataclass(frozen=True)
class Label:
    """One labelled header."""

    header: str
    target: str
    lang: str


@dataclass
class Tally:
    """Counts over columns and files."""

    fields: int = 0
    right: int = 0
    columns: int = 0
    wrong: int = 0
    accepted: int = 0
    accepted_right: int = 0
    files: int = 0
    files_right: int = 0
    misses: Counter[str] = field(default_factory=Counter)

    def add(self, labels: Sequence[Label], proposals: Sequence[ColumnProposal]) -> None:
        """Count one file."""
        whole = True
        for label, proposal in zip(labels, proposals, strict=True):
            right = agrees(label.target, proposal.field)
            whole = whole and right
            self.columns += 1
            if label.target != "ignore":
                self.fields += 1
                self.right += right
            if not right:
                mark = "!!" if proposal.accepted else "  "
                self.misses[f"{mark} {label.header} ({label.target}) -> {proposal.field}"] += 1
                self.wrong += proposal.field is not None
            if proposal.accepted:
                self.accepted += 1
                self.accepted_right += right
        self.files += 1
        self.files_right += whole

    def line(self) -> str:
        """All figures of one run."""
        return (
            f"fields right {self.right / self.fields:6.1%} | wrong field "
            f"{self.wrong / self.columns:6.1%} | accepted {self.accepted / self.columns:6.1%} "
            f"of columns, right {self.accepted_right / max(1, self.accepted):6.2%} | "
            f"whole file right {self.files_right / self.files:6.1%}"
        )


def agrees(target: str, proposed: str | None) -> bool:
    if target == "customer_number":
        return proposed in CUSTOMER
    return (proposed or "ignore") == target


@contextmanager
def forgotten(headers: Sequence[str]) -> Iterator[None]:
    """Take these headers out of the dictionary for a while."""
    keys = {aliases.squash(aliases.normalise_header(header)) for header in headers}
    entries = (entry for entry in aliases.read_entries() if aliases.squash(entry.alias) not in keys)
    smaller = aliases.assemble(entries)
    names.dictionary = lambda: smaller
    _forget()
    try:
        yield
    finally:
        names.dictionary = aliases.dictionary
        _forget()


def _forget() -> None:
    """The dictionary changed under the caches."""
    names._name_hits.cache_clear()  # noqa: SLF001
    names.letter_shares.cache_clear()


def draw(labels: Sequence[Label], chance: random.Random) -> list[Label]:
    """One header per field, mostly of one language, and some that are no field."""
    lang = chance.choice(("de", "en"))
    by_target: dict[str, list[Label]] = {}
    for label in labels:
        by_target.setdefault(label.target, []).append(label)
    always = {"amount", "invoice_date", "invoice_number", "due_date", "street", "city"}
    chosen = []
    for target, several in by_target.items():
        if target == "ignore" or (target not in always and chance.random() < 0.25):
            continue
        own = [label for label in several if label.lang == lang] or several
        chosen.append(chance.choice(own))
    extra = by_target.get("ignore", [])
    chosen += chance.sample(extra, min(len(extra), chance.randint(2, 5)))
    chance.shuffle(chosen)
    return chosen


def run(labels: Sequence[Label], *, files: int, unseen: bool, values: bool) -> Tally:
    chance = random.Random(7)
    shuffled = list(labels)
    chance.shuffle(shuffled)
    tally = Tally()
    for fold in range(FOLDS):
        part = shuffled[fold::FOLDS]
        with forgotten([label.header for label in part] if unseen else []):
            for _file in range(files):
                drawn = draw(part, chance)
                invented = Invented(chance, german=chance.random() < 0.5)
                targets = [label.target for label in drawn]
                headers = [label.header for label in drawn]
                rows = invented.rows(targets, headers, ROWS) if values else []
                kind = "BUSINESS" if "company" in targets else "CONSUMER"
                country = "DE" if invented.german else "GB"
                tally.add(drawn, propose(headers, rows, debtor_kind=kind, country=country))
    return tally


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("headers", nargs="?", help="labelled headers, CSV")
    parser.add_argument("--files", type=int, default=50, help="files per fold")
    parser.add_argument("--misses", type=int, default=0, help="print this many frequent misses")
    asked = parser.parse_args()
    if asked.headers:
        with Path(asked.headers).open(encoding="utf-8", newline="") as lines:
            labels = [Label(r["header"], r["target"], r["lang"]) for r in csv.DictReader(lines)]
    else:
        labels = [Label(*line.split("|")) for line in BUILT_IN.strip().splitlines()]
    known = sum(
        aliases.squash(aliases.normalise_header(label.header)) in aliases.dictionary().exact
        for label in labels
    )
    print(f"{len(labels)} headers, {known / len(labels):.0%} of them in the dictionary")
    for name, unseen, values in (
        ("known headers, with values", False, True),
        ("unseen headers, with values", True, True),
        ("known headers, header only", False, False),
        ("unseen headers, header only", True, False),
    ):
        start = time.process_time()
        tally = run(labels, files=asked.files, unseen=unseen, values=values)
        spent = (time.process_time() - start) / tally.files
        print(f"{name:28} {tally.line()} | {spent * 1000:.0f} ms a file")
        for miss, count in tally.misses.most_common(asked.misses):
            print(f"    {count:4} {miss}")


if __name__ == "__main__":
    main()
