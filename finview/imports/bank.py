"""A bank statement is imported: read whole first, then booked chunk by chunk; lines assigned by hand."""

import tempfile
from collections.abc import Iterator
from itertools import islice
from typing import IO

import orjson
from babel.numbers import get_territory_currencies
from sqlalchemy import select
from sqlalchemy.orm import Session

from finview import clock
from finview.accounts.access import Action, Viewer, may
from finview.cases.models import Case
from finview.cases.receipts import record_payments
from finview.cases.reversal import reverse_payment
from finview.cases.suspense import payments_of_amount, take_out
from finview.customers.models import BusinessUnit, Customer
from finview.customers.units import zone_of
from finview.db import audit
from finview.db.files import StoredFile, path_of
from finview.db.jobs import CHUNKED, JobView, Rejected, Step, Subject, enqueue, job
from finview.errors import FinviewError, Invalid, NotFound, State
from finview.i18n import N_, sentences
from finview.imports.bank_book import COUNTED, Numbered, Numbering, book_lines, receipt_of
from finview.imports.bank_models import BankLine, BankLineState, BankStatement
from finview.imports.models import Upload
from finview.imports.reading.limits import Limits
from finview.imports.reading.statement_child import packed
from finview.imports.reading.statement_lines import StatementLines, unpacked
from finview.imports.reading.watch import refusal
from finview.money import Money, digits
from finview.plugins.manager import Plugins

CODES = sentences(
    {
        "BANK_LINE_BOOKED": N_("This bank line is booked already."),
        "BANK_LINE_IGNORED": N_("There is nothing to book of this bank line."),
        "BANK_LINE_OTHER_UNIT": N_("The case belongs to another business unit than the account."),
        "BANK_LINE_CURRENCY": N_("The line is in {line}, the case in {case}."),
        "BANK_LINE_FUTURE": N_(
            "The value date lies in the future; it can be assigned from then on."
        ),
        "BANK_LINE_NO_PAYMENT": N_(
            "The case has no single payment of this amount that could have gone back."
        ),
    }
)

LINES_AT_ONCE = 100
SPOOL_BYTES = 8 * 1024 * 1024
_DEFAULT_CURRENCY = "EUR"


def import_statement(
    session: Session, *, upload: Upload, unit: BusinessUnit, viewer: Viewer
) -> int:
    """Take a received file as a bank statement of a unit's account and return the id of its job.

    The upload is used up by it. Raises `Forbidden`, `State` for one that is missing or used.
    """
    may(viewer, Action.IMPORT)
    if upload.file_id is None:
        raise State("UPLOAD_NOT_RECEIVED", path=("input", "uploadId"))
    if upload.import_id is not None:
        raise State("UPLOAD_USED", path=("input", "uploadId"))
    stored = session.get_one(StoredFile, upload.file_id)
    stored.kind = "bank_statement"
    statement = BankStatement(
        business_unit_id=unit.id,
        file_id=stored.id,
        counts=dict.fromkeys(COUNTED, 0),
        created_by=viewer.user_id,
        created_at=clock.now(),
    )
    session.add(statement)
    # The upload has become the statement; it can't become an import as well.
    session.delete(upload)
    session.flush()
    audit.record(
        session,
        "bank_statement.import",
        actor_id=viewer.user_id,
        subject=("business_unit", unit.id),
        statement=statement.id,
    )
    return enqueue(
        session,
        "bank.import",
        {"statement_id": statement.id},
        dedupe_key=f"bank.import:{statement.id}",
        subject=Subject(kind="business_unit", id=unit.id, actor_id=viewer.user_id),
    )


@job("bank.import", shape=CHUNKED, queue="bulk")
class ImportStatement:
    """Read the whole file in the child process, then book its lines; a bad file books nothing."""

    def __init__(self, view: JobView) -> None:
        self.view = view
        self.statement_id: int = view.args["statement_id"]
        self.after: int = (view.cursor or {}).get("line", 0)
        self.spool: IO[bytes] | None = None
        self.reader = ""
        self.total = 0
        self.lines: Iterator[Numbered] = iter(())

    def prepare(self) -> list[Numbered] | None:
        """Return the next lines; the first call reads the file to its end, with no session open."""
        if self.spool is None:
            self._read()
        return list(islice(self.lines, LINES_AT_ONCE)) or None

    def write(self, session: Session, work: list[Numbered]) -> Step:
        """Book one chunk."""
        statement = session.get_one(BankStatement, self.statement_id)
        statement.reader = self.reader
        session.flush()
        counts = book_lines(session, statement, work)
        statement.counts = {name: statement.counts.get(name, 0) + n for name, n in counts.items()}
        last = work[-1].no
        return Step(cursor={"line": last}, done=last, total=self.total, phase="BANK_BOOKING")

    def finish(self, session: Session) -> None:
        """Tell what came of the lines."""
        statement = session.get_one(BankStatement, self.statement_id)
        statement.reader = statement.reader or self.reader
        self.view.result = {name: statement.counts.get(name, 0) for name in COUNTED}
        audit.record(
            session,
            "bank_statement.book",
            actor_id=statement.created_by,
            subject=("business_unit", statement.business_unit_id),
            statement=statement.id,
            **self.view.result,
        )

    def close(self) -> None:
        """Forget what was read."""
        if self.spool is not None:
            self.spool.close()

    def _read(self) -> None:
        services = self.view.services
        with services.db.reading() as session:
            statement = session.get_one(BankStatement, self.statement_id)
            stored = session.get_one(StoredFile, statement.file_id)
            unit = session.get_one(BusinessUnit, statement.business_unit_id)
            numbering = Numbering(unit.id, account_currency(unit))
            path, filename = path_of(services.files, stored), stored.filename
            home = account_currency(unit)
        self.spool = tempfile.SpooledTemporaryFile(  # noqa: SIM115  # closed by `close`
            max_size=SPOOL_BYTES, dir=str(services.settings.data_dir)
        )
        limits, readers = Limits.of(services.settings), foreign_readers(services.get(Plugins))
        try:
            with StatementLines(path, filename, limits, readers=readers) as source:
                for line in source:
                    if not line.currency and digits(home) != 2:
                        # Amounts without a currency are read with two decimals.
                        raise refusal("BANK_FILE_CURRENCY", line=self.total + 1, text="")
                    self.spool.write(orjson.dumps(packed(line)) + b"\n")
                    self.total += 1
                self.reader = source.reader
        except FinviewError as failure:
            raise Rejected(failure) from None
        self.spool.seek(0)
        every = (numbering.number(unpacked(orjson.loads(line))) for line in self.spool)
        self.lines = (one for one in every if one.no > self.after)


