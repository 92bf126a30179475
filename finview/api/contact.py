"""Holds of cases, decisions of the contact policy, and general stops, as the API shows them."""

from collections.abc import Sequence
from datetime import date, datetime

import strawberry
from sqlalchemy import func, select

from finview.accounts.access import visible
from finview.api.common import Node, f
from finview.api.engine.context import Context, Info
from finview.api.engine.ids import encode
from finview.api.engine.paging import size_of
from finview.api.engine.sources import CAP, Calc, Id, cols, source
from finview.api.enums import Channel, ContactOutcome, HoldReason
from finview.cases.holds import holds_of
from finview.communications.policy_models import ContactDecision as DecisionRow
from finview.communications.policy_models import OutboundHold as OutboundHoldRow
from finview.db.lists import one_of
from finview.i18n import sentence

_TAGS = {
    "BUSINESS_UNIT": "bu",
    "CUSTOMER": "cus",
    "PORTFOLIO": "pf",
    "BUCKET": "bkt",
    "WORKFLOW": "wf",
}


@strawberry.type(description="Why a case rests, and for how long.")
class CaseHold:
    """Why a case rests."""

    reason: HoldReason = f(description="Why.")
    from_: date = f(name="from", description="The first day.")
    until: date | None = f(description="The last day; null: until it is released.")
    note: str | None = f(description="What was noted with it.")


@strawberry.type(description="One answer of the contact policy about one planned contact.")
class ContactDecision:
    """One answer of the contact policy."""

    at: datetime = f(description="When it was asked.")
    channel: Channel = f(description="How the debtor was to be contacted.")
    outcome: ContactOutcome = f(description="Now, later, or not at all.")
    reasons: list[str] = f(description="Every reason, as codes; the weightiest first.")
    texts: list[str] = f(description="The reasons in words.")
    until: datetime | None = f(description="When a delay ends; null: nobody knows yet.")
    policy_version: str = f(description="Which version of whose rules was asked.")


@strawberry.type(description="Nothing goes out in a scope until it is ended.")
class OutboundHold(Node):
    """A general stop."""

    channel: Channel | None = f(description="The channel it is about; null: every one.")
    scope: str = f(
        description="SYSTEM, BUSINESS_UNIT, CUSTOMER, PORTFOLIO, BUCKET or WORKFLOW: what it stops."
    )
    scope_id: strawberry.ID | None = f(description="Which one of these; null: the whole system.")
    reason: str = f(description="Why.")
    since: datetime = f(description="When it began.")
    ended_at: datetime | None = f(description="When it was ended; null: it runs.")

    @classmethod
    def of(cls, row: OutboundHoldRow) -> "OutboundHold":
        """Return a row as the API shows it."""
        return cls(
            id=strawberry.ID(encode("ohd", row.id)),
            channel=Channel(row.channel) if row.channel else None,
            scope=row.scope_kind,
            scope_id=_scope_id(row.scope_kind, row.scope_id),
            reason=row.reason,
            since=row.since,
            ended_at=row.ended_at,
        )


def _scope_id(kind: str, key: int | None) -> strawberry.ID | None:
    return strawberry.ID(encode(_TAGS[kind], key)) if key is not None else None


def case_holds(ctx: Context, case_ids: Sequence[int]) -> dict[int, CaseHold]:
    """Return what cases rest for now."""
    return {
        key: CaseHold(
            reason=HoldReason(row.reason), from_=row.from_on, until=row.until_on, note=row.note
        )
        for key, row in holds_of(ctx.session, case_ids).items()
    }


def contact_decisions(
    ctx: Context, case_ids: Sequence[int], first: int | None = 50
) -> dict[int, list[ContactDecision]]:
    """Return the newest decisions of cases, newest first."""
    rank = func.row_number().over(partition_by=DecisionRow.case_id, order_by=DecisionRow.id.desc())
    ranked = (
        select(DecisionRow.id, rank.label("rank"))
        .where(one_of(DecisionRow.case_id, case_ids))
        .subquery()
    )
    wanted = (
        visible(select(DecisionRow), ctx.who)
        .join(ranked, ranked.c.id == DecisionRow.id)
        .where(ranked.c.rank <= size_of(first))
        .order_by(DecisionRow.id.desc())
    )
    found: dict[int, list[ContactDecision]] = {key: [] for key in case_ids}
    for row in ctx.session.scalars(wanted):
        found[row.case_id].append(
            ContactDecision(
                at=row.at,
                channel=Channel(row.channel),
                outcome=ContactOutcome(row.outcome),
                reasons=list(row.reasons),
                texts=[sentence(reason, ctx.locale) for reason in row.reasons],
                until=row.until,
                policy_version=row.policy_version,
            )
        )
    return found


def outbound_holds(info: Info, running: bool | None = None) -> list[OutboundHold]:
    """Return the general stops, newest first; `running` those that run, or those that have ended."""
    wanted = visible(select(OutboundHoldRow), info.context.who)
    if running is not None:
        ended = OutboundHoldRow.ended_at
        wanted = wanted.where(ended.is_(None) if running else ended.is_not(None))
    rows = info.context.session.scalars(wanted.order_by(OutboundHoldRow.id.desc()).limit(CAP))
    return [OutboundHold.of(row) for row in rows]


source(
    OutboundHold,
    OutboundHoldRow,
    id=Id("ohd"),
    scope_id=Calc(lambda _ctx, kind, key: _scope_id(kind, key), ("scope_kind", "scope_id")),
    scope=Calc(lambda _ctx, kind: kind, ("scope_kind",)),
    **cols("channel", "reason", "since", "ended_at"),
)
