"""What an attempt costs: each provider is asked when it is bound, and again before it is used."""

from collections.abc import Sequence

from sqlalchemy import select
from sqlalchemy.orm import Session

from finview import clock
from finview.db.cascade import SYSTEM, ScopeRef, nearest
from finview.db.jobs import EXTERNAL, JobView, job
from finview.db.lists import one_of
from finview.enrichment.models import EnrichmentPrice
from finview.money import Money
from finview.plugins.bindings import Bound, bound_by
from finview.plugins.contracts.enricher import PostalAddress, TraceRequest
from finview.plugins.manager import Plugins
from finview.plugins.models import PluginBinding

SLOT = "enricher"
SAMPLE = TraceRequest(
    key="quote",
    case_number="C-0",
    kind="CONSUMER",
    first_name="Erika",
    last_name="Mustermann",
    addresses=(
        PostalAddress(
            street="Musterstraße", house_no="1", postcode="10115", city="Berlin", country="DE"
        ),
    ),
    country="DE",
)
"""Nobody: only for asking what a search would cost."""


def quote_for(session: Session, chains: Sequence[Sequence[ScopeRef]]) -> list[Money | None]:
    """Return what attempt 1 costs under each chain of scopes, by one statement for all of them.

    None where no provider is bound, or it hasn't told its price.
    """
    scopes = {scope for scopes in chains for scope in (*scopes, SYSTEM)}
    rows = session.execute(
        select(
            PluginBinding.scope_kind,
            PluginBinding.scope_id,
            PluginBinding.enabled,
            EnrichmentPrice.cost_minor,
            EnrichmentPrice.currency,
        )
        .outerjoin(
            EnrichmentPrice,
            (EnrichmentPrice.binding_id == PluginBinding.id)
            & (EnrichmentPrice.version == PluginBinding.version),
        )
        .where(
            PluginBinding.slot == SLOT,
            one_of(PluginBinding.scope_id, sorted({scope.id for scope in scopes})),
        )
        .order_by(PluginBinding.position)
    ).all()
    # A scope whose whole list is switched off says that nobody serves there.
    prices: dict[ScopeRef, Money | None] = {
        ScopeRef(row.scope_kind, row.scope_id): None for row in rows
    }
    for row in reversed([row for row in rows if row.enabled]):
        known = row.cost_minor is not None
        price = Money(row.cost_minor, row.currency) if known else None
        prices[ScopeRef(row.scope_kind, row.scope_id)] = price
    seen = [nearest([*scopes, SYSTEM], prices) for scopes in chains]
    return [None if one is None else one[0] for one in seen]


def remember(session: Session, binding_id: int, version: int, price: Money) -> None:
    """Keep what a provider quoted under a version of its binding."""
    row = session.get(EnrichmentPrice, binding_id)
    if row is None:
        row = EnrichmentPrice(binding_id=binding_id)
        session.add(row)
    row.version, row.at = version, clock.now()
    row.cost_minor, row.currency = price.minor, price.currency
    session.flush()


@job("enrichment.price", shape=EXTERNAL, queue="trace")
class AskPrice:
    """Ask the provider of a binding what an attempt costs, for whoever sets up enrichment."""

    def __init__(self, view: JobView) -> None:
        self.view = view
        self.binding_id: int = view.args["binding_id"]
        self.version = 0

    def before(self, session: Session) -> Bound | None:
        """Find the provider; one that is switched off is not asked."""
        row = session.get(PluginBinding, self.binding_id)
        if row is None or not row.enabled:
            return None
        self.version = row.version
        plugins = self.view.services.get(Plugins)
        return bound_by(session, plugins, row.id, row.provider)

    def call(self, request: Bound) -> Money:
        """Ask, with no session open."""
        quotes: list[Money] = request.call("quote", [SAMPLE])
        return quotes[0]

    def after(self, session: Session, outcome: Money) -> None:
        """Keep the answer."""
        remember(session, self.binding_id, self.version, outcome)
