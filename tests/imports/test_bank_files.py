"""Bank statements as banks export them: CSV of German and English banks, CAMT.053 of any version."""

import io
import re
from collections.abc import Callable
from datetime import date
from pathlib import Path
from typing import Any

import pytest

from finview.errors import FileTooLarge, FileType, FileUnreadable, FinviewError
from finview.imports.builtin import finview_statement_readers
from finview.imports.reading.limits import Limits, Refused
from finview.imports.reading.statement_camt import read_camt
from finview.imports.reading.statement_csv import read_csv
from finview.imports.reading.statement_lines import StatementLines, unpacked
from finview.plugins.contracts.provider import NoSettings
from finview.plugins.contracts.statement import BankLine, StatementReader
from finview.testing.contracts import StatementContract

READERS = {reader.name: reader for reader in finview_statement_readers()}
NAMESPACE = "urn:iso:std:iso:20022:tech:xsd:camt.053.001."

SPARKASSE = (
    '"Auftragskonto";"Buchungstag";"Valutadatum";"Buchungstext";"Verwendungszweck";"Glaeubiger ID";'
    '"Mandatsreferenz";"Kundenreferenz (End-to-End)";"Lastschrift Ursprungsbetrag";'
    '"Beguenstigter/Zahlungspflichtiger";"Kontonummer/IBAN";"BIC";"Betrag";"Waehrung";"Info"\r\n'
    '"DE1";"02.11.26";"03.11.26";"GUTSCHRIFT";"Az. 7 Müller";"";"";"NOTPROVIDED";"";"Jörg Müller";'
    '"DE02120300000000202051";"B";"1.234,50";"EUR";"Umsatz gebucht"\r\n'
    '"DE1";"02.11.26";"02.11.26";"FOLGELASTSCHRIFT";"Strom";"";"";"E-7";"";"Werke";"DE03";"B";'
    '"-12,00";"EUR";"Umsatz gebucht"\r\n'
    '"DE1";"02.11.26";"02.11.26";"GUTSCHRIFT";"Neu";"";"";"";"";"X";"DE04";"B";"9,00";"EUR";'
    '"Umsatz vorgemerkt"\r\n'
)
VOLKSBANK = (
    "Kontoumsätze;;\nKonto;DE12\n\nBuchungstag;Valuta;Auftraggeber/Zahlungsempfänger;"
    "Empfänger/Zahlungspflichtiger;IBAN;Vorgang/Verwendungszweck;Währung;Umsatz; \n"
    "02.11.2026;03.11.2026;Inkasso Nord;Jörg Müller;DE02;Az. 7 Müller;EUR;1.234,50;H\n"
    "02.11.2026;02.11.2026;Inkasso Nord;Werke;DE03;Strom;EUR;12,00;S\n"
    ";;;;;;;;\n;;;;;Anfangssaldo;EUR;1,00;H\n"
)
DEUTSCHE = (
    "Umsätze;;;Kundennummer: 1\nLetzter Kontostand;;;;1.000,00;EUR\n"
    "Buchungstag;Wert;Umsatzart;Begünstigter / Auftraggeber;Verwendungszweck;IBAN;Betrag;Soll;"
    "Haben;Währung\n02.11.2026;03.11.2026;Gutschrift;Jörg Müller;Az. 7 Müller;DE02;;;1.234,50;EUR\n"
    "02.11.2026;02.11.2026;Lastschrift;Werke;Strom;DE03;;-12,00;;EUR\n"
    "Kontostand;02.11.2026;;;1.200,00;EUR\n"
)
DIBA = (
    "Umsatzanzeige;Datei erstellt am: 02.11.2026\n\nSaldo;1.000,00;EUR\n\n"
    "Buchung;Wertstellungsdatum;Auftraggeber/Empfänger;Buchungstext;Verwendungszweck;Saldo;Währung;"
    "Betrag;Währung\n02.11.2026;03.11.2026;Jörg Müller;Gutschrift;Az. 7 Müller;9,00;USD;1.234,50;EUR\n"
    "02.11.2026;02.11.2026;Werke;Lastschrift;Strom;9,00;USD;-12,00;EUR\n"
)
ENGLISH = (
    "Booking date,Value date,Counterparty,Payment reference,Amount (EUR)\n"
    '2026-11-02,2026-11-03,Jörg Müller,"Az. 7 Müller","1,234.50"\n'
    "2026-11-02,2026-11-02,Werke,Strom,-12.00\n"
)
BRITISH = (
    "Transaction Date,Value Date,Name,Transaction Description,Paid Out,Paid In,Currency\n"
    "02/11/2026,03/11/2026,Jörg Müller,Az. 7 Müller,,1234.50,EUR\n"
    "02/11/2026,02/11/2026,Werke,Strom,12.00,,EUR\n"
)


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "cp1252", "utf-16"])
@pytest.mark.parametrize("text", [SPARKASSE, VOLKSBANK, DEUTSCHE, DIBA, ENGLISH, BRITISH])
def test_exports_of_banks_say_the_same(text: str, encoding: str) -> None:
    incoming, outgoing = read_csv(io.BytesIO(text.encode(encoding)))
    assert (incoming.booked_on, incoming.value_on) == (date(2026, 11, 2), date(2026, 11, 3))
    assert (incoming.amount_minor, incoming.currency) == (123_450, "EUR")
    assert (incoming.name, incoming.reference) == ("Jörg Müller", "Az. 7 Müller")
    assert (outgoing.amount_minor, outgoing.name) == (-1_200, "Werke")
    assert outgoing.reference.startswith("Strom")
    assert not incoming.returned


