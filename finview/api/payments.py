"""Money received and agreements about it: payments, payment plans, settlements."""

from collections.abc import Callable, Sequence
from datetime import date
from typing import Any

import strawberry

from finview.accounts.access import Action, find, may
from finview.api.cases import Case
from finview.api.common import f
from finview.api.engine.context import Context, Info
from finview.api.engine.errors import UserError, mutate
from finview.api.engine.ids import key_of
from finview.api.inputs import MoneyInput
from finview.cases.models import Case as CaseRow
from finview.cases.plans import create_plan
from finview.cases.receipts import record_payment
from finview.cases.refunds import refund_overpaid
from finview.cases.settlement import agree_settlement
from finview.money import Money

KEY = "The same key with the same input has one effect and one answer; kept for a week."


@strawberry.input(description="One part of a payment plan.")
class InstalmentInput:
    """One part of a payment plan."""

    due_on: date = f(description="When it is due; later than the part before.")
    amount: MoneyInput = f(description="How much, in the currency of the case.")


def given_parts(parts: Sequence[InstalmentInput], name: str) -> list[tuple[date, Money]]:
    """Return the parts of an input; raises `Invalid` with their places."""
    return [
        (part.due_on, part.amount.money("input", name, str(n), "amount", "amount"))
        for n, part in enumerate(parts)
    ]


@strawberry.input(description="Money received on a case.")
class PaymentRecordInput:
    """Money received on a case."""

    case_id: strawberry.ID = f(description="The case.")
    amount: MoneyInput = f(description="How much, in the currency of the case.")
    received_on: date = f(description="The value date: the day of receipt, not in the future.")
    reference: str | None = f(default=None, description="What the payer wrote.")
    direct: bool | None = f(
        default=False,
        description="The debtor paid the customer itself: it pays the same, but is no trust money.",
    )
    idempotency_key: str = f(description="The same key with the same input books once, for ever.")


@strawberry.input(description="Overpaid money to give back to the debtor.")
class PaymentRefundInput:
    """Overpaid money to give back."""

    case_id: strawberry.ID = f(description="The case.")
    amount: MoneyInput | None = f(
        default=None, description="Not more than what was overpaid; null: all of it."
    )
    reason: str = f(
        description="Kept with the booking and on the timeline; at most 500 characters."
    )
    idempotency_key: str = f(description="The same key refunds once, for ever.")


@strawberry.input(description="An agreement to pay what is open in parts.")
class PaymentPlanCreateInput:
    """An agreement to pay in parts."""

    case_id: strawberry.ID = f(description="The case.")
    instalments: int = f(description="Into how many parts, from 1 to 120.")
    first_due_on: date = f(description="When the first part is due; the day is kept.")
    every_months: int | None = f(default=1, description="Months between two parts, 1 to 12.")
    custom: list[InstalmentInput] | None = f(
        default=None, description="Instead of equal parts; must add up to what is open."
    )
    cost_notice_delivered_on: date | None = f(
        default=None,
        description="When the debtor was told in text form of what the plan costs (§ 13a(3) RDG). "
        "Only then these costs are charged, where the law knows any, and part of the instalments.",
    )
    idempotency_key: str | None = f(default=None, description=KEY)


@strawberry.input(description="An agreement that a smaller amount ends the case.")
class SettlementAgreeInput:
    """An agreement that a smaller amount ends the case."""

    case_id: strawberry.ID = f(description="The case.")
    amount: MoneyInput = f(description="How much is to be received from now on.")
    pay_by: date = f(description="The last day of receipt; later the full claim stands again.")
    idempotency_key: str | None = f(default=None, description=KEY)


@strawberry.type(description="The answer of a mutation of a case.")
class CasePayload:
    """The answer of a mutation."""

    case: Case | None = f(default=None, description="As it is now.")
    errors: list[UserError] = f(description="What went wrong; empty when done.")


def act_on_case(ctx: Context, given: Any, name: str, verb: Callable[[int], object]) -> CasePayload:
    """Run a verb on a visible case and answer with the case as it is then."""

    def shown(case_id: int) -> Case:
        row = ctx.session.get_one(CaseRow, case_id, populate_existing=True)
        return Case.of(row)

    def act() -> Case:
        row = find(ctx.session, CaseRow, key_of(given.case_id, "cas", "input", "caseId"), ctx.who)
        may(ctx.who, Action.WORK_CASES)
        verb(row.id)
        return shown(row.id)

    return mutate(
        ctx,
        CasePayload,
        "case",
        act,
        name=name,
        given=given,
        again=lambda i: shown(key_of(i, "cas")),
    )


@strawberry.type
class PaymentMutation:
    """Payments, plans and settlements."""

    @strawberry.mutation(
        description="Record money received; it is allocated as of its value date. What is paid "
        "closes the case."
    )
    def payment_record(self, info: Info, input: PaymentRecordInput) -> CasePayload:  # noqa: A002  # the contract's word
        """Record a payment."""
        ctx = info.context
        return act_on_case(
            ctx,
            input,
            "paymentRecord",
            lambda case_id: record_payment(
                ctx.session,
                case_id,
                input.amount.money("input", "amount", "amount"),
                received_on=input.received_on,
                key=input.idempotency_key,
                reference=input.reference,
                direct=bool(input.direct),
                by=ctx.who.user_id,
            ),
        )

    @strawberry.mutation(
        description="Refund what was overpaid out of the trust account; from then on it pays no "
        "claim of the case. What the customer received itself it refunds itself."
    )
    def payment_refund(self, info: Info, input: PaymentRefundInput) -> CasePayload:  # noqa: A002  # the contract's word
        """Refund what was overpaid."""
        ctx = info.context
        given = input.amount
        return act_on_case(
            ctx,
            input,
            "paymentRefund",
            lambda case_id: refund_overpaid(
                ctx.session,
                case_id,
                given.money("input", "amount", "amount") if given else None,
                input.reason,
                key=input.idempotency_key,
                by=ctx.who.user_id,
            ),
        )

    @strawberry.mutation(
        description="Split what is open today into instalments; the workflow waits for them."
    )
    def payment_plan_create(self, info: Info, input: PaymentPlanCreateInput) -> CasePayload:  # noqa: A002  # the contract's word
        """Agree on a payment plan."""
        ctx = info.context
        return act_on_case(
            ctx,
            input,
            "paymentPlanCreate",
            lambda case_id: create_plan(
                ctx.session,
                case_id,
                instalments=input.instalments,
                first_due_on=input.first_due_on,
                every_months=1 if input.every_months is None else input.every_months,
                custom=None if input.custom is None else given_parts(input.custom, "custom"),
                notice_on=input.cost_notice_delivered_on,
                by=ctx.who.user_id,
            ),
        )

    @strawberry.mutation(
        description="Agree that an amount received by a day ends the case; the rest is waived "
        "then. A payment plan ends."
    )
    def settlement_agree(self, info: Info, input: SettlementAgreeInput) -> CasePayload:  # noqa: A002  # the contract's word
        """Agree on a settlement."""
        ctx = info.context
        return act_on_case(
            ctx,
            input,
            "settlementAgree",
            lambda case_id: agree_settlement(
                ctx.session,
                case_id,
                input.amount.money("input", "amount", "amount"),
                pay_by=input.pay_by,
                by=ctx.who.user_id,
            ),
        )
