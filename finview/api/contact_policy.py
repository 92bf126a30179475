"""Mutations about contact: a case rests or goes on, everything stops, a debtor wants no e-mail."""

from collections.abc import Mapping
from datetime import date
from typing import Any

import strawberry

from finview.accounts.access import Action, find, may
from finview.api.cases import Case, Debtor
from finview.api.common import f
from finview.api.contact import OutboundHold
from finview.api.debtors import DebtorPayload
from finview.api.engine.context import Context, Info
from finview.api.engine.errors import UserError, mutate
from finview.api.engine.ids import key_of, split
from finview.api.enums import Channel, HoldReason
from finview.api.payments import CasePayload, act_on_case
from finview.cases.holds import hold_case, release_case
from finview.cases.models import Case as CaseRow
from finview.cases.models import Debtor as DebtorRow
from finview.communications.holds import HoldScope, end_outbound, hold_outbound
from finview.communications.policy_models import OutboundHold as OutboundHoldRow
from finview.communications.preferences import set_preference
from finview.customers.models import Bucket, BusinessUnit, Customer, Portfolio
from finview.errors import NotFound
from finview.workflows.models import Workflow

_SCOPES: Mapping[str, tuple[HoldScope, Any]] = {
    "bu": (HoldScope.BUSINESS_UNIT, BusinessUnit),
    "cus": (HoldScope.CUSTOMER, Customer),
    "pf": (HoldScope.PORTFOLIO, Portfolio),
    "bkt": (HoldScope.BUCKET, Bucket),
    "wf": (HoldScope.WORKFLOW, Workflow),
}


@strawberry.input(description="A case that is to rest.")
class CaseHoldInput:
    """A case that is to rest."""

    case_id: strawberry.ID = f(description="The case.")
    reason: HoldReason = f(description="Why; it decides what is forbidden meanwhile.")
    until: date | None = f(
        default=None,
        description="The last day; left out: until it is released, for debt advice 30 days, for a "
        "moratorium as long as the law of the debtor's country has it.",
    )
    note: str | None = f(default=None, description="What is to be known; at most 500 characters.")


@strawberry.input(description="Whether a debtor wants contact by a channel.")
class ContactPreferenceInput:
    """Whether a debtor wants contact by a channel."""

    debtor_id: strawberry.ID = f(description="The debtor.")
    channel: Channel = f(description="The channel.")
    opt_out: bool = f(description="True: not by this channel. Notices required by law still come.")


@strawberry.type(description="The answer of a mutation of a general stop.")
class OutboundHoldPayload:
    """The answer of a mutation."""

    hold: OutboundHold | None = f(default=None, description="As it is now.")
    errors: list[UserError] = f(description="What went wrong; empty when done.")


def _scope(ctx: Context, given: str | None) -> tuple[HoldScope, int | None]:
    if given is None:
        return HoldScope.SYSTEM, None
    tag, _ = split(given)
    if tag not in _SCOPES:
        raise NotFound(path=("scopeId",))
    scope, model = _SCOPES[tag]
    return scope, find(ctx.session, model, key_of(given, tag, "scopeId"), ctx.who).id


@strawberry.type
class ContactPolicyMutation:
    """Who may be contacted, and when not."""

    @strawberry.mutation(
        description="Let a case rest: nobody is contacted and its workflow waits. In a statutory "
        "moratorium no interest and no charges arise either."
    )
    def case_hold(self, info: Info, input: CaseHoldInput) -> CasePayload:  # noqa: A002  # the contract's word
        """Let a case rest."""
        ctx = info.context
        return act_on_case(
            ctx,
            input,
            "caseHold",
            lambda case_id: hold_case(
                ctx.session,
                case_id,
                input.reason,
                until=input.until,
                text=input.note,
                by=ctx.who.user_id,
            ),
        )

    @strawberry.mutation(
        description="End the hold of a case; it returns to its agreement, its breathing space or its "
        "workflow."
    )
    def case_release(self, info: Info, case_id: strawberry.ID) -> CasePayload:
        """End the hold of a case."""
        ctx = info.context

        def act() -> Case:
            row = find(ctx.session, CaseRow, key_of(case_id, "cas", "caseId"), ctx.who)
            may(ctx.who, Action.WORK_CASES)
            release_case(ctx.session, row.id, by=ctx.who.user_id)
            return Case.of(ctx.session.get_one(CaseRow, row.id, populate_existing=True))

        return mutate(ctx, CasePayload, "case", act, name="caseRelease", about=case_id)

    @strawberry.mutation(
        description="Stop everything outgoing in a scope with one row (null: the whole system): a "
        "business unit, a customer, a portfolio, a bucket, a workflow; with a channel that one "
        "alone. For administrators."
    )
    def outbound_hold_create(
        self,
        info: Info,
        reason: str,
        scope_id: strawberry.ID | None = None,
        channel: Channel | None = None,
    ) -> OutboundHoldPayload:
        """Stop everything outgoing in a scope."""
        ctx = info.context

        def act() -> OutboundHold:
            scope, key = _scope(ctx, scope_id)
            may(ctx.who, Action.HOLD_OUTBOUND)
            made = hold_outbound(
                ctx.session, scope, key, reason, channel=channel, by=ctx.who.user_id
            )
            return OutboundHold.of(made)

        return mutate(ctx, OutboundHoldPayload, "hold", act, name="outboundHoldCreate")

    @strawberry.mutation(
        description="End a stop: what it held back goes on, spread over time. For administrators."
    )
    def outbound_hold_end(self, info: Info, id: strawberry.ID) -> OutboundHoldPayload:  # noqa: A002  # the contract's word
        """End a stop."""
        ctx = info.context

        def act() -> OutboundHold:
            row = find(ctx.session, OutboundHoldRow, key_of(id, "ohd", "id"), ctx.who)
            may(ctx.who, Action.HOLD_OUTBOUND)
            return OutboundHold.of(end_outbound(ctx.session, row.id, by=ctx.who.user_id))

        return mutate(ctx, OutboundHoldPayload, "hold", act, name="outboundHoldEnd", about=id)

    @strawberry.mutation(
        description="Keep whether a debtor wants contact by a channel; calls that were ordered are "
        "taken back."
    )
    def contact_preference_set(self, info: Info, input: ContactPreferenceInput) -> DebtorPayload:  # noqa: A002  # the contract's word
        """Keep what a debtor wants."""
        ctx = info.context

        def act() -> Debtor:
            key = key_of(input.debtor_id, "dbt", "input", "debtorId")
            row = find(ctx.session, DebtorRow, key, ctx.who)
            may(ctx.who, Action.WORK_CASES)
            set_preference(
                ctx.session, row.id, input.channel, opt_out=input.opt_out, by=ctx.who.user_id
            )
            return Debtor.of(row)

        return mutate(ctx, DebtorPayload, "debtor", act, name="contactPreferenceSet", given=input)