def csv_lines(*lines: str) -> list[BankLine]:
    return list(read_csv(io.BytesIO("\n".join(lines).encode())))


@pytest.mark.parametrize(
    ("header", "row", "minor", "currency"),
    [
        ("Datum;Betrag", "2.11.2026;1.000", 100_000, ""),
        ("Date;Amount", "2026-11-02;1,000", 100_000, ""),
        ("Datum;Betrag", "2.11.2026;10,00 €", 1_000, "EUR"),
        ("Datum;Betrag in CHF", "2.11.2026;-10,00", -1_000, "CHF"),
        ("Datum;Betrag;Währung", "2.11.2026;1.000;JPY", 1_000, "JPY"),
        ("Datum;Betrag;Währung", "2.11.2026;10,00-;€", -1_000, "EUR"),
        ("Datum;Umsatz;Soll/Haben", "2.11.2026;10,00;S", -1_000, ""),
        ("Datum;Umsatz;Soll/Haben", "2.11.2026;-10,00;S", -1_000, ""),
        ("Datum;Umsatz", "2.11.2026;10,00 S", -1_000, ""),
        ("Datum;Umsatz", "2.11.2026;10,00 H", 1_000, ""),
        ("Date,Type,Description,Value,Balance", "02 Nov 2026,BAC,X,10.00,5.00", 1_000, ""),
        ("Date,Amount,Debit/Credit", "2026-11-02,10.00,DBIT", -1_000, ""),
    ],
)
def test_amounts_are_signed_as_the_bank_means_them(
    header: str, row: str, minor: int, currency: str
) -> None:
    (line,) = csv_lines(header, row)
    assert (line.amount_minor, line.currency) == (minor, currency)
    assert line.value_on == date(2026, 11, 2)


def test_several_columns_of_a_reference_are_joined_and_the_banks_own_name_is_the_key() -> None:
    header = "Datum;Betrag;Verwendungszweck 1;Verwendungszweck 2;Kundenreferenz;Transaktions-ID"
    one, two = csv_lines(header, "2.11.2026;1,00;Rg 5;C-1;E2E-9;T1", "2.11.2026;1,00;;;;T1")
    assert (one.reference, one.key, two.key) == ("Rg 5 C-1 E2E-9", "T1", "T1#2")


