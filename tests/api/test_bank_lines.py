"""Bank statements over the API: imported, booked once, what is unclear assigned by hand."""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import func, select

from finview.accounts.access import Role
from finview.cases.ledger_models import LedgerAccount, LedgerEntry, LedgerTxn
from finview.cases.verify import verify
from finview.imports.bank_models import BankLine
from finview.testing.client import Client, client_for
from finview.testing.factories import Agency, consumer, table
from finview.testing.fixtures import At
from finview.testing.story import Story

LINES = """query($where: BankLineWhere) { bankLines(where: $where) { totalCount nodes {
  id bookedOn valueOn amount { amount currency } name iban reference state why
  case { number } proposals { number debtor { name } } } } }"""
JOB = "job { id kind state result error { code message params } subject { id } }"
HEADER = "Buchungstag;Wertstellung;Auftraggeber;Verwendungszweck;Betrag;Währung"
ON = "02.11.2026"


@dataclass(frozen=True)
class Bank:
    """A business unit's bank account; the story's two cases owe 100.00 and 101.00 and costs."""

    story: Story
    folder: Path

    @property
    def client(self) -> Client:
        return self.story.client

    def numbers(self) -> list[str]:
        return [case["number"] for case in self.story.cases("number")]

    def send(self, content: str | bytes, name: str = "umsaetze.csv", **given: Any) -> Any:
        """Import a file and return its job once it is done."""
        path = self.folder / name
        path.write_bytes(content.encode() if isinstance(content, str) else content)
        wanted = {"uploadId": self.client.upload(path), "businessUnitId": self.story.agency.unit}
        made = self.client.do("bankStatementImport", JOB, **{**wanted, **given})
        self.client.drain()
        return self.client.ask(f"query($id: ID!) {{ {JOB.replace('job', 'job(id: $id)', 1)} }}",
                               id=made["id"])["job"]  # fmt: skip

    def book(self, *lines: str) -> dict[str, int]:
        """Import lines of a CSV file and return the counts."""
        found: dict[str, int] = self.send("\n".join((HEADER, *lines)))["result"]
        return found

    def lines(self, **where: Any) -> list[dict[str, Any]]:
        """Return the lines, oldest first."""
        found = self.client.ask(LINES, where=where or None)["bankLines"]
        assert found["totalCount"] == len(found["nodes"])
        return list(reversed(found["nodes"]))

    def payments(self) -> list[list[str]]:
        """Return the amounts received, by case."""
        cases = self.story.cases("payments { amount { amount } receivedOn }")
        return [[p["amount"]["amount"] for p in case["payments"]] for case in cases]

    def assign(self, line: str, case: str, key: str = "k", client: Client | None = None) -> Any:
        given = {"bankLineId": line, "caseId": case, "idempotencyKey": key}
        return (client or self.client).attempt("bankLineAssign", "case { number }", **given)

    def case_ids(self) -> list[str]:
        return [case["id"] for case in self.story.cases("id")]

    def sound(self) -> dict[str, int]:
        """Check the whole ledger and return its balances by kind of account of the unit."""
        with self.story.agency.services.db.reading() as session:
            assert verify(session).faults == ()
            sums = (
                select(LedgerAccount.kind, func.sum(LedgerEntry.amount))
                .join(LedgerEntry, LedgerEntry.account_id == LedgerAccount.id)
                .where(LedgerAccount.business_unit_id.is_not(None))
                .group_by(LedgerAccount.kind)
            )
            assert session.scalar(select(func.sum(LedgerEntry.amount))) == 0
            return {row[0]: row[1] for row in session.execute(sums)}


@pytest.fixture
def bank(at: At, tmp_path: Path) -> Bank:
    return Bank(at("LAUNCHED"), tmp_path)


def line(text: str, amount: str, name: str = "Anna Schmidt", on: str = ON) -> str:
    return f"{on};{on};{name};{text};{amount};EUR"


def reasons(payload: Any) -> list[tuple[str, str | None, list[str]]]:
    assert all(error["message"] for error in payload["errors"])
    return [(e["code"], e["params"].get("reason"), e["path"]) for e in payload["errors"]]


