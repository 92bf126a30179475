"""The workbook of a statement to a customer: money received, the agency's share, closed cases.

It is written in the customer's language by a job, from the statement as it stands: nothing of it
changes afterwards, so the file is the same whenever it is written.
"""

import io
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from typing import Any

from openpyxl import Workbook
from openpyxl.cell import WriteOnlyCell
from openpyxl.styles import Font
from sqlalchemy import Select, select
from sqlalchemy.orm import Session

from finview.cases.client_models import (
    ClientStatement,
    ClientStatementClosing,
    ClientStatementPosition,
)
from finview.cases.client_statements import BOOK
from finview.cases.models import Case, CloseReason, Debtor
from finview.customers.models import BusinessUnit, Customer
from finview.db.base import table_of
from finview.db.files import put_file
from finview.db.jobs import CHUNKED, JobView, Step, job
from finview.i18n import N_, sentence, sentences, translate
from finview.imports.errorbook import TYPE
from finview.imports.workbook import text_cell
from finview.money import Money, digits, rate_text

CODES = sentences(
    {
        "CLIENT_BOOK_TITLE": N_("Statement {number} from {first} to {last}"),
        "CLIENT_BOOK_FILE": N_("Statement-{number}.xlsx"),
        "CLIENT_BOOK_VAT": N_("VAT {percent} %"),
    }
)

MONEY = N_("Money received")
SHARE = N_("Costs and commission")
CLOSED = N_("Closed cases")
TRUST, DIRECT = N_("Trust money"), N_("Paid to you directly")
_CASE = (N_("Case"), N_("Your case number"), N_("Debtor"))
_MONEY = (
    N_("Received by"),
    N_("Principal"),
    N_("Interest"),
    N_("Your earlier costs"),
    N_("Collection costs"),
    N_("VAT on collection costs"),
    N_("Sum"),
)
_SHARE = (
    N_("Received by"),
    N_("Sum"),
    N_("Commission on principal in %"),
    N_("Commission on interest in %"),
    N_("Commission on collection costs in %"),
    N_("Commission"),
    N_("VAT"),
)
_CLOSED = (N_("Reason"), N_("Closed on"), N_("Not collected"))
TOTAL = N_("Total")
COLLECTED = N_("Trust money collected")
BROUGHT_FORWARD = N_("Owed from the statement before")
PAYOUT = N_("Paid out to you")
OWED = N_("Owed by you; set off in the next statement")
_BOLD = Font(bold=True)
_WIDTHS = (14, 20, 32, *[18] * 8)
_PIECE = 2_000
_PLAIN_CHARS_MAX = 1_000


@dataclass(frozen=True, slots=True)
class ClientBook:
    """A finished workbook and its name."""

    content: bytes
    filename: str


@job(BOOK, shape=CHUNKED, queue="bulk")
class WriteClientBook:
    """Write the workbook of a statement, once."""

    def __init__(self, view: JobView) -> None:
        self.view = view
        self.statement_id: int = view.args["statement_id"]
        self.ended = bool(view.cursor)

    def prepare(self) -> ClientBook | None:
        """Write the workbook, with no writing session open."""
        if self.ended:
            return None
        with self.view.services.db.reading() as session:
            row = session.get(ClientStatement, self.statement_id)
            return client_book(session, row) if row is not None and row.file_id is None else None

    def write(self, session: Session, book: ClientBook) -> Step:
        """Store it with the statement, unless another run of the job did meanwhile."""
        row = session.scalars(
            select(ClientStatement).where(ClientStatement.id == self.statement_id).with_for_update()
        ).one()
        if row.file_id is None:
            stored = put_file(
                session,
                self.view.services.files,
                book.content,
                filename=book.filename,
                content_type=TYPE,
                kind="client_statement",
                customer_id=row.customer_id,
            )
            row.file_id = stored.id
        self.ended = True
        return Step(cursor={"ended": True}, done=1, total=1)

    def finish(self, session: Session) -> None:
        """Nothing is left to do."""

    def close(self) -> None:
        """Nothing is held open."""


def client_book(session: Session, row: ClientStatement) -> ClientBook:
    """Return the workbook of a statement: three sheets, each text a text, each sum a number."""
    customer = session.get_one(Customer, row.customer_id)
    unit = session.get_one(BusinessUnit, customer.business_unit_id)
    writer = _Writer(row, customer, unit)
    target = io.BytesIO()
    book = Workbook(write_only=True)
    writer.money(book, _rows(session, _positions(row.id)))
    writer.share(book, _rows(session, _positions(row.id)))
    writer.closed(book, _rows(session, _closings(row.id)))
    book.save(target)
    name = sentence("CLIENT_BOOK_FILE", customer.locale, {"number": row.number})
    return ClientBook(target.getvalue(), name)


def _rows(session: Session, wanted: Select[Any]) -> Iterator[Any]:
    yield from session.execute(wanted, execution_options={"yield_per": _PIECE})


def _positions(statement_id: int) -> Select[Any]:
    columns = table_of(ClientStatementPosition).c
    return (
        select(*columns, Case.number, Case.customer_case_number, Debtor.name)
        .join(Case, Case.id == columns.case_id)
        .join(Debtor, Debtor.id == Case.debtor_id)
        .where(columns.statement_id == statement_id)
        .order_by(columns.case_id, columns.direct)
    )


def _closings(statement_id: int) -> Select[Any]:
    columns = table_of(ClientStatementClosing).c
    return (
        select(*columns, Case.number, Case.customer_case_number, Debtor.name)
        .join(Case, Case.id == columns.case_id)
        .join(Debtor, Debtor.id == Case.debtor_id)
        .where(columns.statement_id == statement_id)
        .order_by(columns.case_id)
    )


