"""Which column of a bank's CSV export holds what: the names banks give them."""
# tables of words are read and edited as text

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Final

from finview.imports.aliases import normalise_header
from finview.imports.currencies import current_codes, read_currency
from finview.plugins.contracts.reader import Cell

_GERMAN: Final = {
    "booked": "buchungstag buchungsdatum buchung buchungam buchungstagdatum datum umsatzdatum "
    "datumbuchung buchdatum transaktionsdatum ausfuehrungsdatum",
    "value": "wertstellung wertstellungsdatum wertstellungstag valuta valutadatum valutatag "
    "datumvaluta wertstellungvaluta valutawertstellung wert wertdatum wertstellungam",
    "amount": "betrag umsatz buchungsbetrag umsatzbetrag betraginkontowaehrung kontowaehrungsbetrag "
    "betragkontowaehrung betragdertransaktion ueberweisungsbetrag transaktionsbetrag",
    "debit": "soll sollbetrag belastung belastungen ausgang ausgaenge ausgabe ausgaben auszahlung "
    "umsatzsoll betragsoll lastschrift",
    "credit": "haben habenbetrag gutschrift gutschriften eingang eingaenge einnahme einnahmen "
    "einzahlung umsatzhaben betraghaben",
    "side": "sollhaben sh sollhabenkennzeichen shkennzeichen sollhabenkz vorzeichen kennzeichen "
    "habensoll belastunggutschrift",
    "currency": "waehrung whg wrg kontowaehrung waehrungskennzeichen devise",
    "name": "auftraggeberempfaenger empfaengerauftraggeber beguenstigterzahlungspflichtiger "
    "zahlungspflichtigerbeguenstigter beguenstigterauftraggeber auftraggeberbeguenstigter "
    "namezahlungsbeteiligter zahlungsbeteiligter name namedesgegenkontos gegenpartei "
    "auftraggeberzahlungsempfaenger zahlungspflichtigerzahlungsempfaenger partnername "
    "namegegenkonto gegenkontoinhaber kontoinhabergegenkonto namedeszahlungsbeteiligten "
    "empfaengerzahlungspflichtiger zahlungsempfaengerzahlungspflichtiger geschaeftspartner",
    "payer": "auftraggeber zahlungspflichtiger zahler zahlungspflichtige absender einzahler "
    "auftraggebername nameauftraggeber namedesauftraggebers zahlungspflichtigerr",
    "payee": "empfaenger zahlungsempfaenger beguenstigter beguenstigte empfaengername",
    # Not the account's own: no "Konto", no "Auftragskonto".
    "iban": "iban kontonummeriban ibankontonummer ibanzahlungsbeteiligter gegenkontoiban "
    "ibangegenkonto gegenkonto ibandeszahlungsbeteiligten ibanoderkontonummer "
    "kontonummergegenkonto zahlungspflichtigeriban partneriban ibanpartner",
    "reference": "verwendungszweck vwz verwendungszweckzeile verwendungszwecktext zahlungsgrund "
    "betreff zahlungsreferenz vorgangverwendungszweck verwendungszweckkundenreferenz "
    "buchungsdetails mitteilung zahlungszweck beschreibung",
    "kind": "buchungstext umsatzart umsatztyp vorgang buchungsart geschaeftsvorfall transaktionstyp "
    "textschluessel vorgangsart transaktionsart",
    "extra": "kundenreferenzendtoend kundenreferenz endtoendreferenz endtoendid kundenreferenze2e "
    "endezuendereferenz",
    "status": "info status buchungsstatus bemerkungstatus umsatzstatus",
    "id": "umsatzid transaktionsid transaktionsnummer bankreferenz buchungsreferenz buchungsid "
    "transaktionsreferenz umsatzreferenz",
}
_ENGLISH: Final = {
    "booked": "bookingdate bookeddate booked date postingdate postdate posted posteddate "
    "transactiondate entrydate bookdate completeddate datecompleted dateofbooking datebooked "
    "processdate processeddate bookingday transactiondateutc dateutc",
    "value": "valuedate value valuta dateofvalue valuedateutc settlementdate effectivedate "
    "creditdate",
    "amount": "amount transactionamount bookingamount amountaccountcurrency netamount paymentamount "
    "amountpaid sum creditdebitamount amountcreditdebit accountcurrencyamount",
    "debit": "debit debits debitamount paidout moneyout withdrawal withdrawals withdrawalamount "
    "paymentsout outgoing amountdebit",
    "credit": "credit credits creditamount paidin moneyin deposit deposits depositamount "
    "receipts incoming amountcredit",
    "side": "debitcredit creditdebit dc cd crdr drcr creditdebitindicator debitcreditindicator "
    "indicator sign debitorcredit creditordebit creditdebitcode",
    "currency": "currency ccy currencycode accountcurrency cur",
    "name": "counterparty counterpartyname partnername payerpayee payeepayer name payername "
    "counterpartyaccountname otherparty partner remitterbeneficiary beneficiaryremitter "
    "nameofcounterparty customername thirdparty",
    "payer": "payer sender remitter debtor debtorname orderer orderingparty from nameofpayer "
    "sendername paidby originator",
    "payee": "payee beneficiary recipient creditor creditorname payeename to recipientname",
    "iban": "iban counterpartyiban partneriban ibanaccountnumber payeriban debtoriban "
    "counterpartyaccount counterpartyaccountnumber senderiban payeraccount accountnumberiban",
    "reference": "reference paymentreference description details paymentdetails purpose remittance "
    "remittanceinformation remittanceinfo narrative narration memo transactiondescription "
    "paymentpurpose message notes referencetext unstructuredremittanceinformation transactiondetails "
    "bookingtext particulars text transactionreferencetext",
    "kind": "type transactiontype bookingtype paymenttype category transactioncode",
    "extra": "endtoendid endtoendreference customerreference e2ereference endtoend",
    "status": "status state bookingstatus",
    "id": "transactionid bankreference bankref accountservicerreference transactionnumber "
    "fitid uniqueid entryreference",
}


