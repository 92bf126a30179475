"""Bank statements as delimited text: columns found by their names, in German or English."""

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import date
from itertools import islice
from typing import BinaryIO

from finview import clock
from finview.imports.cells import ColumnEvidence, clean
from finview.imports.currencies import read_currency
from finview.imports.dates import DateOrder, read_date
from finview.imports.numbers import DecimalSign, read_number, to_minor
from finview.imports.reading.delimited import Delimited
from finview.imports.reading.limits import Refused
from finview.imports.reading.lines import is_blank, is_total
from finview.imports.reading.statement_columns import Columns, columns_of, score
from finview.imports.reading.table import HeadLine, SheetHead, find_table
from finview.money import digits, known_currency
from finview.plugins.contracts.reader import Line, ReaderOptions
from finview.plugins.contracts.statement import (
    AMOUNT_MAX,
    IBAN_CHARS_MAX,
    KEY_CHARS_MAX,
    NAME_CHARS_MAX,
    REFERENCE_CHARS_MAX,
    BankLine,
)

_HEAD_LINES = 260
_PROOF_ROWS = 5_000
"""So many rows settle how numbers and dates are written; a bank writes all alike."""
_SIDE = re.compile(r"(?:CR|DR|H|S|Haben|Soll)\s*\Z", re.IGNORECASE)
_CREDIT = frozenset({"h", "haben", "c", "cr", "crdt", "credit", "gutschrift", "+", "in"})
_DEBIT = frozenset(
    {"s", "soll", "d", "dr", "dbit", "debit", "lastschrift", "belastung", "-", "out"}
)
_NOT_BOOKED = re.compile(
    r"vorgemerkt|vormerk|pending|reverted|declined|failed|cancel|storniert|ausstehend|offen|authori",
    re.IGNORECASE,
)
_RETURNED = re.compile(
    r"r(?:ü|ue|u)ck(?:lastschr|belast|gabe|ruf|überw|ueberw|zahlung lastschr)|retoure|"
    r"retourniert|\br-?transaction|\breturned\b|direct debit return|unpaid|charge ?back|"
    r"\breversal\b|\bstorno",
    re.IGNORECASE,
)
_FOOTER = re.compile(
    r"\W*(?:(?:alter|neuer|anfangs|end|schluss)?[ -]?(?:kontostand|saldo)|summe|gesamt|total|"
    r"(?:opening|closing)? ?balance|\*+)",
    re.IGNORECASE,
)
_CURRENCY_WORD = re.compile(r"w(?:ä|ae)hrung|currency", re.IGNORECASE)
_SAYS_NOTHING = frozenset({"", "notprovided", "nonref", "noref"})


@dataclass(slots=True)
class _Format:
    """How this file writes numbers and dates, and the currency it names outside of its rows."""

    columns: Columns
    decimal: DecimalSign
    order: DateOrder
    currency: str
    year: int
    times: dict[str, int] = field(default_factory=dict)


def read_csv(file: BinaryIO) -> Iterator[BankLine]:
    """Yield the booked lines of a bank's CSV export.

    Raises Refused: BANK_FILE_TYPE for no table, BANK_FILE_NO_AMOUNT and BANK_FILE_NO_DATE for a
    missing column, BANK_FILE_AMOUNT, BANK_FILE_DATE and BANK_FILE_CURRENCY with the line of a cell
    that can't be read, BANK_FILE_DATES_UNCLEAR.
    """
    text = Delimited(file, ReaderOptions())
    head = [line for line in islice(text.lines(), _HEAD_LINES) if not is_blank(line.cells)]
    table = find_table(
        SheetHead(name="", visible=True, lines=[HeadLine(no=x.no, cells=x.cells) for x in head]),
        score,
        full_width=True,
    )
    if table is None:
        raise Refused("BANK_FILE_TYPE")
    columns = columns_of(table.headers, [line.cells for line in table.sample])
    if columns.amounts == ():
        raise Refused("BANK_FILE_NO_AMOUNT")
    if columns.booked is None and columns.value is None:
        raise Refused("BANK_FILE_NO_DATE")
    form = _settled(text, table.header_row, columns, table.titles)
    for line in text.lines():
        if line.no > table.header_row and not is_blank(line.cells):
            found = _line(line, form)
            if found is not None:
                yield found


def _settled(
    text: Delimited, header_row: int, columns: Columns, titles: Sequence[Sequence[str]]
) -> _Format:
    numbers, days = ColumnEvidence("amount"), ColumnEvidence("date")
    dated = [at for at in (columns.booked, columns.value) if at is not None]
    stated: set[str] = set()
    for line in islice(text.lines(), _PROOF_ROWS):
        if line.no > header_row:
            cells = line.cells
            numbers.add(cells[at] for at in columns.amounts if at < len(cells))
            days.add(cells[at] for at in dated if at < len(cells))
            if columns.currency is not None and columns.currency < len(cells):
                stated.add(cells[columns.currency][0].strip().upper())
    currency = columns.header_currency or _titled(titles)
    decimal = numbers.settled().decimal or ("COMMA" if columns.german else "POINT")
    settled = days.settled()
    order = settled.date_order
    if settled.ambiguous:
        # English words alone don't tell 3 April from 4 March; a currency outside America does.
        named = (stated | {currency}) - {""}
        if not columns.german and (not named or "USD" in named):
            raise Refused("BANK_FILE_DATES_UNCLEAR")
        order = "DMY"
    return _Format(
        columns=columns,
        decimal=decimal,
        order=order or "DMY",
        currency=currency,
        year=clock.today().year,
    )