def test_lines_with_a_case_number_are_booked_with_their_value_date(bank: Bank) -> None:
    first, second = bank.numbers()
    torn = f"Rg {second[:5]} {second[5:]} danke"
    counts = bank.book(line(f"Az. {first.lower().replace('-', ' ')}", "12,34"), line(torn, "1,00"))
    assert counts == {"booked": 2, "suspense": 0, "ignored": 0, "duplicates": 0}
    assert bank.payments() == [["12.34"], ["1.00"]]
    one, two = bank.lines()
    assert (one["state"], one["case"], one["proposals"]) == ("BOOKED", {"number": first}, [])
    assert one["amount"] == {"amount": "12.34", "currency": "EUR"}
    assert (two["valueOn"], two["reference"], two["name"]) == ("2026-11-02", torn, "Anna Schmidt")
    assert bank.sound() == {"BANK_TRUST": 1334}


def test_the_same_and_overlapping_files_book_nothing_twice(bank: Bank) -> None:
    first, second = bank.numbers()
    same = line(first, "5,00")
    assert bank.book(same, same, line("?", "1,00"))["booked"] == 2
    again = bank.book(same, same, line("?", "1,00"))
    assert again == {"booked": 0, "suspense": 0, "ignored": 0, "duplicates": 3}
    more = bank.book(same, same, same, line(second, "2,00"))
    assert more == {"booked": 2, "suspense": 0, "ignored": 0, "duplicates": 2}
    assert bank.payments() == [["5.00"] * 3, ["2.00"]]
    assert bank.sound() == {"BANK_TRUST": 1800, "SUSPENSE": -100}


def test_what_is_unclear_waits_in_suspense_with_a_reason(bank: Bank) -> None:
    first, second = bank.numbers()
    counts = bank.book(
        line("ohne Angabe", "3,00", name="Schmidt, Anna"),
        line(f"{first} und {second}", "4,00"),
        line(f"{first}", "5,00", on="01.11.2026"),
        line(f"{first}", "6,00", on="03.11.2026"),
        f"{ON};{ON};A;{first};7,00;USD",
        line("Miete", "-500,00"),
        line("Information", "0,00"),
    )
    assert counts == {"booked": 0, "suspense": 5, "ignored": 2, "duplicates": 0}
    waiting = bank.lines(state=["SUSPENSE"])
    assert [one["why"] for one in waiting] == [
        "No case was found in the reference.",
        "The reference fits several cases.",
        "The value date lies before the case was opened.",
        "The value date lies in the future.",
        "The case is kept in another currency.",
    ]
    assert [one["proposals"][0]["number"] for one in waiting] == [first] * 5
    assert [p["number"] for p in waiting[1]["proposals"]] == [first, second]
    assert bank.payments() == [[], []]
    assert bank.sound() == {"BANK_TRUST": 2500, "SUSPENSE": -2500}


def test_a_debtor_number_books_only_with_the_amount_that_is_open(bank: Bank) -> None:
    case, *_ = bank.story.cases("balance { open { amount } }")
    whole = case["balance"]["open"]["amount"].replace(".", ",")
    (first, *_) = bank.numbers()
    debtor = first.replace("C-", "D ")
    assert bank.book(line(debtor, "1,11"))["suspense"] == 1
    assert bank.book(line(debtor, whole), line(debtor, whole))["booked"] == 1
    (_, booked, again) = bank.lines()
    assert (booked["state"], booked["case"]["number"]) == ("BOOKED", first)
    assert (again["state"], again["why"]) == ("SUSPENSE", "No case was found in the reference.")


def test_digits_alone_need_a_second_sign(bank: Bank) -> None:
    (first, *_) = bank.numbers()
    digits = first.removeprefix("C-")
    bank.book(line(digits, "1,00", name="Fremd Person"), line(digits, "2,00", name="SCHMIDT ANNA"))
    assert bank.payments()[0] == ["2.00"]
    (waiting,) = bank.lines(state=["SUSPENSE"])
    assert waiting["proposals"][0]["number"] == first


