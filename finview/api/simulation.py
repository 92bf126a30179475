"""What a workflow would do to a case in the next days."""

from datetime import datetime

import strawberry
from sqlalchemy.orm import Session

from finview.accounts.access import find
from finview.api.claims import Balance
from finview.api.common import Money, f
from finview.api.engine.context import Context, Info
from finview.api.engine.errors import UserError, user_error
from finview.api.engine.ids import key_of
from finview.api.engine.scalars import JSON, as_object
from finview.api.enums import Channel, ContactOutcome
from finview.api.workflows import visible_workflows
from finview.cases.models import Case as CaseRow
from finview.errors import FinviewError, Invalid, NotFound
from finview.money import Money as MoneyValue
from finview.plugins.manager import Plugins
from finview.workflows.models import Workflow as WorkflowRow
from finview.workflows.simulate import DAYS_MAX, INVALID, Assumed, Simulation, simulate


@strawberry.input(description="Something that is assumed to happen in a simulation.")
class SimulatedEventInput:
    """Something assumed."""

    on_day: int = f(description="So many days from now; 0 is at once.")
    event: str = f(
        description="Its name, such as PAYMENT, CALL_OUTCOME, REPLY, DISPUTE, ENRICHMENT, HOLD."
    )
    payload: JSON | None = f(
        default=None,
        description="What it tells: `amount` of a PAYMENT, `result` and `until` of a CALL_OUTCOME, "
        "`state` of an ENRICHMENT.",
    )


@strawberry.input(description="Which workflow is tried on which case, and what is assumed.")
class WorkflowSimulateInput:
    """What is simulated."""

    case_id: strawberry.ID = f(description="The case.")
    workflow_id: strawberry.ID = f(description="The workflow: its draft if it has one.")
    days: int = f(default=60, description=f"How many days, 1 to {DAYS_MAX}.")
    assume: list[SimulatedEventInput] | None = f(
        default=None,
        description="What happens meanwhile; by default nobody answers and nobody pays.",
    )


@strawberry.type(description="One step that would be taken.")
class SimulatedStep:
    """One step."""

    at: datetime = f(description="When.")
    node: str = f(description="The node.")
    outcome: str = f(description="The port it leaves by, wait, or end.")
    channel: Channel | None = f(description="How the debtor would be contacted.")
    template: str | None = f(description="The message that would be sent.")
    gate: ContactOutcome | None = f(description="What the contact policy says of it.")
    reasons: list[str] = f(description="Why the contact waits or is not allowed, as codes.")
    amount: Money | None = f(description="What the contact asks for, or what is charged.")


@strawberry.type(description="What would happen to a case. Nothing of it is stored.")
class WorkflowSimulation:
    """What would happen."""

    steps: list[SimulatedStep] = f(description="The steps in order, at most 500.")
    state: str = f(
        description="Where it would end: DONE, WAITING, SUSPENDED, INCIDENT, CLOSED; INVALID when "
        "the input or the draft is wrong, which `warnings` tell."
    )
    balance: Balance = f(description="What would be owed then.")
    warnings: list[UserError] = f(description="What to know about the result.")


def workflow_simulate(info: Info, input: WorkflowSimulateInput) -> WorkflowSimulation:  # noqa: A002  # the contract's word
    """Return what would happen; nothing is written."""
    ctx = info.context
    currency = "EUR"
    try:
        case = find(ctx.session, CaseRow, key_of(input.case_id, "cas", "input", "caseId"), ctx.who)
        currency = case.currency
        found = simulate(
            ctx.session,
            ctx.services.get(Plugins),
            case,
            _workflow(ctx, ctx.session, input.workflow_id, case).id,
            days=input.days,
            assume=_assumed(input.assume or []),
        )
    except FinviewError as failure:
        return WorkflowSimulation(
            steps=[],
            state=INVALID,
            balance=Balance.nothing(currency),
            warnings=[user_error(failure, ctx.locale)],
        )
    return _shown(found, ctx.locale)


def _workflow(ctx: Context, session: Session, public_id: str, case: CaseRow) -> WorkflowRow:
    key = key_of(public_id, "wf", "input", "workflowId")
    row = session.scalars(visible_workflows(ctx).where(WorkflowRow.id == key)).one_or_none()
    if row is None or not isinstance(row, WorkflowRow):
        raise NotFound(path=("input", "workflowId"))
    if row.customer_id not in (None, case.customer_id):
        raise Invalid("WORKFLOW_KIND", path=("input", "workflowId"))
    return row


def _assumed(given: list[SimulatedEventInput]) -> list[Assumed]:
    return [
        Assumed(
            on_day=one.on_day,
            event=one.event,
            payload=as_object(one.payload, "input", "assume", str(n), "payload")
            if one.payload is not None
            else {},
        )
        for n, one in enumerate(given)
    ]


def _shown(found: Simulation, locale: str) -> WorkflowSimulation:
    currency = found.balance.currency
    return WorkflowSimulation(
        steps=[
            SimulatedStep(
                at=step.at,
                node=step.node,
                outcome=step.outcome,
                channel=Channel(step.channel) if step.channel else None,
                template=step.template,
                gate=step.gate,
                reasons=list(step.reasons),
                amount=Money.of(MoneyValue(step.minor, currency))
                if step.minor is not None
                else None,
            )
            for step in found.steps
        ],
        state=found.state,
        balance=Balance.of(found.balance),
        warnings=[user_error(one, locale) for one in found.warnings],
    )