@pytest.mark.parametrize("text", ["Rücklastschrift", "RETOURE SEPA", "Returned direct debit"])
def test_money_that_goes_back_is_told_apart(text: str) -> None:
    (line,) = csv_lines("Datum;Betrag;Buchungstext", f"2.11.2026;-5,00;{text}")
    assert (line.returned, line.reference) == (True, text)


def test_a_header_alone_is_a_statement_without_lines() -> None:
    assert csv_lines("Buchungstag;Betrag;Verwendungszweck", "") == []


def entry(
    amount: str = "150.00", side: str = "CRDT", *, inner: str = "", status: str = "<Cd>BOOK</Cd>"
) -> str:
    return (
        f'<Ntry><Amt Ccy="EUR">{amount}</Amt><CdtDbtInd>{side}</CdtDbtInd><Sts>{status}</Sts>'
        "<BookgDt><Dt>2026-11-02</Dt></BookgDt><ValDt><DtTm>2026-11-03T00:00:00</DtTm></ValDt>"
        f"{inner}</Ntry>"
    )


def part(amount: str | None, text: str, *, name: str = "<Nm>Jörg</Nm>", more: str = "") -> str:
    money = f'<Amt Ccy="EUR">{amount}</Amt>' if amount else ""
    return (
        f"<TxDtls><Refs><EndToEndId>NOTPROVIDED</EndToEndId></Refs>{money}<RltdPties><Dbtr>{name}"
        "</Dbtr><DbtrAcct><Id><IBAN>DE02 1203</IBAN></Id></DbtrAcct><Cdtr><Nm>Wir</Nm></Cdtr>"
        f"</RltdPties><RmtInf><Ustrd>{text}</Ustrd></RmtInf>{more}</TxDtls>"
    )


def camt(*entries: str, version: str = "08", head: str = "") -> bytes:
    return (
        f'<?xml version="1.0" encoding="UTF-8"?>{head}<Document xmlns="{NAMESPACE}{version}">'
        "<BkToCstmrStmt><GrpHdr><MsgId>1</MsgId></GrpHdr><Stmt><Id>1</Id><Acct><Id><IBAN>DE99"
        f"</IBAN></Id></Acct>{''.join(entries)}</Stmt></BkToCstmrStmt></Document>"
    ).encode()


def camt_lines(*entries: str, **given: Any) -> list[BankLine]:
    return list(read_camt(io.BytesIO(camt(*entries, **given))))


BATCH = entry(
    inner="<AcctSvcrRef>REF1</AcctSvcrRef><NtryDtls><Btch/>"
    + part("100.00", "Az. 7", name="<Pty><Nm>Jörg &amp; Co</Nm></Pty>")
    + part("50.00", "Az. 8")
    + "</NtryDtls>"
)


@pytest.mark.parametrize("version", ["02", "04", "08", "13"])
def test_a_batch_is_split_into_its_transactions(version: str) -> None:
    one, two = camt_lines(BATCH, version=version)
    assert [one.amount_minor, two.amount_minor] == [10_000, 5_000]
    assert (one.name, one.iban, one.reference) == ("Jörg & Co", "DE021203", "Az. 7")
    assert (one.booked_on, one.value_on) == (date(2026, 11, 2), date(2026, 11, 3))
    assert "REF1" in one.key
    assert one.key != two.key


@pytest.mark.parametrize("change", ["prefix", "none", "utf-16"])
def test_namespaces_and_encodings_do_not_matter(change: str) -> None:
    content = camt(BATCH)
    if change == "prefix":
        plain = re.sub(r"<(/?)([A-Z])", r"<\1n:\2", content.decode())
        content = plain.replace("xmlns=", "xmlns:n=").encode()
    elif change == "none":
        content = re.sub(rb' xmlns="[^"]*"', b"", content)
    else:
        content = content.decode().replace("UTF-8", "UTF-16").encode("utf-16")
    assert READERS["camt053"](NoSettings()).sniff(content, "x") > 0.5
    assert list(read_camt(io.BytesIO(content))) == camt_lines(BATCH)