def test_a_closed_case_takes_no_money_by_itself(bank: Bank) -> None:
    first, _ = bank.numbers()
    case = bank.case_ids()[0]
    given = {"closeReason": "WITHDRAWN", "note": "x", "idempotencyKey": "c"}
    bank.client.do("caseClose", "case { id }", caseId=case, **given)
    bank.book(line(first, "5,00"))
    (waiting,) = bank.lines()
    assert (waiting["state"], waiting["why"]) == ("SUSPENSE", "The case is closed.")
    refused = bank.assign(waiting["id"], case)
    assert reasons(refused) == [("STATE", "CASE_CLOSED", ["input", "caseId"])]
    assert bank.lines()[0]["state"] == "SUSPENSE"
    assert bank.sound() == {"BANK_TRUST": 500, "SUSPENSE": -500}


def test_a_line_that_waits_is_assigned_once(bank: Bank) -> None:
    bank.book(line("Danke", "5,00"))
    (waiting,), (one, two) = bank.lines(), bank.case_ids()
    assert bank.assign(waiting["id"], one)["errors"] == []
    assert bank.assign(waiting["id"], one, key="another")["errors"] == []
    refused = bank.assign(waiting["id"], two, key="third")
    assert reasons(refused) == [("STATE", "BANK_LINE_BOOKED", ["input", "bankLineId"])]
    assert bank.payments() == [["5.00"], []]
    (booked,) = bank.lines()
    assert (booked["state"], booked["why"]) == ("BOOKED", "Assigned by hand.")
    assert bank.sound() == {"BANK_TRUST": 500, "SUSPENSE": 0}
    assert bank.book(line("Danke", "5,00"))["duplicates"] == 1


@pytest.mark.both_databases
def test_two_who_assign_at_once_book_one_payment(agency: Agency, tmp_path: Path) -> None:
    path = table(tmp_path, [consumer(0), consumer(1)])
    bank = Bank(Story.linked(agency, path).launch(), tmp_path)
    bank.book(line("Danke", "5,00"))
    (waiting,), cases = bank.lines(), bank.case_ids()
    services = bank.story.agency.services
    people = [client_for(services, f"o{n}@example.org", Role.OPERATOR) for n in range(4)]
    with ThreadPoolExecutor(4) as pool:
        answers = list(
            pool.map(
                lambda n: bank.assign(waiting["id"], cases[n % 2], f"k{n}", people[n]), range(4)
            )
        )
    assert sum(payments != [] for payments in bank.payments()) == 1
    assert sum(len(payments) for payments in bank.payments()) == 1
    assert sum(not answer["errors"] for answer in answers) == 2
    assert bank.sound() == {"BANK_TRUST": 500, "SUSPENSE": 0}


def test_a_line_booked_by_itself_is_not_assigned(bank: Bank) -> None:
    first, _ = bank.numbers()
    bank.book(line(first, "5,00"), line("Miete", "-5,00"))
    booked, ignored = bank.lines()
    case = bank.case_ids()[0]
    assert reasons(bank.assign(booked["id"], case))[0][1] == "BANK_LINE_BOOKED"
    assert reasons(bank.assign(ignored["id"], case, "2"))[0][1] == "BANK_LINE_IGNORED"


def test_other_units_and_currencies_are_refused(bank: Bank) -> None:
    bank.book(f"{ON};{ON};A;x;7,00;USD", line("y", "1,00", on="05.11.2026"))
    dollars, later = bank.lines()
    case = bank.case_ids()[0]
    assert reasons(bank.assign(dollars["id"], case))[0][:2] == ("INVALID", "BANK_LINE_CURRENCY")
    assert reasons(bank.assign(later["id"], case, "2"))[0][:2] == ("STATE", "BANK_LINE_FUTURE")
    unit = bank.client.do("businessUnitCreate", "businessUnit { id }", name="Ost")["id"]
    (first, _) = bank.numbers()
    bank.send("\n".join((HEADER, line(first, "9,00"))), businessUnitId=unit)
    (foreign,) = bank.lines(businessUnitId=unit)
    assert (foreign["why"], foreign["proposals"]) == (
        "The case belongs to another business unit.", [],
    )  # fmt: skip
    assert reasons(bank.assign(foreign["id"], case, "3"))[0][1] == "BANK_LINE_OTHER_UNIT"


