"""From the checked values of rows to parties for matching and to debtors, cases and invoices; pure."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any

from finview.cases.cases import NewCase, NewInvoice
from finview.cases.debtors import Contacts, NewAddress, NewDebtor, NewPhone
from finview.cases.models import DebtorKind
from finview.matching.normalise import RawParty

DEBTOR_FIELDS = ("vat_id", "register_no", "employment", "identity_no", "industry")


@dataclass(frozen=True, slots=True)
class ReadyRow:
    """A READY row: its number, and {field: [value, source, raw]} as it will be stored."""

    no: int
    data: Mapping[str, Sequence[Any]]
    client_number: str

    def get(self, name: str) -> Any:
        """Return the value of a field, None when the row has none."""
        kept = self.data.get(name)
        return kept[0] if kept else None

    def text(self, name: str) -> str:
        """Return the value of a field as text, empty when the row has none."""
        kept = self.data.get(name)
        value = kept[0] if kept else None
        return value if isinstance(value, str) else "" if value is None else str(value)

    def day(self, name: str) -> date | None:
        """Return a date value."""
        value = self.get(name)
        return date.fromisoformat(value) if value else None


def raw_party(row: ReadyRow, kind: str, country: str) -> RawParty:
    """Return the debtor a row names, as matching normalises it.

    A row of a consumer file names a person, even when only a company field is filled.
    """
    company = row.text("company")
    return RawParty(
        kind="company" if kind == DebtorKind.BUSINESS else "person",
        company=company if kind == DebtorKind.BUSINESS else "",
        name=row.text("full_name") or (company if kind == DebtorKind.CONSUMER else ""),
        first_name=row.text("first_name"),
        last_name=row.text("last_name"),
        street=row.text("street"),
        house_no=row.text("house_no"),
        postcode=row.text("postcode"),
        city=row.text("city"),
        country=row.text("country") or country,
        emails=tuple(filter(None, [row.text("email")])),
        phones=tuple(filter(None, [row.text("phone"), row.text("mobile")])),
        dob=row.day("date_of_birth"),
        register_id=row.text("vat_id") or row.text("register_no"),
    )


def new_debtor(rows: Sequence[ReadyRow], kind: str, locale: str, country: str) -> NewDebtor:
    """Return the debtor of the rows that are one debtor: each field's first value counts."""
    first, last = _first(rows, "first_name"), _first(rows, "last_name")
    company = _first(rows, "company")
    full = _first(rows, "full_name")
    return NewDebtor(
        kind=DebtorKind(kind),
        locale=_first(rows, "language") or locale,
        name=company or (None if last or first else full),
        first_name=first,
        last_name=last,
        company_name=company,
        date_of_birth=_day(rows, "date_of_birth"),
        contacts=contacts(rows, country),
        **{name: _first(rows, name) for name in DEBTOR_FIELDS},
    )


def completions(rows: Sequence[ReadyRow]) -> dict[str, Any]:
    """Return what these rows could add to an existing debtor's empty fields."""
    found: dict[str, Any] = {name: _first(rows, name) for name in DEBTOR_FIELDS}
    found["date_of_birth"] = _day(rows, "date_of_birth")
    return {name: value for name, value in found.items() if value is not None}


def contacts(rows: Sequence[ReadyRow], country: str) -> Contacts:
    """Return every way to reach the debtor that the rows name, once each."""
    addresses: dict[tuple[str | None, ...], NewAddress] = {}
    phones: dict[str, NewPhone] = {}
    for row in rows:
        parts = tuple(row.text(n) or None for n in ("street", "house_no", "postcode", "city"))
        if any(parts):
            street, house_no, postcode, city = parts
            place = NewAddress(
                street=street,
                house_no=house_no,
                postcode=postcode,
                city=city,
                country=row.text("country") or country,
            )
            addresses.setdefault((*parts, place.country), place)
        for name in ("phone", "mobile"):
            number = row.text(name)
            if number:
                kept = row.data[name]
                phones.setdefault(number, NewPhone(raw=str(kept[2] or number)[:80], e164=number))
    return Contacts(
        addresses=tuple(addresses.values()),
        emails=tuple(dict.fromkeys(filter(None, (row.text("email") for row in rows)))),
        phones=tuple(phones.values()),
        ibans=tuple(dict.fromkeys(filter(None, (row.text("iban") for row in rows)))),
    )


def new_cases(
    rows: Sequence[ReadyRow],
    *,
    debtor_id: int,
    customer_id: int,
    portfolio_id: int,
    case_per_invoice: bool,
    open_amounts: bool = False,
) -> list[tuple[NewCase, list[int]]]:
    """Return the cases of one debtor's rows with their row numbers, in file order.

    Several invoices become one case, or one each; currencies never share a case.
    `open_amounts` says that what was paid is off the amounts already.
    """
    grouped: dict[Any, list[ReadyRow]] = {}
    for row in sorted(rows, key=lambda r: r.no):
        key = (row.text("currency"), row.no if case_per_invoice else 0)
        grouped.setdefault(key, []).append(row)
    return [
        (
            NewCase(
                customer_id=customer_id,
                portfolio_id=portfolio_id,
                debtor_id=debtor_id,
                currency=currency,
                invoices=tuple(_invoice(row, open_amounts=open_amounts) for row in members),
                customer_case_number=_first(members, "customer_case_number"),
                customer_client_number=_first(members, "customer_client_number"),
                contract_subject=_first(members, "contract_subject"),
                contract_date=_day(members, "contract_date"),
                origin=_first(members, "origin"),
                notes="\n".join(dict.fromkeys(filter(None, (r.text("notes") for r in members))))
                or None,
            ),
            [row.no for row in members],
        )
        for (currency, _), members in grouped.items()
    ]


def _invoice(row: ReadyRow, *, open_amounts: bool) -> NewInvoice:
    """Return an invoice: its amount, and what was paid of it; the difference is open."""
    paid = max(row.get("paid_amount") or 0, 0)
    return NewInvoice(
        amount_minor=row.get("amount") + (paid if open_amounts else 0),
        number=row.text("invoice_number") or None,
        issued_on=row.day("invoice_date"),
        due_on=row.day("due_date"),
        costs_minor=max(row.get("costs") or 0, 0),
        interest_minor=max(row.get("interest") or 0, 0),
        paid_minor=paid,
        description=row.text("contract_subject") or None,
        row_no=row.no,
    )


def _first(rows: Sequence[ReadyRow], name: str) -> str | None:
    for row in rows:
        text = row.text(name)
        if text:
            return text
    return None


def _day(rows: Sequence[ReadyRow], name: str) -> date | None:
    for row in rows:
        day = row.day(name)
        if day:
            return day
    return None