def _titled(titles: Sequence[Sequence[str]]) -> str:
    """Return the currency that stands above the table as "Währung: EUR", else nothing."""
    for title in titles:
        for at, text in enumerate(title):
            if _CURRENCY_WORD.search(text):
                for word in re.findall(r"[A-Z]{3}", " ".join((text, *title[at + 1 : at + 2]))):
                    if known_currency(word):
                        return str(word)
    return ""


def _line(line: Line, form: _Format) -> BankLine | None:
    columns = form.columns
    texts = [clean(text).text for text, _ in line.cells]

    def cell(at: int | None) -> str:
        return texts[at] if at is not None and at < len(texts) else ""

    booked, value = cell(columns.booked), cell(columns.value)
    if not any(cell(at) for at in columns.amounts):
        return None  # a note below the table
    if _NOT_BOOKED.search(cell(columns.status)):
        return None
    first = next((text for text in texts if text), "")
    if is_total(line.cells) or (_FOOTER.match(first) and not _day(booked or value, form)):
        return None
    currency = _currency(cell(columns.currency), form, line.no)
    minor, stated = _amount(cell, form, currency, line.no)
    booked_on = _day(booked, form) if booked else None
    value_on = _day(value, form) if value else None
    if (booked and booked_on is None) or (value and value_on is None) or not (booked or value):
        raise Refused("BANK_FILE_DATE", line=line.no, text=(booked or value)[:40])
    kind, reference = cell(columns.kind), _joined([cell(at) for at in columns.references])
    said = [reference or kind, *(x for x in map(cell, columns.extra) if _tells(x))]
    payer, payee = cell(columns.payer) or cell(columns.name), cell(columns.payee)
    name = (payer or payee) if minor >= 0 else (payee or payer)
    on = value_on or booked_on
    assert on is not None, "one of both was read"
    return BankLine(
        booked_on=booked_on or on,
        value_on=on,
        amount_minor=minor,
        currency=currency or stated,
        name=name[:NAME_CHARS_MAX],
        iban=re.sub(r"\s", "", cell(columns.iban))[:IBAN_CHARS_MAX],
        reference=_joined(said)[:REFERENCE_CHARS_MAX],
        key=_key(cell(columns.id), form),
        returned=bool(_RETURNED.search(f"{kind} {reference}")),
    )


def _tells(text: str) -> bool:
    return text.replace(" ", "").lower() not in _SAYS_NOTHING


def _joined(texts: Sequence[str]) -> str:
    return " ".join(dict.fromkeys(text for text in texts if text))


def _key(text: str, form: _Format) -> str:
    """Return the bank's own name of a line; a name that comes again in the file gets a number."""
    if not _tells(text):
        return ""
    times = form.times[text] = form.times.get(text, 0) + 1
    return f"{text[: KEY_CHARS_MAX - 10]}#{times}" if times > 1 else text[: KEY_CHARS_MAX - 10]


def _day(text: str, form: _Format) -> date | None:
    day = read_date(text, form.order, form.year)
    return date.fromisoformat(day.iso) if day.state == "CLEAR" else None


def _currency(text: str, form: _Format, no: int) -> str:
    if not text:
        return form.currency
    code = read_currency(text, form.currency).code
    if code is None:
        raise Refused("BANK_FILE_CURRENCY", line=no, text=text[:10])
    return code


def _amount(
    cell: Callable[[int | None], str], form: _Format, currency: str, no: int
) -> tuple[int, str]:
    """Return signed minor units, and the currency that stands beside the number, if any."""
    columns = form.columns
    debit, credit = cell(columns.debit), cell(columns.credit)
    minor, stated = 0, ""
    for text, sign in ((debit, -1), (credit, 1)):
        if text:
            part, beside = _number(text, form, currency, no)
            minor, stated = minor + sign * abs(part), beside or stated
    if debit or credit:
        return minor, stated
    minor, stated = _number(cell(columns.amount), form, currency, no)
    side = cell(columns.side).casefold().strip(" .")
    if not side:
        return minor, stated
    if side not in _CREDIT | _DEBIT:
        raise Refused("BANK_FILE_AMOUNT", line=no, text=side[:40])
    return (-abs(minor) if side in _DEBIT or minor < 0 else minor), stated


def _number(text: str, form: _Format, currency: str, no: int) -> tuple[int, str]:
    number = read_number(text, form.decimal)
    stated = read_currency(number.token, currency).code if number.token else None
    places = digits(currency or stated) if currency or stated else 2
    minor, fit = to_minor(number, places)
    wrong = number.state != "CLEAR" or fit == "PRECISION" or abs(minor) > AMOUNT_MAX
    if wrong or (number.token and stated is None):
        raise Refused("BANK_FILE_AMOUNT", line=no, text=text[:40])
    # A claim is lowered by what stands in the credit; a bank account grows by it.
    return (-minor if _SIDE.search(text) else minor), stated or ""
