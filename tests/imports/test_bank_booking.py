"""How a bank statement is booked: numbers however torn, keys across formats, a run that broke off."""

from datetime import date, timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import func, select

from finview import clock
from finview.accounts.access import Role, viewer_of
from finview.accounts.users import create_user
from finview.app import open_services, prepare
from finview.cases.ledger_models import LedgerTxn
from finview.cases.verify import verify
from finview.customers.models import BusinessUnit
from finview.db import failpoints
from finview.db.jobs import Job
from finview.db.runtime import Services
from finview.imports import bank, upload
from finview.imports.bank_book import Numbering
from finview.imports.bank_models import BankLine as Row
from finview.imports.bank_numbers import named_in
from finview.jobs.runner import drain
from finview.plugins.contracts.statement import BankLine
from finview.plugins.manager import Plugins
from finview.settings import Settings
from finview.testing.book import write_book

CASE, DEBTOR = "C-1000017", "D-1000017"


@pytest.mark.parametrize(
    "text",
    [
        "Az C-1000017 Müller", "c1000017", "C 1000017,", "C-100 0017", "C - 1000017.", "SVWZ+c–1000017",
        "RF18C1000017", "C-1000017 02.11.2026", "(C_1000017)", "C 1 0 0 0 0 1 7", "C-1000017C-1000018",
    ],
)  # fmt: skip
def test_a_case_number_is_found_however_it_was_written(text: str) -> None:
    assert named_in(text).cases() == {CASE}


@pytest.mark.parametrize("text", ["", "C-1000018", "C-10000175", "X-1000017", "C-10.000.17", "C"])
def test_what_is_no_number_is_not_taken_for_one(text: str) -> None:
    assert named_in(text).sure == frozenset()


@pytest.mark.parametrize("text", ["RgC1000017", "1000017", "Nr. 1000017/26"])
def test_a_number_without_its_letter_is_only_a_hint(text: str) -> None:
    assert named_in(text).sure == frozenset()
    assert CASE in named_in(text).maybe


def test_a_debtor_number_is_told_from_a_case_number() -> None:
    named = named_in("D-1000017")
    assert not named.cases()
    assert named.debtors() == {DEBTOR}


def line(**changes: Any) -> BankLine:
    day = date(2026, 11, 2)
    return BankLine(**{"booked_on": day, "value_on": day, "amount_minor": 500, **changes})


def test_equal_lines_are_counted_and_formats_share_what_they_say() -> None:
    csv, camt, other = (Numbering(unit, "EUR") for unit in (1, 1, 2))
    one, two = (csv.number(line(reference="Az. 7", name="A B")) for _ in range(2))
    same = camt.number(line(reference="AZ 7", name="a b", key="REF", currency="EUR"))
    assert one.line_key == one.content_key != two.line_key
    assert (same.content_key, same.line_key == one.line_key) == (one.content_key, False)
    assert other.number(line(reference="Az. 7", name="A B")).content_key != one.content_key


@pytest.mark.parametrize(
    ("company", "bank_block", "currency"),
    [
        ({}, {}, "EUR"),
        ({"country": "CH"}, {}, "CHF"),
        ({"country": "DE"}, {"iban": "GB29X"}, "GBP"),
    ],
)
def test_the_account_has_the_currency_of_its_country(
    company: dict[str, str], bank_block: dict[str, str], currency: str
) -> None:
    unit = BusinessUnit(name="U", company=company, bank=bank_block)
    assert bank.account_currency(unit) == currency


@pytest.fixture
def opened(settings: Settings) -> Any:
    services = open_services(settings)
    prepare(services)
    with services.db.unit() as session:
        write_book(session, cases=3, customers=1, awkward=False)
    yield services
    services.close()


def enqueued(services: Services, path: Path) -> int:
    """Take a file as a statement of the only unit; return the id of its job."""
    with services.db.unit() as session:
        user = create_user(session, email="a@example.org", name="A", role=Role.ADMIN)
        viewer = viewer_of(session, user)
        made = upload.announce(
            session,
            services.settings,
            filename=path.name,
            size_bytes=path.stat().st_size,
            sha256=None,
            viewer=viewer,
        )
        upload.receive(session, services, made, path, "")
        unit = session.scalars(select(BusinessUnit)).one()
        return bank.import_statement(session, upload=made, unit=unit, viewer=viewer)


@pytest.mark.both_databases
def test_a_run_that_broke_off_goes_on_where_it_was(
    opened: Services, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bank, "LINES_AT_ONCE", 2)
    path = tmp_path / "a.csv"
    rows = [f"02.11.2026;{n},00;Text {n}" for n in range(1, 6)]
    path.write_text("\n".join(["Datum;Betrag;Verwendungszweck", *rows]))
    job_id = enqueued(opened, path)
    failpoints.arm("job.chunk.after_commit")
    drain(opened)
    failpoints.disarm()
    with opened.db.reading() as session:
        assert session.scalar(select(func.count(Row.id))) == 2
    with clock.standing_at(clock.now() + timedelta(hours=1)):
        drain(opened)
    with opened.db.reading() as session:
        job = session.get_one(Job, job_id)
        assert (job.state, job.result) == (
            "DONE", {"booked": 0, "suspense": 5, "ignored": 0, "duplicates": 0},
        )  # fmt: skip
        assert list(session.scalars(select(Row.line_no).order_by(Row.id))) == [1, 2, 3, 4, 5]
        assert (
            session.scalar(select(func.count(LedgerTxn.id)).where(LedgerTxn.kind == "SUSPENSE"))
            == 5
        )
        assert verify(session).faults == ()


def test_readers_of_plugins_are_handed_to_the_child(opened: Services) -> None:
    plugins = opened.get(Plugins)
    assert set(plugins.providers("statement_reader")) == {"csv", "camt053"}
    assert bank.foreign_readers(plugins) == []