RETURN = f"{ON};{ON};Anna Schmidt;{{}} Rücklastschrift;-5,00;EUR"


def test_a_returned_payment_is_reversed_when_it_is_clear_which(bank: Bank) -> None:
    first, second = bank.numbers()
    bank.book(line(first, "5,00"), line(second, "5,00"), line(second, "5,00"))
    counts = bank.book(*(RETURN.format(text) for text in (first, second, "ohne Nummer")))
    assert counts == {"booked": 1, "suspense": 2, "ignored": 0, "duplicates": 0}
    assert bank.payments() == [[], ["5.00", "5.00"]]
    back, several, unknown = bank.lines()[3:]
    assert (back["state"], back["case"]["number"]) == ("BOOKED", first)
    assert several["why"] == "A payment went back; several would fit."
    assert unknown["why"] == "A payment went back, but it is not clear which one."
    assert bank.sound() == {"BANK_TRUST": 0, "SUSPENSE": 1000}
    refused = bank.assign(several["id"], bank.case_ids()[1])
    assert reasons(refused)[0][1] == "BANK_LINE_NO_PAYMENT"


def test_a_return_that_waits_reverses_the_payment_of_the_case_it_is_given(bank: Bank) -> None:
    first, _ = bank.numbers()
    bank.book(line(first, "5,00"), RETURN.format("ohne Nummer"))
    assert bank.assign(bank.lines()[1]["id"], bank.case_ids()[0])["errors"] == []
    assert bank.payments() == [[], []]
    assert bank.sound() == {"BANK_TRUST": 0, "SUSPENSE": 0}


TWO = b"Datum;Betrag\n02.11.2026;1,00\n02.11.2026;zwei\n"
DTD = b"<!DOCTYPE a [<!ENTITY b 'c'>]><Document><BkToCstmrStmt/></Document>"


@pytest.mark.parametrize(
    ("content", "name", "code", "reason", "said"),
    [
        (b"", "a.csv", "FILE_UNREADABLE", "FILE_EMPTY", "Die Datei ist leer."),
        (b"%PDF-1.4", "a.pdf", "FILE_TYPE", "BANK_FILE_TYPE", "Dies ist kein Kontoauszug"),
        (b"Datum;Name\n1.1.2026;x\n", "a.csv", "FILE_UNREADABLE", "BANK_FILE_NO_AMOUNT", "keine Spalte"),
        (TWO, "a.csv", "FILE_UNREADABLE", "BANK_FILE_AMOUNT", "Zeile 3: „zwei“"),
        (DTD, "a.xml", "FILE_UNREADABLE", "BANK_FILE_DTD", "Angriffe"),
        (DTD.partition(b"]>")[2][:-5], "a.xml", "FILE_UNREADABLE", "BANK_FILE_UNREADABLE", "beschädigt"),
    ],
)  # fmt: skip
def test_a_bad_file_books_nothing_and_says_why(
    bank: Bank, content: bytes, name: str, code: str, reason: str, said: str
) -> None:
    german = client_for(bank.story.agency.services, language="de")
    job = Bank(bank.story.speaking(german), bank.folder).send(content, name)
    assert (job["state"], job["error"]["code"]) == ("FAILED", f"IMPORT_{code}")
    assert job["error"]["params"]["reason"] == reason
    assert said in job["error"]["message"]
    assert bank.lines() == []
    assert bank.sound() == {}


def test_a_used_and_a_missing_upload_are_refused(bank: Bank) -> None:
    made = bank.client.do("uploadCreate", "upload { id }", filename="a.csv", sizeBytes=3)
    given = {"uploadId": made["id"], "businessUnitId": bank.story.agency.unit}
    empty = bank.client.attempt("bankStatementImport", "job { id }", **given)
    assert reasons(empty) == [("STATE", "UPLOAD_NOT_RECEIVED", ["input", "uploadId"])]
    path = bank.folder / "a.csv"
    path.write_text(HEADER)
    given["uploadId"] = bank.client.upload(path)
    assert bank.client.attempt("bankStatementImport", "job { id }", **given)["errors"] == []
    again = bank.client.attempt("bankStatementImport", "job { id }", **given)
    assert reasons(again) == [("NOT_FOUND", None, ["input", "uploadId"])]


