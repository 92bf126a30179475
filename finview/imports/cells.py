"""Cells of one column: cleaning of text, and the number and date format settled from all rows."""
# ruff: noqa: SIM905  # tables of words are read and edited as text

import re
import unicodedata
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Final, Literal, Self

from finview.imports.dates import DateOrder, read_date
from finview.imports.numbers import DecimalSign, read_number
from finview.text import CACHE

Cell = tuple[str, str]
"""(text, type): "" blank, "s" text, "n" number, "d" date, "b" truth, "e" error, "f" no result."""

BLANK: Final[Cell] = ("", "")

ColumnKind = Literal["amount", "date"]

_MAJORITY = 20
"""Of contradicting spellings one must be this many times as frequent to settle a column."""

_SOME_YEAR = 2000
"""Evidence of the order doesn't depend on the century of two-digit years."""

_POINT_COUNTRIES: Final = frozenset(
    "GB IE US AU NZ IN SG HK MT CY IL JP CN TH MY PH MX CH LI".split()
)
_MONTH_FIRST_COUNTRIES: Final = frozenset({"US", "PH"})


@dataclass(frozen=True, slots=True, kw_only=True)
class ColumnFormat:
    """How a column writes numbers or dates; None where its rows don't tell.

    `ambiguous`: some cells can be read in two ways and nothing settles it. `likely` is what is
    usual in the country of the import, offered as an answer, never taken by itself.
    """

    decimal: DecimalSign | None = None
    date_order: DateOrder | None = None
    ambiguous: bool = False
    likely: str | None = None

    def as_json(self) -> dict[str, Any]:
        """Return the format as JSON stores it."""
        return {
            "decimal": self.decimal,
            "dateOrder": self.date_order,
            "ambiguous": self.ambiguous,
            "likely": self.likely,
        }

    @classmethod
    def from_json(cls, stored: Mapping[str, Any]) -> Self:
        """Return the format that `as_json` stored."""
        return cls(
            decimal=stored.get("decimal"),
            date_order=stored.get("dateOrder"),
            ambiguous=bool(stored.get("ambiguous")),
            likely=stored.get("likely"),
        )


class ColumnEvidence:
    """What the cells of one column prove about its format; adds up over chunks, in any order."""

    __slots__ = ("counts", "kind")

    def __init__(self, kind: ColumnKind, counts: Mapping[str, int] | None = None) -> None:
        self.kind: ColumnKind = kind
        self.counts: dict[str, int] = dict(counts or {})

    def add(self, cells: Iterable[Cell]) -> None:
        """Count what the text cells prove; cells of other types say nothing."""
        seen = _number_evidence if self.kind == "amount" else _date_evidence
        counts = self.counts
        for text, kind in cells:
            if kind == "s" and (proof := seen(text)):
                counts[proof] = counts.get(proof, 0) + 1

    def settled(
        self, *, country: str | None = None, options: Mapping[str, Any] | None = None
    ) -> ColumnFormat:
        """Return the format; `options` {decimal, dateOrder} chosen by a person win."""
        chosen = options or {}
        if self.kind == "amount":
            decimal = chosen.get("decimal") or self._winner("COMMA", "POINT")
            return ColumnFormat(
                decimal=decimal,
                ambiguous=decimal is None and bool(self.counts.get("AMBIGUOUS")),
                likely=_POINT_OR_COMMA[country in _POINT_COUNTRIES] if country else None,
            )
        order = chosen.get("dateOrder") or self._winner("DMY", "MDY")
        unclear = order is None and bool(self.counts.get("AMBIGUOUS"))
        if order is None and not unclear and self.counts.get("YMD"):
            order = "YMD"
        likely = "MDY" if country in _MONTH_FIRST_COUNTRIES else "DMY"
        return ColumnFormat(date_order=order, ambiguous=unclear, likely=likely if country else None)

    def as_json(self) -> dict[str, Any]:
        """Return the evidence as JSON stores it."""
        return {"kind": self.kind, "counts": dict(self.counts)}

    @classmethod
    def from_json(cls, stored: Mapping[str, Any]) -> Self:
        """Return the evidence that `as_json` stored."""
        return cls(stored["kind"], stored["counts"])

    def _winner(self, one: str, other: str) -> Any:
        ones, others = self.counts.get(one, 0), self.counts.get(other, 0)
        if ones == others or min(ones, others) * _MAJORITY > max(ones, others):
            return None
        return one if ones > others else other