def foreign_readers(plugins: Plugins) -> list[str]:
    """Return the readers of plugins as the child process imports them, "module:Class"."""
    found = plugins.providers("statement_reader").values()
    return [
        f"{info.cls.__module__}:{info.cls.__qualname__}"
        for info in sorted(found, key=lambda info: info.name)
        if not info.cls.__module__.startswith("finview.imports.")
    ]


def account_currency(unit: BusinessUnit) -> str:
    """Return the currency of a unit's account where a statement names none: that of its country."""
    iban = str(unit.bank.get("iban") or unit.company.get("iban") or "").strip()
    country = iban[:2].upper() or str(unit.company.get("country") or "").upper()
    found = get_territory_currencies(country, clock.today()) if len(country) == 2 else []
    return str(found[0]) if found else _DEFAULT_CURRENCY


def assign_line(session: Session, line_id: int, case_id: int, *, by: int) -> int:
    """Give a line that waits to a case of its unit and return the case's id.

    Money that came in becomes a payment with the value date as its day of receipt; for money that
    went back, the one payment of this amount is reversed. Doing so again changes nothing. Raises
    `NotFound`, `State` (BANK_LINE_…, CASE_CLOSED), `Invalid` (BANK_LINE_OTHER_UNIT,
    BANK_LINE_CURRENCY).
    """
    line = session.scalars(
        select(BankLine)
        .where(BankLine.id == line_id)
        .with_for_update()
        .execution_options(populate_existing=True)
    ).one_or_none()
    if line is None:
        raise NotFound(path=("input", "bankLineId"))
    if line.state == BankLineState.BOOKED and line.case_id == case_id and line.assigned_by:
        return case_id
    _check(session, line, case_id)
    assert line.txn_id is not None, "what waits was posted into suspense"
    take_out(session, line.txn_id, by=by)
    line.payment_id = _settle(session, line, case_id, by)
    line.state, line.why, line.case_id = BankLineState.BOOKED, "ASSIGNED", case_id
    line.assigned_by, line.assigned_at, line.proposals = by, clock.now(), []
    audit.record(
        session, "bank_line.assign", actor_id=by, subject=("bank_line", line.id), case=case_id
    )
    session.flush()
    return case_id


def _check(session: Session, line: BankLine, case_id: int) -> None:
    if line.state != BankLineState.SUSPENSE:
        path = ("input", "bankLineId")
        booked = line.state == BankLineState.BOOKED
        raise State("BANK_LINE_BOOKED" if booked else "BANK_LINE_IGNORED", path=path)
    case, path = session.get_one(Case, case_id), ("input", "caseId")
    unit = session.get_one(BusinessUnit, line.business_unit_id)
    if session.get_one(Customer, case.customer_id).business_unit_id != unit.id:
        raise Invalid("BANK_LINE_OTHER_UNIT", path=path)
    if case.currency != line.currency:
        raise Invalid("BANK_LINE_CURRENCY", path=path, line=line.currency, case=case.currency)
    if line.value_on > clock.today(zone_of(unit)):
        raise State("BANK_LINE_FUTURE", path=("input", "bankLineId"))


def _settle(session: Session, line: BankLine, case_id: int, by: int) -> int:
    """Book the payment, or reverse the one that went back; return its id."""
    if line.amount_minor > 0:
        (answer,) = record_payments(session, [receipt_of(line, line.line_key, case_id)], by=by)
        if isinstance(answer, FinviewError):
            raise answer
        return answer
    amount = Money(-line.amount_minor, line.currency)
    found = payments_of_amount(session, [case_id], amount)
    if len(found) != 1:
        raise State("BANK_LINE_NO_PAYMENT", path=("input", "caseId"))
    ((_, payment_id),) = found
    reverse_payment(session, payment_id, "RETURNED_DEBIT", by=by)
    return payment_id
