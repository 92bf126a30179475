"""Bank statements as CAMT.053 (ISO 20022), versions 02 to 13, read as a stream with expat.

A DTD refuses the file before any entity is declared, so there is nothing to expand or to fetch.
"""

import re
from collections import Counter
from collections.abc import Iterator, Sequence
from datetime import date
from decimal import Decimal, InvalidOperation
from typing import BinaryIO
from xml.parsers import expat

from finview.imports.cells import clean
from finview.imports.reading.limits import Refused
from finview.money import digits, known_currency
from finview.plugins.contracts.statement import (
    IBAN_CHARS_MAX,
    NAME_CHARS_MAX,
    REFERENCE_CHARS_MAX,
    BankLine,
)

_BLOCK_BYTES = 64 * 1024
_DEPTH_MAX = 60
_TEXT_CHARS_MAX = 10_000
_NOT_BOOKED = frozenset({"PDNG", "INFO", "FUTR"})
_SAYS_NOTHING = frozenset({"", "NOTPROVIDED", "NONREF", "NOREF", "NICHTVORHANDEN"})
_RETURNS = frozenset({"UPDD", "RRTN", "RPCR", "RCDD", "PRDD", "RRCT"})
_GVC = re.compile(r"N[A-Z]{3}\+(\d{3})|\A(\d{3})\Z")
_RETURN_GVC = frozenset({"108", "109", "159", "181", "184"})
_AMOUNT = re.compile(r"\d{1,18}(?:\.\d{1,5})?")


class _Node:
    """One element of an entry: name without namespace, text, children."""

    __slots__ = ("currency", "inner", "name", "text")

    def __init__(self, name: str, currency: str) -> None:
        self.name = name
        self.currency = currency
        self.text = ""
        self.inner: list[_Node] = []

    def all(self, path: str) -> "list[_Node]":
        """Return the elements at a path of names."""
        found = [self]
        for name in path.split("/"):
            found = [inner for node in found for inner in node.inner if inner.name == name]
        return found

    def first(self, *paths: str) -> str:
        """Return the text at the first of the paths that has one."""
        for path in paths:
            for node in self.all(path):
                if text := node.text.strip():
                    return text
        return ""


class _Reader:
    """Collects the entries of one file while expat walks through it."""

    def __init__(self) -> None:
        self.done: list[tuple[_Node, str, int]] = []
        self._path: list[_Node] = []
        self._inside = False
        self._iban = ""
        self._statement = 0
        self.is_statement = False
        self._parser = expat.ParserCreate(namespace_separator=" ")
        self._parser.buffer_text = True
        self._parser.StartElementHandler = self._start
        self._parser.EndElementHandler = self._end
        self._parser.CharacterDataHandler = self._text
        self._parser.StartDoctypeDeclHandler = self._refuse
        self._parser.EntityDeclHandler = self._refuse

    def feed(self, block: bytes) -> None:
        """Parse the next bytes; none at all ends the document."""
        self._parser.Parse(block, not block)

    def _refuse(self, *_: object) -> None:
        raise Refused("BANK_FILE_DTD")

    def _start(self, name: str, attributes: dict[str, str]) -> None:
        local = name.rpartition(" ")[2]
        if len(self._path) >= _DEPTH_MAX:
            raise Refused("BANK_FILE_UNREADABLE")
        node = _Node(local, attributes.get("Ccy", "").strip())
        if self._inside:
            self._path[-1].inner.append(node)
        elif self._path and self._path[-1].name == "Stmt":
            # Nothing else of a statement is kept.
            self._inside = local in ("Ntry", "Acct")
        elif local == "BkToCstmrStmt":
            self.is_statement = True
        elif local == "Stmt":
            self._statement, self._iban = self._statement + 1, ""
        self._path.append(node)

    def _end(self, _name: str) -> None:
        node = self._path.pop()
        if not self._inside or self._path[-1].name != "Stmt":
            return
        self._inside = False
        if node.name == "Acct":
            self._iban = node.first("Id/IBAN", "Id/Othr/Id")
        else:
            self.done.append((node, self._iban, self._statement))

    def _text(self, text: str) -> None:
        if self._inside:
            node = self._path[-1]
            if len(node.text) < _TEXT_CHARS_MAX:
                node.text += text


