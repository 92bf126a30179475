"""The read path: finds or makes the plan of a query and answers from it, or leaves it alone."""

import logging
from collections.abc import Mapping
from dataclasses import dataclass, field
from threading import Lock
from typing import Any

from graphql import GraphQLError
from graphql.execution.values import VariableValues, get_variable_values
from sqlalchemy.exc import CompileError, DBAPIError, InvalidRequestError

from finview.accounts.access import Viewer
from finview.api.engine.builder import binds_of
from finview.api.engine.context import Context, TooManyRows
from finview.api.engine.dialect import Sql, sql_of
from finview.api.engine.documents import DOCUMENTS, Document, Operation, core_schema
from finview.api.engine.jsonsql import NotPlain, Writer
from finview.api.engine.jsontext import Fetch, Text
from finview.api.engine.plan import Arguments, Audience, Plan, Planner
from finview.api.engine.rows import Compiled
from finview.api.engine.select import Undeclared, Unplanned
from finview.api.schema import build
from finview.db import Database, database_of
from finview.db.deadline import is_timeout
from finview.db.glances import Glance
from finview.errors import FinviewError

log = logging.getLogger(__name__)

PLANS_MAX = 16
LEFT = (Unplanned, GraphQLError, FinviewError)
"""What the executor says better: what is not planned, and what is wrong with a request."""

_SURPRISES = (
    *(LookupError, ValueError, TypeError, AttributeError, ArithmeticError),
    *(CompileError, InvalidRequestError),
)
"""What a function over odd data may raise; the executor then loses that one field, not all."""


class Counts:
    """How queries were answered in this process; near enough, as nothing is locked for it.

    `fallbacks` are texts the database should have written and did not; the rows answered instead.
    """

    def __init__(self) -> None:
        self.written = 0
        self.rows = 0
        self.executed = 0
        self.fallbacks = 0
        self.plan_hits = 0
        self.plan_misses = 0

    def read(self) -> dict[str, int]:
        """Return all counts, those of the documents too."""
        documents = {"document_hits": DOCUMENTS.hits, "document_misses": DOCUMENTS.misses}
        return vars(self) | documents


COUNTS = Counts()


@dataclass(slots=True)
class Plans:
    """The plans of one operation on one kind of database, and the choices nothing is planned for."""

    made: list[Plan] = field(default_factory=list)
    refused: list[Mapping[str, Any]] = field(default_factory=list)
    lock: Lock = field(default_factory=Lock)

    def keep(self, plan: Plan) -> None:
        """Keep a plan; the oldest one goes."""
        with self.lock:
            self.made = [*self.made[-PLANS_MAX + 1 :], plan]

    def refuse(self, choices: Mapping[str, Any]) -> None:
        """Remember that there is no plan for these values of skip and include."""
        with self.lock:
            self.refused = [*self.refused[-PLANS_MAX + 1 :], dict(choices)]


_SQL: dict[str, Sql] = {}


@dataclass(frozen=True, slots=True)
class Planned:
    """A query with the plan that answers it, and all that the plan binds."""

    plan: Plan
    sql: Sql
    given: list[Arguments]
    binds: dict[str, Any]

    def rows(self, ctx: Context) -> dict[str, Any]:
        """Return the data, made of rows; raises `Unplanned` and what resolvers raise."""
        if self.plan.compiled is None:
            self.plan.compiled = Compiled(self.plan, self.sql)
        data: dict[str, Any] = self.plan.compiled.run(ctx, self.given, self.binds)
        return data

    @property
    def writes(self) -> Text | None:
        """Return the statement in which the database writes the answer, if it can.

        To make one costs some ten milliseconds: ask for it when a plan is used again.
        """
        if self.plan.text is None:
            try:
                self.plan.text = Writer(self.plan, self.sql).text
            except NotPlain:
                self.plan.text = False
        return self.plan.text or None

    def text(self, fetch: Fetch, ctx: Context) -> str:
        """Return the data as JSON; raises `NotPlain` where `writes` is None, and what `rows` does."""
        found = self.writes
        if found is None:
            raise NotPlain("as before")
        return found.fill(found.read(fetch, self.binds), ctx, self.given)


