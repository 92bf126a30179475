"""The claim account: invoices, balance, statement, payments, plans."""

from collections.abc import Sequence
from datetime import date
from enum import StrEnum

import strawberry

from finview.api.common import Money, Node, f
from finview.api.engine.context import Context, Info
from finview.api.engine.ids import encode
from finview.api.engine.scalars import JSON
from finview.api.engine.sources import Bulk, Col, Id, MoneyCol, cols, source
from finview.cases.models import Invoice as InvoiceRow
from finview.cases.models import Settlement as SettlementRow
from finview.cases.payments import Payment as ReceivedPayment
from finview.cases.plans import Plan
from finview.cases.statement import Balance as BalanceValue
from finview.cases.statement import StatementLine as LineValue
from finview.cases.statement import invoices_open
from finview.money import Money as MoneyValue


class PaymentPlanState(StrEnum):
    """How a payment plan goes."""

    ACTIVE = "ACTIVE"
    KEPT = "KEPT"
    BROKEN = "BROKEN"
    CANCELLED = "CANCELLED"


class SettlementState(StrEnum):
    """How a settlement goes."""

    OPEN = "OPEN"
    KEPT = "KEPT"
    LAPSED = "LAPSED"
    CANCELLED = "CANCELLED"


strawberry.enum(PaymentPlanState, description="How a payment plan goes.")
strawberry.enum(SettlementState, description="How a settlement goes.")
_PLAN_STATES = {"ENDED": "CANCELLED"}
_SETTLEMENT_STATES = {"ACTIVE": "OPEN", "BROKEN": "LAPSED", "ENDED": "CANCELLED"}


@strawberry.type(description="What is owed; `open` is principal, interest and costs together.")
class Balance:
    """What is owed."""

    principal: Money = f(description="Open principal.")
    interest: Money = f(description="Open interest.")
    costs: Money = f(description="Open costs.")
    payments: Money = f(description="All money received, for information.")
    open: Money = f(description="What is to be paid.")
    overpaid: Money = f(description="Received beyond all that was open, and not refunded.")

    @classmethod
    def of(cls, value: BalanceValue) -> "Balance":
        """Return a balance as the API shows it."""
        return cls(
            principal=Money.of(value.principal),
            interest=Money.of(value.interest),
            costs=Money.of(value.costs),
            payments=Money.of(value.payments),
            open=Money.of(value.open),
            overpaid=Money.of(value.overpaid),
        )

    @classmethod
    def nothing(cls, currency: str) -> "Balance":
        """Return a balance of nothing."""
        none = Money.of(MoneyValue(0, currency))
        rest = {"costs": none, "payments": none, "open": none, "overpaid": none}
        return cls(principal=none, interest=none, **rest)


@strawberry.type(description="Every cent with the rule it rests on.")
class StatementLine:
    """One line of a claim account."""

    on: date = f(description="The day it counts from.")
    kind: str = f(description="What it is: OPEN, COST, INTEREST …")
    amount: Money = f(description="What it adds to the open amount.")
    text: str = f(description="One sentence for a person.")
    rule: str = f(description="The rule that made it.")
    citation: str | None = f(description="The statute or source of the rule.")
    inputs: JSON = f(description="What it was computed from.")
    rule_version: str = f(description="The version of the rule, of the law pack it belongs to.")
    provisional: bool = f(
        description="Whether it rests on a rate that is not published yet, and may still change."
    )

    @classmethod
    def of(cls, line: LineValue, locale: str) -> "StatementLine":
        """Return a line as the API shows it."""
        return cls(
            on=line.on,
            kind=line.kind,
            amount=Money.of(line.amount),
            text=line.text(locale),
            rule=line.rule,
            citation=line.citation,
            inputs=JSON(dict(line.inputs)),
            rule_version=line.rule_version,
            provisional=line.provisional,
        )


@strawberry.type(description="Money received on a case.")
class Payment(Node):
    """Money received."""

    received_on: date = f(description="The value date.")
    amount: Money = f(description="How much.")
    allocation: JSON = f(
        description="How it was split: costs, interest, principal, overpaid; and by which order."
    )

    @classmethod
    def of(cls, value: ReceivedPayment) -> "Payment":
        """Return a payment as the API shows it."""
        return cls(
            id=strawberry.ID(encode("pay", value.id)),
            received_on=value.received_on,
            amount=Money.of(value.amount),
            allocation=JSON(value.allocation),
        )


@strawberry.type(description="One part of a payment plan.")
class Instalment:
    """One part of a payment plan."""

    number: int = f(description="Its number, from 1.")
    due_on: date = f(description="When it is due.")
    amount: Money = f(description="How much.")
    paid: Money = f(description="How much of it was paid.")


@strawberry.type(description="An agreement to pay in parts.")
class PaymentPlan(Node):
    """An agreement to pay in parts."""

    instalments: list[Instalment] = f(description="Its parts in order.")
    state: PaymentPlanState = f(description="How it goes.")

    @classmethod
    def of(cls, value: Plan) -> "PaymentPlan":
        """Return a plan as the API shows it."""
        parts = [
            Instalment(
                number=part.number,
                due_on=part.due_on,
                amount=Money.of(part.amount),
                paid=Money.of(part.paid),
            )
            for part in value.parts
        ]
        return cls(
            id=strawberry.ID(encode("pln", value.id)),
            instalments=parts,
            state=PaymentPlanState(_PLAN_STATES.get(value.state, value.state)),
        )


@strawberry.type(description="An agreement that a smaller amount ends the case.")
class Settlement:
    """An agreement that a smaller amount ends the case."""

    amount: Money = f(description="What is to be received.")
    pay_by: date = f(description="The last day of receipt.")
    state: SettlementState = f(description="How it goes.")

    @classmethod
    def of(cls, row: SettlementRow) -> "Settlement":
        """Return a row as the API shows it."""
        return cls(
            amount=Money.of(MoneyValue(row.amount_minor, row.currency)),
            pay_by=row.pay_by,
            state=SettlementState(_SETTLEMENT_STATES.get(row.state, row.state)),
        )


@strawberry.type(description="One claim of a case.")
class Invoice(Node):
    """One claim of a case."""

    row: strawberry.Private[InvoiceRow]
    number: str = f(description="The customer's invoice number.")
    issued_on: date | None = f(description="Invoice date.")
    due_on: date | None = f(description="Due date.")
    amount: Money = f(description="As the customer stated it.")

    @classmethod
    def of(cls, row: InvoiceRow) -> "Invoice":
        """Return a row as the API shows it."""
        return cls(
            id=strawberry.ID(encode("inv", row.id)),
            row=row,
            number=row.number or "",
            issued_on=row.issued_on,
            due_on=row.due_on,
            amount=Money.of(MoneyValue(row.amount_minor, row.currency)),
        )

    @strawberry.field(description="The principal that is still open.")
    def open(self, info: Info) -> Money:
        """Return the open principal."""
        return _open(info.context, [self.row.id])[self.row.id]


def _open(ctx: Context, invoice_ids: Sequence[int]) -> dict[int, Money]:
    found = invoices_open(ctx.session, invoice_ids, ctx.today)
    return {key: Money.of(value) for key, value in found.items()}


source(
    Invoice,
    InvoiceRow,
    id=Id("inv"),
    number=Col("number", blank=""),
    amount=MoneyCol("amount_minor"),
    open=Bulk(_open),
    **cols("issued_on", "due_on"),
)