@pytest.mark.parametrize(
    "inner",
    [
        part("100.00", "a") + part("49.00", "b"),
        part("100.00", "a") + part(None, "b"),
        part("100.00", "a") + part("50.00", "b").replace('"EUR"', '"USD"'),
    ],
)
def test_parts_that_do_not_add_up_stay_one_line(inner: str) -> None:
    (line,) = camt_lines(entry(inner=f"<NtryDtls>{inner}</NtryDtls>"))
    assert (line.amount_minor, line.reference) == (15_000, "a b")


RETURN = "<RtrInf><Rsn><Cd>AC04</Cd></Rsn></RtrInf>"


@pytest.mark.parametrize(
    ("inner", "returned"),
    [
        (part(None, "x"), False),
        (f"{part(None, 'x', more=RETURN)}", True),
        ("<RvslInd>true</RvslInd>" + part(None, "x"), True),
        ("<BkTxCd><Prtry><Cd>NRTI+109+9000</Cd></Prtry></BkTxCd>" + part(None, "x"), True),
    ],
)
def test_returned_debits_are_told_apart_and_name_the_debtor(inner: str, returned: bool) -> None:
    head, tail = inner.rsplit("<TxDtls>", 1)
    (line,) = camt_lines(entry("5.00", "DBIT", inner=f"{head}<NtryDtls><TxDtls>{tail}</NtryDtls>"))
    assert (line.amount_minor, line.returned) == (-500, returned)
    assert line.name == ("Jörg" if returned else "Wir")


def test_what_is_not_booked_is_left_out_and_two_equal_references_are_two_lines() -> None:
    same = entry("1.00", inner="<AcctSvcrRef>R</AcctSvcrRef>")
    pending = entry(status="PDNG")
    one, two = camt_lines(same, pending, same)
    assert one.key != two.key
    assert [line.key for line in camt_lines(entry(), entry(inner="<AcctSvcrRef>0</AcctSvcrRef>"))] == [
        "", "",
    ]  # fmt: skip


def test_structured_references_count() -> None:
    structured = "<Strd><CdtrRefInf><Ref>RF18C1000017</Ref></CdtrRefInf></Strd></RmtInf>"
    inner = part(None, "").replace("</RmtInf>", structured)
    (line,) = camt_lines(entry(inner=f"<NtryDtls>{inner}</NtryDtls>"))
    assert line.reference == "RF18C1000017"


@pytest.mark.parametrize(
    ("read", "content", "reason"),
    [
        (read_csv, b"Datum;Name\n2.11.2026;x\n", "BANK_FILE_NO_AMOUNT"),
        (read_csv, b"Betrag;Name\n1,00;x\n", "BANK_FILE_NO_DATE"),
        (read_csv, b"Datum;Betrag\n31.02.2026;1,00\n", "BANK_FILE_DATE"),
        (read_csv, b"Datum;Betrag\n2.11.2026;1,001\n", "BANK_FILE_AMOUNT"),
        (read_csv, b"Datum;Betrag;Wrg\n2.11.2026;1,00;XYZ\n", "BANK_FILE_CURRENCY"),
        (read_csv, b"Date,Amount\n03/04/2026,1.00\n", "BANK_FILE_DATES_UNCLEAR"),
        (read_camt, camt(BATCH)[:900], "BANK_FILE_UNREADABLE"),
        (read_camt, camt(head="<!DOCTYPE a SYSTEM 'file:///etc/passwd'>"), "BANK_FILE_DTD"),
        (read_camt, camt(entry("15x")), "BANK_FILE_AMOUNT"),
        (read_camt, camt(entry("1.005")), "BANK_FILE_AMOUNT"),
        (read_camt, camt(entry(side="BOTH")), "BANK_FILE_AMOUNT"),
        (read_camt, camt(BATCH).replace(b"2026-11-02", b"2026-13-02"), "BANK_FILE_DATE"),
        (read_camt, camt(BATCH).replace(b"EUR", b"QQQ"), "BANK_FILE_CURRENCY"),
        (read_camt, b"<Document><BkToCstmrAcctRpt/></Document>", "BANK_FILE_TYPE"),
        (read_camt, b"<a>" * 100, "BANK_FILE_UNREADABLE"),
    ],
)
def test_what_can_not_be_understood_is_refused(
    read: Callable[[Any], Any], content: bytes, reason: str
) -> None:
    with pytest.raises(Refused) as refused:
        list(read(io.BytesIO(content)))
    assert refused.value.reason == reason