def test_lines_are_the_agencys_alone(bank: Bank) -> None:
    first, _ = bank.numbers()
    bank.book(line(first, "5,00"), line("?", "1,00"))
    booked, waiting = bank.lines()
    services, agency = bank.story.agency.services, bank.story.agency
    theirs = bank.client.do(
        "contactCreate", "contact { id }", customerId=agency.customer, firstName="K",
        lastName="K", email="k@example.org", isCommercial=True, isOperational=False, hasAccess=True,
    )  # fmt: skip
    assert theirs
    customer = client_for(services, "k@example.org", role=None)
    assert customer.ask("{ cases { totalCount } }")["cases"]["totalCount"] == 2
    assert customer.ask(LINES)["bankLines"] == {"totalCount": 0, "nodes": []}
    node = "query($id: ID!) { node(id: $id) { id } }"
    assert customer.ask(node, id=booked["id"])["node"] is None
    assert bank.client.ask(node, id=booked["id"])["node"] == {"id": booked["id"]}
    refused = bank.assign(waiting["id"], bank.case_ids()[0], client=customer)
    assert reasons(refused) == [("NOT_FOUND", None, ["input", "bankLineId"])]
    operator = client_for(services, "o@example.org", Role.OPERATOR)
    assert bank.assign(waiting["id"], bank.case_ids()[0], client=operator)["errors"] == []


def test_lines_are_found_by_state_unit_and_text(bank: Bank) -> None:
    bank.book(line("Dänke", "5,00", name="Müller"), line("x", "-1,00"))
    assert len(bank.lines(state=["IGNORED"])) == 1
    assert len(bank.lines(text="müll")) == len(bank.lines(text="dänk")) == 1
    assert len(bank.lines(businessUnitId=bank.story.agency.unit)) == 2
    assert bank.lines(businessUnitId="bu_999") == bank.lines(state=[]) == []


def test_one_statement_reads_the_proposals_of_a_page(bank: Bank) -> None:
    bank.book(*(line(f"Brief {n}", f"{n},00") for n in range(1, 30)))
    found = bank.lines(state=["SUSPENSE"])
    assert {one["proposals"][0]["debtor"]["name"] for one in found} == {"Anna Schmidt"}
    with bank.story.agency.services.db.reading() as session:
        kept = session.scalars(select(BankLine.proposals)).all()
    assert max(map(len, kept)) <= 10


def test_a_unit_with_a_statement_is_not_deleted(bank: Bank) -> None:
    unit = bank.client.do("businessUnitCreate", "businessUnit { id }", name="Ost")["id"]
    bank.send("\n".join((HEADER, line("Danke", "9,00"))), businessUnitId=unit)
    refused = bank.client.act("businessUnitDelete", unit, "businessUnit { id }")
    assert reasons(refused) == [("IN_USE", "BUSINESS_UNIT_HAS_STATEMENTS", ["id"])]


def test_the_job_is_about_the_unit_and_leaves_acts(bank: Bank) -> None:
    first, _ = bank.numbers()
    job = bank.send("\n".join((HEADER, line(first, "5,00"))), idempotencyKey="once")
    assert (job["kind"], job["state"]) == ("bank.import", "DONE")
    assert job["subject"] == {"id": bank.story.agency.unit}
    acts = bank.client.ask("{ auditEvents(first: 10) { nodes { action } } }")["auditEvents"][
        "nodes"
    ]
    assert {"bank_statement.import", "bank_statement.book"} <= {act["action"] for act in acts}
    with bank.story.agency.services.db.reading() as session:
        keys = session.scalars(select(LedgerTxn.idem_key).where(LedgerTxn.kind == "PAYMENT"))
        line_key = session.scalars(select(BankLine.line_key)).one()
        assert list(keys) == [f"payment:{line_key}"]