def _table() -> dict[str, tuple[str, bool]]:
    # A word of both languages counts as German here; it proves nothing on its own.
    found: dict[str, tuple[str, bool]] = {}
    for german, table in ((False, _ENGLISH), (True, _GERMAN)):
        for role, names in table.items():
            found.update((name, (role, german)) for name in names.split())
    return found


_ROLES: Final = _table()
_NEUTRAL: Final = frozenset(
    name
    for names in _GERMAN.values()
    for name in names.split()
    if any(name in others.split() for others in _ENGLISH.values())
)


@lru_cache(1024)
def _looked_up(header: str) -> tuple[str, bool | None, str]:
    """Return the role of a header, whether it is German (None: could be both), its currency."""
    currency, words = "", []
    for word in normalise_header(header).split():
        if word.upper() in current_codes() or word in ("eur", "euro"):
            currency = currency or read_currency(word, "").code or ""
        else:
            words.append(word)
    # "Betrag in EUR" and "Zahlungsempfänger*in" lose their "in", "Paid in" does not.
    for kept in (words, [word for word in words if word != "in"]):
        name = "".join(kept).rstrip("0123456789")
        if name in _ROLES:
            role, german = _ROLES[name]
            return role, (None if name in _NEUTRAL else german), currency
    return "", None, currency


def score(header: str) -> float:
    """Return how surely a text is a column name of a bank statement: 1 or 0."""
    return 1.0 if _looked_up(header)[0] else 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Columns:
    """The positions of what is known; `header_currency` stands in the name of an amount."""

    booked: int | None
    value: int | None
    amount: int | None
    debit: int | None
    credit: int | None
    side: int | None
    currency: int | None
    name: int | None
    payer: int | None
    payee: int | None
    iban: int | None
    kind: int | None
    status: int | None
    id: int | None
    references: tuple[int, ...]
    extra: tuple[int, ...]
    german: bool
    header_currency: str

    @property
    def amounts(self) -> tuple[int, ...]:
        """Return the positions of all columns of amounts."""
        return tuple(at for at in (self.amount, self.debit, self.credit) if at is not None)


def columns_of(headers: Sequence[str], rows: Sequence[Sequence[Cell]]) -> Columns:
    """Find the columns by their names; `rows` settle what a name leaves open."""
    found: dict[str, list[int]] = {}
    german = 0
    for at, header in enumerate(headers):
        role, is_german, _ = _looked_up(header)
        if role:
            found.setdefault(role, []).append(at)
            german += 0 if is_german is None else 1 if is_german else -1
    if not found.keys() & {"amount", "debit", "credit"} and "booked" in found:
        # "Value" is the amount where there is no other: Date, Type, Description, Value, Balance.
        found["amount"] = found.pop("value", [])
    first = {role: places[0] for role, places in found.items() if places}
    amount = first.get("amount", first.get("credit", first.get("debit")))
    if len(found.get("name", ())) > 1:
        # The account's owner stands in every row; the other sides differ.
        first["name"] = max(found["name"], key=lambda at: (_distinct(rows, at), -at))
    if found.get("currency") and amount is not None:
        # Of several the one beside the amount: balances and original amounts have one too.
        beside = sorted(found["currency"], key=lambda at: (abs(at - amount), at < amount))
        first["currency"] = beside[0]
    if "side" not in first and amount is not None:
        side = _unnamed_side(headers, rows, amount)
        if side is not None:
            first["side"] = side
    return Columns(
        booked=first.get("booked"),
        value=first.get("value"),
        amount=first.get("amount"),
        debit=first.get("debit"),
        credit=first.get("credit"),
        side=first.get("side"),
        currency=first.get("currency"),
        name=first.get("name"),
        payer=first.get("payer"),
        payee=first.get("payee"),
        iban=first.get("iban"),
        kind=first.get("kind"),
        status=first.get("status"),
        id=first.get("id"),
        references=tuple(found.get("reference", ())),
        extra=tuple(found.get("extra", ())),
        german=german >= 0,
        header_currency=_looked_up(headers[amount])[2] if amount is not None else "",
    )


def _distinct(rows: Sequence[Sequence[Cell]], at: int) -> int:
    return len({row[at][0] for row in rows if at < len(row)} - {""})


def _unnamed_side(
    headers: Sequence[str], rows: Sequence[Sequence[Cell]], amount: int
) -> int | None:
    """Return the nameless column behind the amount that says S or H in every row, if there is one."""
    at = amount + 1
    if at >= len(headers) or headers[at].strip():
        return None
    said = {row[at][0].strip().upper() for row in rows if at < len(row)} - {""}
    return at if said and said <= {"S", "H"} else None
