"""What all statements of a plan share: the database, who sees which rows, what a request binds."""

from collections.abc import Iterable, Sequence
from typing import Any

from sqlalchemy import BigInteger, Select, inspect, or_
from sqlalchemy.orm import aliased

from finview.accounts.access import Granted, Viewer, condition, in_one_portfolio, way
from finview.api.engine.dialect import Sql, Statement, later
from finview.api.engine.needs import below
from finview.api.engine.plan import NOWHERE, Arguments, Part, Plan, Site
from finview.db.base import Base, Scope, table_of


class Builder:
    """What all statements of a plan share: the database, the audience, the slots."""

    def __init__(self, sql: Sql, plan: Plan) -> None:
        self.sql = sql
        self.plan = plan
        self.size = 0
        self.names = 0
        self.above: dict[Any, tuple[Any, ...]] = {}
        self.places = [later(name, BigInteger) for name in plan.audience.places]
        self.granted = Granted(
            customers=sql.keys("customers"),
            all_customers=sql.keys("all_customers"),
            portfolios=sql.keys("portfolios"),
            all_portfolios=self.places or None,
        )

    def entity(self, model: type[Base], source: Any = None) -> Any:
        """Return a table under a name of its own; `source` stands for its rows."""
        self.names += 1
        return aliased(model, source, name=f"t{self.names}")

    def under(self, entity: Any, parent: Any) -> None:
        """Note that `parent` is read in the same statement, under its own conditions."""
        self.above[entity] = (parent, *self.above.get(parent, ()))

    def seen(self, entity: Any, on: Any = None) -> tuple[Any, ...]:
        """Return the conditions under which the audience sees rows: part of every statement.

        A table seen through another one asks whether there is a visible row that its link joins to
        its own. Where the statement has such a row above (`under`), that one is the answer: always
        when the link is `on`, the join itself, and else wherever the link holds.
        """
        if self.plan.staff:
            return ()
        asked = condition(entity, self.granted)
        if on is not None and self._same_portfolio(entity, on):
            return ()
        through = way(inspect(entity).class_)
        if through is None:
            return (asked,)
        links = [
            through.link(entity, parent)
            for parent in self.above.get(entity, ())
            if inspect(parent).class_ is through.inner
            and through.columns <= {*inspect(parent).selectable.c.keys()}
        ]
        if on is not None and any(link.compare(on) for link in links):
            return ()
        return (or_(links[0], asked),) if links else (asked,)

    def portfolio(self, entity: Any) -> Any:
        """Return the column that alone tells who of the audience sees a row, if there is one."""
        model: type[Base] = inspect(entity).class_
        scope: Scope | None = model.__scope__
        if not self.places or scope is None or not in_one_portfolio(model):
            return None
        name = scope.portfolio or ""
        return getattr(entity, name) if name in inspect(entity).selectable.c else None

    def each(self, model: type[Base]) -> list[Any]:
        """Return a condition for each portfolio, where an index finds the rows of one.

        Rows of one portfolio come in the order of the keys, and a database merges what is ordered;
        all that a viewer may see it would have to sort.
        """
        own = self.portfolio(model)
        if own is None:
            return []
        of_one = inspect(model).columns[own.key]
        indexes = table_of(model).indexes
        first = any(of_one is next(iter(index.columns)) for index in indexes)
        indexed = of_one.primary_key or first
        return [own == place for place in self.places] if indexed else []

    def _same_portfolio(self, entity: Any, on: Any) -> bool:
        """Tell whether what joins a row to one above is that both are of one portfolio."""
        own = self.portfolio(entity)
        if own is None:
            return False
        above = (self.portfolio(parent) for parent in self.above.get(entity, ()))
        return any(theirs is not None and (own == theirs).compare(on) for theirs in above)

    def asked(self, model: type[Base], parts: Sequence[Part]) -> set[str]:
        """Return the columns of a page's own table which `seen` wants for what stands below."""
        if self.plan.staff:
            return set()
        ways = [way(model_below) for model_below in below(parts)]
        return {name for one in ways if one and one.inner is model for name in one.columns}

    def slot(self) -> int:
        """Return the number of a new slot."""
        self.size += 1
        return self.size - 1

    def statement(self, statement: Select[Any], *sites: Site) -> Statement:
        """Compile a statement; `sites` are the fields whose filters it has."""
        names = {
            bind.key: site.bind(f"where{n}")
            for site in sites
            for n, bind in enumerate(self.plan.given[site.index].where_binds)
        }
        return Statement(statement, self.sql, names)


def binds_of(viewer: Viewer, sql: Sql, given: Iterable[Arguments], plan: Plan) -> Any:
    """Return what a request binds: keys, cursors, filters, and the viewer's grants."""
    found: dict[str, Any] = {}
    for site, arguments in zip(plan.sites, given, strict=True):
        found |= arguments.binds
        for n, bind in enumerate(arguments.where_binds):
            found[site.bind(f"where{n}")] = bind.effective_value
    if not viewer.staff:
        granted = viewer.granted
        for name in ("customers", "all_customers", "portfolios"):
            found[name] = sql.packed(sorted(getattr(granted, name)))
        theirs = dict(zip(plan.audience.places, sorted(viewer.all_portfolios), strict=False))
        found |= dict.fromkeys(plan.audience.places, NOWHERE) | theirs
    return found


__all__ = ["Builder", "binds_of"]