_POINT_OR_COMMA: Final = {True: "POINT", False: "COMMA"}


def settle(
    kind: ColumnKind,
    cells: Iterable[Cell],
    country: str | None = None,
    options: Mapping[str, Any] | None = None,
) -> ColumnFormat:
    """Settle the format of a whole column at once."""
    evidence = ColumnEvidence(kind)
    evidence.add(cells)
    return evidence.settled(country=country, options=options)


@lru_cache(CACHE)
def _number_evidence(text: str) -> str | None:
    number = read_number(text)
    return "AMBIGUOUS" if number.state == "AMBIGUOUS" else number.evidence


@lru_cache(CACHE)
def _date_evidence(text: str) -> str | None:
    day = read_date(text, None, _SOME_YEAR)
    return "AMBIGUOUS" if day.state == "AMBIGUOUS" else day.evidence


# Text -------------------------------------------------------------------------------------------

_CONTROL = re.compile(
    "[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069"
    "\ud800-\udfff\ufff0-\ufffb\ufffe\uffff]"
)
_ZERO_WIDTH = re.compile("[\u00ad\u200b-\u200d\u2060\ufeff]")
_PLAIN = re.compile(
    r"[!-~\u00a1-\u00ac\u00ae-\u017f\u20ac]+(?: [!-~\u00a1-\u00ac\u00ae-\u017f\u20ac]+)*"
)
_BLANKS = re.compile(r"\s+")
_LINE_BLANKS = re.compile(r"[^\S\n]+")
_DOUBLE = re.compile(
    "[\u00c2\u00c3\u00c4\u00c5\u00e2\u00d0\u00d1\u00ce\u00cf\u00f0][\u0080-\u00bf"
    "\u0152\u0153\u0160\u0161\u0178\u017d\u017e\u0192\u02c6\u02dc"
    "\u2013-\u203a\u20ac\u2122]"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Cleaned:
    """A cell's text made safe to store, and what had to be done for it."""

    text: str
    blanks: bool = False
    controls: bool = False
    repair: str | None = None
    """The text with its double encoding undone, when that is possible without loss."""


def clean(text: str, *, lines: bool = False) -> Cleaned:
    """Make a text safe: NFC, no control or bidi characters, plain single blanks.

    `lines` keeps line breaks (notes). Outer and doubled blanks, no-break and zero-width ones go.
    """
    if _PLAIN.fullmatch(text) and not _DOUBLE.search(text):
        return Cleaned(text=text)
    repair = _undone(text)
    free = _CONTROL.sub("", text)
    tidy = unicodedata.normalize("NFC", _ZERO_WIDTH.sub("", free))
    if lines:
        kept = (_LINE_BLANKS.sub(" ", line).strip() for line in tidy.splitlines())
        tidy = "\n".join(kept).strip()
    else:
        tidy = _BLANKS.sub(" ", tidy).strip()
    same = free.replace("\r\n", "\n").replace("\r", "\n") if lines else free
    return Cleaned(
        text=tidy,
        blanks=tidy != same,
        controls=free != text,
        repair=clean(repair, lines=lines).text if repair else None,
    )


def visible(text: str) -> str:
    """Return a raw text as it may be shown and stored: what must not survive becomes U+FFFD."""
    return _CONTROL.sub("\ufffd", text) if _CONTROL.search(text) else text


def _undone(text: str) -> str | None:
    """Undo UTF-8 read as cp1252, up to three times; None when nothing was doubled or it loses."""
    current = text
    for _ in range(3):
        if not _DOUBLE.search(current):
            break
        try:
            current = _sloppy_cp1252(current).decode("utf-8")
        except (UnicodeEncodeError, UnicodeDecodeError):
            break
    return current if current != text and not _CONTROL.search(current) else None


def _sloppy_cp1252(text: str) -> bytes:
    """Encode as cp1252, C1 control characters as the bytes they were read from."""
    return b"".join(
        bytes((ord(sign),)) if "\x80" <= sign <= "\x9f" else sign.encode("cp1252") for sign in text
    )
