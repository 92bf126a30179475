"""The rules over many rows: duplicates, invoices imported before, mixed currencies, one number twice."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from hashlib import blake2b
from itertools import chain
from typing import Any, Final

from finview.imports.checked import Issue, issue
from finview.imports.identity import conflict, has_number, identity

OF_FILE: Final = frozenset(
    {"DUPLICATE_INVOICE", "ALREADY_IMPORTED", "CURRENCY_MIXED", "DEBTOR_CONFLICT"}
)
"""The codes that this module finds: they can change whenever another row changes."""

_SEPARATOR = "\x1f"
_BATCH = 500

Data = Mapping[str, Any]
"""Values of a row by field, plain or as stored: {field: [value, …]}."""

DataOf = Callable[[Sequence[int]], Mapping[int, Data]]
"""Row numbers → their values; asked for rows in doubt only, at most 500 at a time."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RowKeys:
    """The keys of a stored row. `who_key` may be empty: then names and addresses are all compared."""

    row_no: int
    debtor_key: str
    invoice_key: str = ""
    currency: str = ""
    who_key: str = ""
    section: str = ""
    client_number: str = ""
    amount_minor: int | None = None


@dataclass(slots=True)
class _Debtor:
    """What was met of one debtor: his rows, currencies, and rows that look different."""

    rows: list[int]
    who: str
    currencies: str | set[str]
    other: list[int]


def file_issues(
    rows: Iterable[RowKeys],
    *,
    earlier: Mapping[str, str] | None = None,
    data_of: DataOf | None = None,
) -> Iterator[tuple[int, Issue]]:
    """Yield (row number, issue) for all rules over many rows, in no promised order.

    `rows` come by row number, without the skipped ones; of each only hashes are kept (about 300
    bytes). `earlier`: invoice keys of the customer's live imports → number of the import.
    DEBTOR_CONFLICT needs `data_of`.
    """
    known = earlier or {}
    invoices: dict[int, int] = {}
    debtors: dict[int, _Debtor] = {}
    for row in rows:
        if row.invoice_key in known:
            found = issue("ALREADY_IMPORTED", "invoice_number", number=known[row.invoice_key])
            yield row.row_no, found
        if not row.debtor_key:
            continue
        if row.invoice_key:
            first = invoices.setdefault(_hash(row.debtor_key, row.invoice_key), row.row_no)
            if first != row.row_no:
                yield row.row_no, issue("DUPLICATE_INVOICE", "invoice_number", row=first)
        _meet(debtors, row)
    yield from _mixed(debtors.values())
    if data_of is not None:
        yield from _conflicts([d for d in debtors.values() if d.other], data_of)


def _hash(*parts: str) -> int:
    """Return 64 bits of a key: among a million rows two different ones meet once in 37 million."""
    joined = _SEPARATOR.join(parts).encode("utf-8", "replace")
    return int.from_bytes(blake2b(joined, digest_size=8).digest(), "big")


def _meet(debtors: dict[int, _Debtor], row: RowKeys) -> None:
    debtor = debtors.get(key := _hash(row.debtor_key))
    if debtor is None:
        debtors[key] = _Debtor([row.row_no], row.who_key, row.currency, [])
        return
    debtor.rows.append(row.row_no)
    if has_number(row.debtor_key) and (not row.who_key or row.who_key != debtor.who):
        debtor.other.append(row.row_no)
    if row.currency and row.currency != debtor.currencies:
        if isinstance(debtor.currencies, set):
            debtor.currencies.add(row.currency)
        else:
            both = {debtor.currencies, row.currency} - {""}
            debtor.currencies = both if len(both) > 1 else row.currency


def _mixed(debtors: Iterable[_Debtor]) -> Iterator[tuple[int, Issue]]:
    """Every row of a debtor with two currencies: none of them is the wrong one by itself."""
    for debtor in debtors:
        if isinstance(debtor.currencies, set):
            found = issue("CURRENCY_MIXED", "currency", currencies=sorted(debtor.currencies))
            yield from ((row_no, found) for row_no in debtor.rows)


def _conflicts(debtors: Sequence[_Debtor], data_of: DataOf) -> Iterator[tuple[int, Issue]]:
    """Rows whose name or address contradicts the first row of the same number."""
    for at in range(0, len(debtors), _BATCH):
        some = debtors[at : at + _BATCH]
        wanted = list(chain.from_iterable((d.rows[0], *d.other) for d in some))
        people = {}
        numbers: dict[int, str] = {}
        for begin in range(0, len(wanted), _BATCH):
            for row_no, data in data_of(wanted[begin : begin + _BATCH]).items():
                plain = {k: v[0] if isinstance(v, (list, tuple)) else v for k, v in data.items()}
                people[row_no] = identity(plain)
                numbers[row_no] = (
                    plain.get("customer_client_number") or plain.get("customer_case_number") or ""
                )
        for debtor in some:
            reference = debtor.rows[0]
            for row_no in debtor.other:
                field = conflict(people[reference], people[row_no])
                if field is not None:
                    yield (
                        row_no,
                        issue("DEBTOR_CONFLICT", field, value=numbers[row_no], row=reference),
                    )
