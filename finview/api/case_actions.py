"""What a case worker does to a claim account by hand: reverse, change, give up, open again."""

from collections.abc import Callable
from enum import StrEnum
from typing import Any

import strawberry

from finview.accounts.access import Action, Role, find, may
from finview.api.cases import Case
from finview.api.common import KEY, f
from finview.api.engine.context import Context, Info
from finview.api.engine.errors import mutate
from finview.api.engine.ids import key_of
from finview.api.enums import CloseReason
from finview.api.inputs import MoneyInput
from finview.api.payments import CasePayload, InstalmentInput, act_on_case, given_parts
from finview.cases.adjust import adjust_charge, update_invoice
from finview.cases.closing import close_case, reopen_case
from finview.cases.ledger_models import LedgerTxn
from finview.cases.models import Case as CaseRow
from finview.cases.models import Invoice as InvoiceRow
from finview.cases.plans import cancel_plan, change_plan
from finview.cases.reversal import reverse_payment
from finview.cases.settlement import cancel_settlement
from finview.cases.task_models import Task as TaskRow
from finview.cases.tasks import complete_task
from finview.communications.by_hand import complete_call, is_call
from finview.errors import Forbidden

WHY = "Kept with the booking and on the timeline; at most 500 characters."


class ChargeKind(StrEnum):
    """What is changed by hand."""

    COSTS = "COSTS"
    INTEREST = "INTEREST"


strawberry.enum(ChargeKind, description="What is changed by hand.")


@strawberry.input(description="A payment that went back.")
class PaymentReverseInput:
    """A payment that went back."""

    payment_id: strawberry.ID = f(description="The payment.")
    reason: str = f(description=WHY)
    idempotency_key: str = f(description=KEY)


@strawberry.input(description="Other instalments over what is open now.")
class PaymentPlanChangeInput:
    """Other instalments over what is open now."""

    case_id: strawberry.ID = f(description="The case.")
    instalments: list[InstalmentInput] = f(description="They add up to what is open.")
    reason: str = f(description=WHY)
    idempotency_key: str | None = f(default=None, description=KEY)


@strawberry.input(description="Costs or interest changed by hand; a negative amount takes away.")
class CaseChargeAdjustInput:
    """Costs or interest changed by hand."""

    case_id: strawberry.ID = f(description="The case.")
    kind: ChargeKind = f(description="Which of both.")
    amount: MoneyInput = f(description="Above zero adds, below takes away what is open.")
    reason: str = f(description=WHY)
    idempotency_key: str = f(description="The same key adds or takes away once, for ever.")


@strawberry.input(description="A case to close although it was not paid.")
class CaseCloseInput:
    """A case to close although it was not paid."""

    case_id: strawberry.ID = f(description="The case.")
    close_reason: CloseReason = f(description="WRITTEN_OFF or WITHDRAWN.")
    note: str = f(description=WHY)
    idempotency_key: str | None = f(default=None, description=KEY)


@strawberry.input(description="An invoice to correct; what is left out stays.")
class InvoiceUpdateInput:
    """An invoice to correct."""

    invoice_id: strawberry.ID = f(description="The invoice.")
    amount: MoneyInput | None = f(default=None, description="The right amount.")
    subject: str | None = f(default=None, description="What it is for.")
    reason: str = f(description=WHY)


def _shown(ctx: Context, case_id: int) -> Case:
    return Case.of(ctx.session.get_one(CaseRow, case_id, populate_existing=True))


def _found(ctx: Context, case_id: str, *path: str) -> CaseRow:
    row = find(ctx.session, CaseRow, key_of(strawberry.ID(case_id), "cas", *path), ctx.who)
    may(ctx.who, Action.WORK_CASES)
    return row


def _simple(
    ctx: Context, case_id: strawberry.ID, name: str, verb: Callable[[int], object]
) -> CasePayload:
    """Run a verb on a visible case whose id is an argument of its own."""

    def act() -> Case:
        row = _found(ctx, case_id, "caseId")
        verb(row.id)
        return _shown(ctx, row.id)

    return mutate(ctx, CasePayload, "case", act, name=name, about=case_id)