def answered(
    ctx: Context, document: Document, operation: Operation, inputs: Mapping[str, Any]
) -> dict[str, Any] | None:
    """Return the data of a query; None when the executor has to answer it, and say what is wrong.

    Whatever goes wrong here goes wrong in the executor too, which knows how to tell it; but
    `TooManyRows` is raised.
    """
    if ctx.viewer is None:
        return None
    try:
        found = planned(database_of(ctx.session), ctx.viewer, document, operation, inputs)
        data = found.rows(ctx)
        COUNTS.rows += 1
        return data
    except TooManyRows:
        raise
    except LEFT:
        pass
    except _SURPRISES:
        log.warning("graphql.plan_failed", exc_info=True)
    COUNTS.executed += 1
    return None


@dataclass(frozen=True, slots=True)
class Written:
    """Data of a query as JSON of the database, perhaps with holes."""

    text: str
    by: Text
    given: list[Arguments]

    @property
    def whole(self) -> bool:
        """Tell whether nothing is left to be filled."""
        return not self.by.holes

    def filled(self, ctx: Context) -> str | None:
        """Return the data with its holes filled; None when `answered` has to do it all."""
        try:
            return self.by.fill(self.text, ctx, self.given)
        except LEFT:
            return None
        except _SURPRISES:
            return None  # logged when the rows are tried


def written(
    glance: Glance,
    database: Database,
    viewer: Viewer | None,
    document: Document,
    operation: Operation,
    inputs: Mapping[str, Any],
) -> Written | None:
    """Return the data of a query as JSON of the database; None when `answered` has to do it.

    The first request of a plan is not worth the writing of the statement.
    """
    if viewer is None:
        return None
    try:
        found = planned(database, viewer, document, operation, inputs)
    except LEFT:
        return None
    except _SURPRISES:
        return None  # logged when the rows are tried
    found.plan.seen += 1
    if found.plan.seen == 1:
        return None
    try:
        text = found.writes
        if text is None:
            return None
        made = Written(text.read(glance.fetch, found.binds), text, found.given)
        COUNTS.written += 1
        return made
    except Unplanned:
        COUNTS.fallbacks += 1
        return None
    except (*_SURPRISES, DBAPIError) as error:
        if is_timeout(error) or getattr(error, "connection_invalidated", False):
            raise
        COUNTS.fallbacks += 1
        log.warning("graphql.writing_failed", exc_info=True)
        found.plan.text = False
        return None


def planned(
    database: Database,
    viewer: Viewer,
    document: Document,
    operation: Operation,
    inputs: Mapping[str, Any],
) -> Planned:
    """Return the plan of a query; raises `Unplanned` and what resolvers raise."""
    variables = _variables(operation, inputs)
    sql = _sql(database)
    plans: Plans = document.memo.setdefault((operation.name, sql.name), Plans())
    if any(_same(choices, variables) for choices in plans.refused):
        raise Undeclared("as before")
    plan, given = _plan(Audience.of(viewer), document, variables, operation, plans)
    return Planned(plan, sql, given, binds_of(viewer, sql, given, plan))


def _plan(
    audience: Audience,
    document: Document,
    variables: VariableValues,
    operation: Operation,
    plans: Plans,
) -> tuple[Plan, list[Arguments]]:
    for plan in reversed(plans.made):
        given = plan.match(variables, audience)
        if given is not None:
            COUNTS.plan_hits += 1
            return plan, given
    COUNTS.plan_misses += 1
    planner = Planner(build(), document.node, variables)
    try:
        plan = planner.plan(operation.node, audience)
    except Undeclared:
        plans.refuse(planner.selection.choices)
        raise
    plans.keep(plan)
    return plan, list(plan.given)


def _variables(operation: Operation, inputs: Mapping[str, Any]) -> VariableValues:
    found = get_variable_values(
        core_schema(), operation.node.variable_definitions or (), dict(inputs)
    )
    if not isinstance(found, VariableValues):
        raise Unplanned("variables that don't fit")
    return found


def _same(choices: Mapping[str, Any], variables: VariableValues) -> bool:
    return all(variables.coerced.get(name) is value for name, value in choices.items())


def _sql(database: Database) -> Sql:
    found = _SQL.get(database.dialect)
    if found is None:
        with database.reading() as session:
            session.connection()  # a dialect knows its server once it has met it
        found = _SQL[database.dialect] = sql_of(database.reader)
    return found


__all__ = ["COUNTS", "LEFT", "Planned", "answered", "planned", "written"]