class _Writer:
    """Writes the sheets of one statement in the customer's language."""

    def __init__(self, row: ClientStatement, customer: Customer, unit: BusinessUnit) -> None:
        self.row = row
        self.locale = customer.locale
        self.parties = [str(unit.company.get("name") or unit.name), customer.name]
        places = digits(row.currency)
        zeros = "." + "0" * places if places else ""
        self.format = f"#,##0{zeros}"
        self.received = tuple(translate(one, self.locale) for one in (TRUST, DIRECT))

    def money(self, book: Any, rows: Iterable[Any]) -> None:
        """Write what was received, of each case by category."""
        sheet = self._sheet(book, MONEY, (*_CASE, *_MONEY))
        sums, kept = [0] * 6, self._amounts(sheet, 6)
        for row in rows:
            parts = [
                row.principal_minor,
                row.interest_minor,
                row.costs_before_minor,
                row.costs_minor,
                row.costs_vat_minor,
            ]
            parts.append(sum(parts))
            sums = [one + part for one, part in zip(sums, parts, strict=True)]
            sheet.append([*self._case(sheet, row), self.received[row.direct], *kept(*parts)])
        sheet.append([self._text(sheet, TOTAL), None, None, None, *kept(*sums)])

    def share(self, book: Any, rows: Iterable[Any]) -> None:
        """Write commission and VAT of each case, and what is left to pay out."""
        sheet = self._sheet(book, SHARE, (*_CASE, *_SHARE))
        collected, kept = self._amounts(sheet, 1), self._amounts(sheet, 2)
        for row in rows:
            parts = (
                row.principal_minor
                + row.interest_minor
                + row.costs_before_minor
                + row.costs_minor
                + row.costs_vat_minor
            )
            rates = (row.principal_rate, row.interest_rate, row.costs_rate)
            sheet.append(
                [
                    *self._case(sheet, row),
                    self.received[row.direct],
                    *collected(parts),
                    *(Decimal(rate_text(rate)) for rate in rates),
                    *kept(row.commission_minor, row.vat_minor),
                ]
            )
        sheet.append([])
        for label, minor in self._totals():
            sheet.append([self._said(sheet, label), None, None, *collected(minor)])
        reason = sentence(self.row.vat_rule, self.locale, {"country": self.row.vat_country})
        sheet.append([self._said(sheet, reason)])

    def closed(self, book: Any, rows: Iterable[Any]) -> None:
        """Write which cases were closed, why, and what was not collected."""
        sheet = self._sheet(book, CLOSED, (*_CASE, *_CLOSED))
        left = self._amounts(sheet, 1)
        reasons = {one: sentence(f"CLOSED_{one}", self.locale) for one in CloseReason}
        for row in rows:
            told = (self._day(sheet, row.closed_on), *left(row.remaining_minor))
            sheet.append([*self._case(sheet, row), reasons[row.reason], *told])

    def _totals(self) -> Iterator[tuple[str, int]]:
        row, locale = self.row, self.locale
        percent = rate_text(row.vat_rate)
        yield translate(COLLECTED, locale), row.collected_minor
        if row.direct_minor:
            yield translate(DIRECT, locale), row.direct_minor
        yield translate(_SHARE[5], locale), -row.commission_minor
        yield sentence("CLIENT_BOOK_VAT", locale, {"percent": percent}), -row.vat_minor
        if row.brought_forward_minor:
            yield translate(BROUGHT_FORWARD, locale), -row.brought_forward_minor
        owed = row.payout_minor < 0
        yield translate(OWED if owed else PAYOUT, locale), abs(row.payout_minor)

    def _sheet(self, book: Any, title: str, headers: Sequence[str]) -> Any:
        sheet = book.create_sheet(translate(title, self.locale)[:31])
        for n, width in enumerate(_WIDTHS, 1):
            sheet.column_dimensions[chr(64 + n)].width = width
        days = {"first": self.row.from_on, "last": self.row.to_on}
        told = {"number": self.row.number, **days}
        sheet.append(
            [self._said(sheet, sentence("CLIENT_BOOK_TITLE", self.locale, told), bold=True)]
        )
        sheet.append([self._said(sheet, f"{' – '.join(self.parties)} · {self.row.currency}")])
        sheet.append([])
        sheet.append([self._text(sheet, header, bold=True) for header in headers])
        return sheet

    def _case(self, sheet: Any, row: Any) -> list[Any]:
        texts = (row.number, row.customer_case_number or "", row.name)
        return [_plain(text) or text_cell(sheet, text) for text in texts]

    def _amounts(self, sheet: Any, count: int) -> Callable[..., list[Any]]:
        """Return what puts amounts into cells that are written again and again.

        A row is written when it is appended; making a cell with a format costs more than that.
        """
        kept = [WriteOnlyCell(sheet) for _ in range(count)]
        for cell in kept:
            cell.number_format = self.format

        def fill(*minors: int) -> list[Any]:
            for cell, minor in zip(kept, minors, strict=True):
                cell.value = Money(minor, self.row.currency).decimal
            return kept

        return fill

    def _day(self, sheet: Any, day: date) -> Any:
        cell = WriteOnlyCell(sheet, day)
        cell.number_format = "yyyy-mm-dd"
        return cell

    def _text(self, sheet: Any, label: str, *, bold: bool = False) -> Any:
        return self._said(sheet, translate(label, self.locale), bold=bold)

    def _said(self, sheet: Any, text: str, *, bold: bool = False) -> Any:
        cell = text_cell(sheet, text)
        if bold:
            cell.font = _BOLD
        return cell


def _plain(text: str) -> str | None:
    """Return a text that is no formula and no error whatever reads it, None for all others."""
    harmless = text[:1].isalpha() and text.isprintable() and "_x" not in text
    return text if harmless and len(text) < _PLAIN_CHARS_MAX else None