BOMB = (
    f"<!DOCTYPE a [<!ENTITY a '{'x' * 1000}'><!ENTITY b '{'&a;' * 1000}'>"
    f"<!ENTITY c '{'&b;' * 1000}'>]>"
)


@pytest.mark.parametrize(
    ("content", "name", "kind", "reason"),
    [
        (camt(head=BOMB), "a.xml", FileUnreadable, "BANK_FILE_DTD"),
        (b"<html><body>Umsatz</body></html>", "a.csv", FileType, "BANK_FILE_TYPE"),
        (b":20:STARTUMS\n:25:10010010/1\n", "a.sta", FileType, "BANK_FILE_TYPE"),
        (b"PK\x03\x04" + bytes(100), "a.xlsx", FileType, "BANK_FILE_TYPE"),
        (b"x" * 3000, "a.csv", FileTooLarge, "FILE_TOO_LARGE"),
    ],
)
def test_hostile_files_are_refused_by_the_child(
    tmp_path: Path, content: bytes, name: str, kind: type[FinviewError], reason: str
) -> None:
    path = tmp_path / name
    path.write_bytes(content)
    limits = Limits(upload_bytes_max=1_500_000 if "xml" in name else 2_000)
    with StatementLines(path, name, limits) as lines, pytest.raises(kind) as refused:
        list(lines)
    assert refused.value.reason == reason


def test_lines_come_out_of_the_child_as_the_reader_gave_them(tmp_path: Path) -> None:
    path = tmp_path / "a.xml"
    path.write_bytes(camt(BATCH, entry("1.00", "DBIT")))
    with StatementLines(path, "a.xml", Limits()) as source:
        assert list(source) == camt_lines(BATCH, entry("1.00", "DBIT"))
        assert source.reader == "camt053"


@pytest.mark.parametrize(
    "packed",
    [
        None,
        [1],
        ["2026-11-02", "2026-11-02", "5", "EUR", "", "", "", "", False],
        ["2026-11-02", "2026-11-02", 5, "EUX", "", "", "", "", False],
        ["2026-11-02", "2026-11-02", 10**16, "EUR", "", "", "", "", False],
        ["2026-11-02", "2026-11-02", 5, "EUR", "x" * 301, "", "", "", False],
        ["0001-01-01", "2026-11-02", 5, "EUR", "", "", "", "", False],
        ["2026-11-02", "2026-11-02", 5, "EUR", "", "", "", "", "no"],
    ],
)
def test_a_child_that_lies_is_not_believed(packed: Any) -> None:
    with pytest.raises(FileUnreadable):
        unpacked(packed)


class TestCsv(StatementContract):
    @pytest.fixture
    def reader(self) -> StatementReader[Any]:
        return READERS["csv"](NoSettings())

    @pytest.fixture
    def sample(self) -> tuple[bytes, str]:
        return SPARKASSE.encode("cp1252"), "umsaetze.csv"


class TestCamt(StatementContract):
    @pytest.fixture
    def reader(self) -> StatementReader[Any]:
        return READERS["camt053"](NoSettings())

    @pytest.fixture
    def sample(self) -> tuple[bytes, str]:
        return camt(BATCH, entry("1.00")), "auszug.xml"
