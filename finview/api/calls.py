"""Calls: what people enter of the calls they made themselves, or found out about."""

from datetime import date, datetime

import strawberry

from finview.accounts.access import Action, find, may
from finview.api.cases import Case
from finview.api.common import KEY, f
from finview.api.engine.context import Info
from finview.api.engine.errors import mutate
from finview.api.engine.ids import key_of
from finview.api.enums import CallResult
from finview.api.inputs import MoneyInput
from finview.api.payments import CasePayload
from finview.cases.models import Case as CaseRow
from finview.cases.task_models import Task as TaskRow
from finview.communications.by_hand import record_by_hand


@strawberry.input(description="What a debtor promised to pay.")
class CallPromiseInput:
    """What a debtor promised to pay."""

    amount: MoneyInput = f(description="How much, in the currency of the case.")
    on: date = f(description="By which day; not in the past, within a year.")


@strawberry.input(description="What a call came to.")
class CallOutcomeRecordInput:
    """What a call came to."""

    task_id: strawberry.ID = f(description="The task that asks for the call, or what became of it.")
    result: CallResult = f(description="What it came to.")
    call_back_at: datetime | None = f(
        default=None, description="When the debtor wants to be called; for CALL_BACK."
    )
    promise: CallPromiseInput | None = f(default=None, description="For PROMISE.")
    note: str | None = f(
        default=None, description="What else is to be known; at most 2,000 characters are kept."
    )
    idempotency_key: str | None = f(default=None, description=KEY)


@strawberry.type
class CallMutation:
    """Outcomes of calls."""

    @strawberry.mutation(
        description="Record what a call came to: the task is done, and the workflow goes on. For "
        "calls of the agency's own people, and for those of which nobody can tell what happened."
    )
    def call_outcome_record(self, info: Info, input: CallOutcomeRecordInput) -> CasePayload:  # noqa: A002  # the contract's word
        """Record an outcome."""
        ctx = info.context

        def shown(case_id: int) -> Case:
            return Case.of(ctx.session.get_one(CaseRow, case_id, populate_existing=True))

        def act() -> Case:
            key = key_of(input.task_id, "tsk", "input", "taskId")
            task = find(ctx.session, TaskRow, key, ctx.who)
            may(ctx.who, Action.WORK_CASES)
            promise = input.promise
            record_by_hand(
                ctx.session,
                task.id,
                input.result,
                call_back_at=input.call_back_at,
                promise=(
                    (promise.amount.money("input", "promise", "amount", "amount"), promise.on)
                    if promise is not None
                    else None
                ),
                note=input.note or "",
                by=ctx.who.user_id,
            )
            return shown(task.case_id)

        return mutate(
            ctx,
            CasePayload,
            "case",
            act,
            name="callOutcomeRecord",
            given=input,
            again=lambda i: shown(key_of(i, "cas")),
        )