def read_camt(file: BinaryIO) -> Iterator[BankLine]:
    """Yield the lines of all statements of a file; the parts of an entry add up to it.

    Raises Refused: BANK_FILE_DTD, BANK_FILE_TYPE, BANK_FILE_UNREADABLE, BANK_FILE_AMOUNT,
    BANK_FILE_DATE, BANK_FILE_CURRENCY.
    """
    file.seek(0)
    reader, number = _Reader(), 0
    again: Counter[tuple[int, str]] = Counter()
    while True:
        block = file.read(_BLOCK_BYTES)
        try:
            reader.feed(block)
        except expat.ExpatError as error:
            raise Refused("BANK_FILE_UNREADABLE") from error
        for entry, iban, statement in reader.done:
            number += 1
            yield from _entry_lines(entry, iban, statement, number, again)
        reader.done.clear()
        if not block:
            break
    if not reader.is_statement:
        raise Refused("BANK_FILE_TYPE")


def _entry_lines(
    entry: _Node, iban: str, statement: int, number: int, again: Counter[tuple[int, str]]
) -> Iterator[BankLine]:
    if entry.first("Sts/Cd", "Sts/Prtry", "Sts").upper() in _NOT_BOOKED:
        return
    amount = _amount(entry, "Amt", number)
    if amount is None:
        raise Refused("BANK_FILE_AMOUNT", line=number, text="")
    minor, currency = amount
    minor *= _sign(entry, number)
    booked = _day(entry, "BookgDt", number) or _day(entry, "ValDt", number)
    value = _day(entry, "ValDt", number) or booked
    if booked is None or value is None:
        raise Refused("BANK_FILE_DATE", line=number, text="")
    own = entry.first("AcctSvcrRef")
    parts = _parts(entry, minor, currency, number)
    for at, (part, part_minor) in enumerate(parts):
        key = _key(iban, own, part, at, booked, part_minor)
        if key:
            again[statement, key] += 1
            # Some banks give one reference to several entries of a day.
            if (times := again[statement, key]) > 1:
                key = f"{key}#{times}"
        returned = _returned(entry, part)
        name, account = _other_side(part, part_minor, returned=returned)
        yield BankLine(
            booked_on=booked,
            value_on=value,
            amount_minor=part_minor,
            currency=currency,
            name=name,
            iban=account,
            reference=_said(entry, part, alone=len(parts) == 1),
            key=key,
            returned=returned,
        )


def _parts(entry: _Node, minor: int, currency: str, number: int) -> list[tuple[_Node, int]]:
    """Return the transactions of an entry with their amounts; the entry whole where these don't fit.

    A batch may hold charges or other currencies; what was booked is the sum of the entry.
    """
    found = entry.all("NtryDtls/TxDtls")
    if len(found) < 2:
        return [(found[0] if found else entry, minor)]
    parts: list[tuple[_Node, int]] = []
    for part in found:
        amount = _amount(part, "Amt", number) or _amount(part, "AmtDtls/TxAmt/Amt", number)
        if amount is None or amount[1] != currency:
            return [(entry, minor)]
        sign = _sign(part if part.first("CdtDbtInd") else entry, number)
        parts.append((part, sign * amount[0]))
    return parts if sum(part_minor for _, part_minor in parts) == minor else [(entry, minor)]


def _amount(node: _Node, path: str, number: int) -> tuple[int, str] | None:
    for found in node.all(path):
        text, currency = found.text.strip(), found.currency.upper()
        if not known_currency(currency):
            raise Refused("BANK_FILE_CURRENCY", line=number, text=currency[:10])
        try:
            exact = Decimal(text).scaleb(digits(currency)) if _AMOUNT.fullmatch(text) else None
        except InvalidOperation:
            exact = None
        if exact is None or exact != int(exact):
            raise Refused("BANK_FILE_AMOUNT", line=number, text=text[:40])
        return int(exact), currency
    return None


