"""What a workflow may ask about a case: declared facts with type and meaning, compared in one way."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import date
from decimal import Decimal, InvalidOperation
from enum import StrEnum
from types import MappingProxyType
from typing import Any

from finview import clock
from finview.errors import FinviewError
from finview.i18n import N_
from finview.money import Money
from finview.plugins.contracts.node import CaseView


class FactType(StrEnum):
    """What a fact's values are; MONEY is in the currency of the case."""

    MONEY = "MONEY"
    NUMBER = "NUMBER"
    TEXT = "TEXT"
    FLAG = "FLAG"
    DATE = "DATE"


class Operator(StrEnum):
    """How a fact is compared."""

    EQ = "="
    NE = "!="
    LT = "<"
    LE = "<="
    GT = ">"
    GE = ">="
    IN = "in"


ORDERED = (FactType.MONEY, FactType.NUMBER, FactType.DATE)
OPERATORS: Mapping[FactType, tuple[Operator, ...]] = MappingProxyType(
    {
        **{kind: tuple(op for op in Operator if op != Operator.IN) for kind in ORDERED},
        FactType.TEXT: (Operator.EQ, Operator.NE, Operator.IN),
        FactType.FLAG: (Operator.EQ, Operator.NE),
    }
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Fact:
    """One fact: its type, its meaning, and where a view of a case holds it; None is unknown."""

    name: str
    type: FactType
    meaning: str
    read: Callable[[CaseView], Any]

    @property
    def costs(self) -> bool:
        """Tell whether it must be read apart, for workflows that ask for it."""
        return self.name in READ_APART


def _kept(name: str) -> Callable[[CaseView], Any]:
    return lambda case: case.facts.get(name)


def _part(name: str) -> Callable[[CaseView], Any]:
    return lambda case: case.balances.get(name, 0)


def _today(case: CaseView) -> date:
    return clock.day_in(case.now, case.zone)


def _age(case: CaseView) -> int | None:
    return (_today(case) - case.opened_on).days if case.opened_on else None


def _days_since(name: str) -> Callable[[CaseView], int | None]:
    def days(case: CaseView) -> int | None:
        day = case.facts.get(name)
        return (_today(case) - day).days if day else None

    return days


M, N, T, F, D = FactType.MONEY, FactType.NUMBER, FactType.TEXT, FactType.FLAG, FactType.DATE
_TABLE: tuple[tuple[str, FactType, str, Callable[[CaseView], Any]], ...] = (
    ("open_amount", M, N_("What is to be paid today."), lambda case: case.open_minor),
    ("principal", M, N_("Open principal."), _part("PRINCIPAL")),
    ("costs", M, N_("Open costs."), _part("COST")),
    ("interest", M, N_("Open interest."), _part("INTEREST")),
    ("paid_amount", M, N_("All money received on the case."), _kept("paid_amount")),
    ("debtor_kind", T, N_("CONSUMER or BUSINESS."), lambda case: case.debtor_kind),
    ("locale", T, N_("The debtor's language, such as de."), lambda case: case.locale),
    ("status", T, N_("The status of the case."), lambda case: case.status),
    ("currency", T, N_("The currency of the case."), lambda case: case.currency),
    ("country", T, N_("The country of the debtor's address, such as DE."), _kept("country")),
    ("customer", T, N_("The customer's number."), _kept("customer")),
    ("portfolio", T, N_("The name of the case's portfolio."), _kept("portfolio")),
    ("bucket", T, N_("The name of the case's bucket."), _kept("bucket")),
    ("email_state", T, N_("The state of the best e-mail address."), _kept("email_state")),
    ("phone_state", T, N_("The state of the best phone number."), _kept("phone_state")),
    ("address_state", T, N_("The state of the best postal address."), _kept("address_state")),
    ("has_email", F, N_("An e-mail address can be used."), lambda case: case.has_email),
    ("has_phone", F, N_("A phone number can be used."), lambda case: case.has_phone),
    ("has_address", F, N_("A postal address can be used."), lambda case: case.has_address),
    ("age_days", N, N_("Days since the case was opened."), _age),
    ("payments", N, N_("How many payments were received."), _kept("payments")),
    ("contacts", N, N_("How often the debtor was contacted on this case."), _kept("contacts")),
    ("days_since_payment", N, N_("Days since the last payment."), _days_since("last_payment_on")),
    ("days_since_contact", N, N_("Days since the last contact."), _days_since("last_contact_on")),
    ("overdue_days", N, N_("Days since the oldest invoice was due."), _days_since("due_on")),
    ("opened_on", D, N_("The day the case was opened."), lambda case: case.opened_on),
    ("due_on", D, N_("The day the oldest invoice was due."), _kept("due_on")),
    ("last_payment_on", D, N_("The day of the last payment."), _kept("last_payment_on")),
    ("last_contact_on", D, N_("The day of the last contact."), _kept("last_contact_on")),
    ("promised_on", D, N_("The day by which the debtor last promised to pay."), _kept("promised_on")),
)  # fmt: skip

READ_APART = frozenset(
    {
        *("paid_amount", "country", "customer", "portfolio", "bucket", "email_state"),
        *("phone_state", "address_state", "payments", "contacts", "days_since_payment"),
        *("days_since_contact", "overdue_days", "due_on", "last_payment_on", "last_contact_on"),
        "promised_on",
    }
)
"""Facts that stand in `CaseView.facts`; they are read only for a workflow that asks for one."""

FACTS: Mapping[str, Fact] = MappingProxyType(
    {
        name: Fact(name=name, type=kind, meaning=meaning, read=read)
        for name, kind, meaning, read in _TABLE
    }
)


def parsed(kind: FactType, operator: Operator, value: Any) -> Any:
    """Return a condition's value as its fact's type is compared; raises `ValueError`.

    MONEY and NUMBER come as numbers or decimal texts, DATE as 2026-11-02, `in` takes a list.
    """
    if operator not in OPERATORS[kind]:
        raise ValueError(f"{operator.value} can't compare {kind.value}")
    if operator == Operator.IN:
        if not isinstance(value, list) or not value or not all(isinstance(v, str) for v in value):
            raise ValueError("in needs a list of texts")
        return tuple(value)
    if kind == FactType.FLAG:
        if not isinstance(value, bool):
            raise ValueError("the value is true or false")
        return value
    if kind == FactType.TEXT:
        if not isinstance(value, str):
            raise ValueError("the value is a text")
        return value
    if kind == FactType.DATE:
        return date.fromisoformat(str(value))
    if isinstance(value, (bool, float)) or not isinstance(value, (int, str)):
        raise ValueError("the value is a whole number or a decimal text")  # noqa: TRY004  # pydantic's
    try:
        return Decimal(str(value))
    except InvalidOperation:
        raise ValueError("the value is no number") from None


def holds(case: CaseView, name: str, operator: Operator, value: Any) -> bool:
    """Tell whether a fact compares so with a parsed value; an unknown one differs from all."""
    fact = FACTS[name]
    found = fact.read(case)
    if found is None:
        return operator == Operator.NE
    if fact.type == FactType.MONEY:
        try:
            value = Money.parse(str(value), case.currency).minor
        except FinviewError:
            return operator == Operator.NE
    return _COMPARE[operator](found, value)


_COMPARE: Mapping[Operator, Callable[[Any, Any], bool]] = {
    Operator.EQ: lambda found, value: bool(found == value),
    Operator.NE: lambda found, value: bool(found != value),
    Operator.LT: lambda found, value: bool(found < value),
    Operator.LE: lambda found, value: bool(found <= value),
    Operator.GT: lambda found, value: bool(found > value),
    Operator.GE: lambda found, value: bool(found >= value),
    Operator.IN: lambda found, value: found in value,
}