@strawberry.type
class CaseActionMutation:
    """What a case worker does to a claim account by hand."""

    @strawberry.mutation(
        description="Reverse a payment as if it had never come; a case it closed opens again."
    )
    def payment_reverse(self, info: Info, input: PaymentReverseInput) -> CasePayload:  # noqa: A002  # the contract's word
        """Reverse a payment."""
        ctx = info.context

        def act() -> Case:
            key = key_of(input.payment_id, "pay", "input", "paymentId")
            txn = ctx.session.get(LedgerTxn, key)
            row = find(ctx.session, CaseRow, txn.case_id if txn else None, ctx.who)
            may(ctx.who, Action.WORK_CASES)
            reverse_payment(ctx.session, key, input.reason, by=ctx.who.user_id)
            return _shown(ctx, row.id)

        return mutate(
            ctx,
            CasePayload,
            "case",
            act,
            name="paymentReverse",
            given=input,
            again=lambda i: _shown(ctx, key_of(i, "cas")),
        )

    @strawberry.mutation(description="Agree on other instalments; the old plan stays as history.")
    def payment_plan_change(self, info: Info, input: PaymentPlanChangeInput) -> CasePayload:  # noqa: A002  # the contract's word
        """Change a payment plan."""
        ctx = info.context
        return act_on_case(
            ctx,
            input,
            "paymentPlanChange",
            lambda case_id: change_plan(
                ctx.session,
                case_id,
                given_parts(input.instalments, "instalments"),
                input.reason,
                by=ctx.who.user_id,
            ),
        )

    @strawberry.mutation(description="End a payment plan: all is due, the workflow goes on.")
    def payment_plan_cancel(self, info: Info, case_id: strawberry.ID, reason: str) -> CasePayload:
        """Cancel a payment plan."""
        ctx = info.context
        return _simple(
            ctx,
            case_id,
            "paymentPlanCancel",
            lambda key: cancel_plan(ctx.session, key, reason, by=ctx.who.user_id),
        )

    @strawberry.mutation(
        description="End a settlement: the full claim stands, the workflow goes on."
    )
    def settlement_cancel(self, info: Info, case_id: strawberry.ID, reason: str) -> CasePayload:
        """Cancel a settlement."""
        ctx = info.context
        return _simple(
            ctx,
            case_id,
            "settlementCancel",
            lambda key: cancel_settlement(ctx.session, key, reason, by=ctx.who.user_id),
        )

    @strawberry.mutation(description="WRITTEN_OFF or WITHDRAWN; a paid case closes by itself.")
    def case_close(self, info: Info, input: CaseCloseInput) -> CasePayload:  # noqa: A002  # the contract's word
        """Close a case by hand."""
        ctx = info.context
        return act_on_case(
            ctx,
            input,
            "caseClose",
            lambda case_id: close_case(
                ctx.session, case_id, input.close_reason, input.note, by=ctx.who.user_id
            ),
        )

    @strawberry.mutation(
        description="Open a case again that was written off or withdrawn; it is owed as before."
    )
    def case_reopen(self, info: Info, case_id: strawberry.ID, reason: str) -> CasePayload:
        """Open a case again."""
        ctx = info.context
        return _simple(
            ctx,
            case_id,
            "caseReopen",
            lambda key: reopen_case(ctx.session, key, reason, by=ctx.who.user_id),
        )

    @strawberry.mutation(
        description="Complete a task with one of its outcomes; a workflow that waits for it goes on. "
        "Only administrators complete what was asked of them."
    )
    def task_complete(self, info: Info, id: strawberry.ID, outcome: str) -> CasePayload:  # noqa: A002  # the contract's word
        """Complete a task."""
        ctx = info.context

        def act() -> Case:
            task = find(ctx.session, TaskRow, key_of(id, "tsk", "id"), ctx.who)
            may(ctx.who, Action.WORK_CASES)
            if task.role == Role.ADMIN and Role.ADMIN not in ctx.who.roles:
                raise Forbidden
            if is_call(task):
                complete_call(ctx.session, task, outcome, by=ctx.who.user_id)
            else:
                complete_task(ctx.session, task.id, outcome, by=ctx.who.user_id)
            return _shown(ctx, task.case_id)

        return mutate(ctx, CasePayload, "case", act, name="taskComplete", about=id)

    @strawberry.mutation(description="Add costs or interest by hand, or take some away.")
    def case_charge_adjust(self, info: Info, input: CaseChargeAdjustInput) -> CasePayload:  # noqa: A002  # the contract's word
        """Change costs or interest by hand."""
        ctx = info.context
        return act_on_case(
            ctx,
            input,
            "caseChargeAdjust",
            lambda case_id: adjust_charge(
                ctx.session,
                case_id,
                input.kind.value.lower(),
                input.amount.money("input", "amount", "amount"),
                input.reason,
                key=input.idempotency_key,
                by=ctx.who.user_id,
            ),
        )

    @strawberry.mutation(
        description="Correct amount or subject of an invoice; all is recalculated."
    )
    def invoice_update(self, info: Info, input: InvoiceUpdateInput) -> CasePayload:  # noqa: A002  # the contract's word
        """Correct an invoice."""
        ctx = info.context

        def act() -> Case:
            key = key_of(input.invoice_id, "inv", "input", "invoiceId")
            row: Any = find(ctx.session, InvoiceRow, key, ctx.who)
            may(ctx.who, Action.WORK_CASES)
            amount = input.amount.money("input", "amount", "amount") if input.amount else None
            update_invoice(
                ctx.session,
                row.id,
                amount=amount,
                subject=input.subject,
                reason=input.reason,
                by=ctx.who.user_id,
            )
            return _shown(ctx, row.case_id)

        return mutate(ctx, CasePayload, "case", act, name="invoiceUpdate", given=input)