def _sign(node: _Node, number: int) -> int:
    side = node.first("CdtDbtInd").upper()
    if side not in ("CRDT", "DBIT"):
        raise Refused("BANK_FILE_AMOUNT", line=number, text=side[:40])
    return 1 if side == "CRDT" else -1


def _day(entry: _Node, name: str, number: int) -> date | None:
    text = entry.first(f"{name}/Dt", f"{name}/DtTm")
    if not text:
        return None
    try:
        return date.fromisoformat(text[:10])
    except ValueError:
        raise Refused("BANK_FILE_DATE", line=number, text=text[:40]) from None


def _key(iban: str, own: str, part: _Node, at: int, booked: date, minor: int) -> str:
    """Return what the bank calls a transaction; nothing where it names neither it nor its entry."""
    refs = (own, part.first("Refs/AcctSvcrRef"))
    named = [ref for ref in refs if not _empty(ref)]
    if not named:
        return ""
    further = part.first("Refs/TxId", "Refs/EndToEndId", "Refs/InstrId")
    whole = (iban, *named, further, str(at), booked.isoformat(), str(minor))
    return "|".join(text[:40] for text in whole)


def _empty(reference: str) -> bool:
    plain = re.sub(r"[\s_-]", "", reference.upper())
    return plain in _SAYS_NOTHING or not plain.strip("0")


def _said(entry: _Node, part: _Node, *, alone: bool) -> str:
    texts = [node.text for node in part.all("RmtInf/Ustrd")]
    if part is entry:
        texts += [node.text for node in entry.all("NtryDtls/TxDtls/RmtInf/Ustrd")]
    for strd in part.all("RmtInf/Strd"):
        for path in ("CdtrRefInf/Ref", "RfrdDocInf/Nb", "AddtlRmtInf"):
            texts += [node.text for node in strd.all(path)]
    ends = part.first("Refs/EndToEndId")
    if not _empty(ends):
        texts.append(ends)
    texts.append(part.first("RtrInf/AddtlInf", "AddtlTxInf"))
    if alone and not any(text.strip() for text in texts):
        texts.append(entry.first("AddtlNtryInf"))
    return joined(texts)


def joined(texts: Sequence[str]) -> str:
    """Return texts as one, cleaned, each once, at most as long as a reference may be."""
    kept = dict.fromkeys(clean(text).text for text in texts)
    return " ".join(text for text in kept if text)[:REFERENCE_CHARS_MAX]


def _other_side(part: _Node, minor: int, *, returned: bool) -> tuple[str, str]:
    # A returned direct debit still names the debtor as the debtor, though money goes out.
    side = "Dbtr" if minor >= 0 or returned else "Cdtr"
    ways = [f"RltdPties/{who}" for who in (side, f"Ultmt{side}")]
    name = part.first(*(f"{way}/{rest}" for way in ways for rest in ("Nm", "Pty/Nm")))
    iban = part.first(f"RltdPties/{side}Acct/Id/IBAN", f"RltdPties/{side}Acct/Id/Othr/Id")
    return clean(name).text[:NAME_CHARS_MAX], re.sub(r"\s", "", iban)[:IBAN_CHARS_MAX]


def _returned(entry: _Node, part: _Node) -> bool:
    if any(node.first("RvslInd").lower() in ("true", "1") for node in (entry, part)):
        return True
    for node in (part, entry):
        if node.all("RtrInf") or node.first("BkTxCd/Domn/Fmly/SubFmlyCd") in _RETURNS:
            return True
        gvc = _GVC.search(node.first("BkTxCd/Prtry/Cd"))
        if gvc and (gvc[1] or gvc[2]) in _RETURN_GVC:
            return True
    return False
