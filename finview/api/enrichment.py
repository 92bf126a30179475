"""Skip tracing as the API shows it: the attempts of a case with their costs, and what one costs."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

import strawberry
from sqlalchemy import select

from finview.accounts.access import visible
from finview.api.common import Money, f
from finview.api.engine.context import Context
from finview.api.engine.scalars import JSON
from finview.api.engine.sources import CAP, Calc, Col, cols, source
from finview.api.enums import EnrichmentState
from finview.db.cascade import ScopeRef
from finview.enrichment.models import EnrichmentAttempt as Row
from finview.enrichment.prices import quote_for
from finview.money import Money as MoneyValue


@strawberry.type(description="One use of the tracing service for a case; it is its own cost row.")
class EnrichmentAttempt:
    """One use of the tracing service."""

    n: int = f(description="1 for the first attempt of the case.")
    provider: str | None = f(description="Who was asked; null before.")
    state: EnrichmentState = f(description="How far it has come.")
    reason: str | None = f(description="Why it was left out or refused, as a stable code.")
    quoted: Money | None = f(description="The price that was told before anything was spent.")
    cost: Money | None = f(description="What it cost; null: nothing, or nobody knows yet.")
    due_at: datetime = f(description="When it is or was due.")
    at: datetime | None = f(description="When it ended.")
    found: int = f(description="How many contact points the provider gave.")
    added: int = f(description="How many of them were new.")
    settings: JSON | None = f(description="What counted when it was due: values and sources.")


def _cost(_ctx: Context, minor: int | None, currency: str | None) -> Money | None:
    if minor is None or currency is None:
        return None
    return Money.of(MoneyValue(minor, currency))


def _quoted(_ctx: Context, kept: dict[str, Any] | None) -> Money | None:
    return Money.of(MoneyValue(kept["minor"], kept["currency"])) if kept else None


def _settings(_ctx: Context, kept: dict[str, Any] | None) -> JSON | None:
    return JSON(kept) if kept is not None else None


source(
    EnrichmentAttempt,
    Row,
    quoted=Calc(_quoted, ("quoted",)),
    cost=Calc(_cost, ("cost_minor", "currency")),
    settings=Calc(_settings, ("settings",)),
    reason=Col("reason"),
    **cols("n", "provider", "state", "due_at", "at", "found", "added"),
)


def attempts_of(ctx: Context, case_id: int) -> list[EnrichmentAttempt]:
    """Return the attempts of a case, oldest first."""
    wanted = visible(select(Row), ctx.who).where(Row.case_id == case_id).order_by(Row.id)
    return [
        EnrichmentAttempt(
            n=row.n,
            provider=row.provider,
            state=EnrichmentState(row.state),
            reason=row.reason,
            quoted=_quoted(ctx, row.quoted),
            cost=_cost(ctx, row.cost_minor, row.currency),
            due_at=row.due_at,
            at=row.at,
            found=row.found,
            added=row.added,
            settings=_settings(ctx, row.settings),
        )
        for row in ctx.session.scalars(wanted.limit(CAP))
    ]


def costs_of(ctx: Context, chains: Sequence[Sequence[ScopeRef]]) -> list[Money | None]:
    """Return what an attempt costs under each chain of scopes; null while nobody has said."""
    return [None if price is None else Money.of(price) for price in quote_for(ctx.session, chains)]
