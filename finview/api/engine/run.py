"""The read path: finds or makes the plan of a query and answers from it, or leaves it alone."""

import logging
from collections.abc import Mapping
from dataclasses import dataclass, field
from threading import Lock
from typing import Any

from graphql import GraphQLError
from graphql.execution.values import VariableValues, get_variable_values
from sqlalchemy import Engine
from sqlalchemy.exc import CompileError, DBAPIError, InvalidRequestError

from finview.api.engine.context import Context
from finview.api.engine.dialect import Sql, Statement, sql_of
from finview.api.engine.documents import Document, Operation, core_schema
from finview.api.engine.jsonsql import NotPlain, Writer
from finview.api.engine.plan import Arguments, Plan, Planner
from finview.api.engine.rows import Compiled, binds_of
from finview.api.engine.select import Undeclared, Unplanned
from finview.api.schema import build
from finview.db.deadline import is_timeout
from finview.errors import FinviewError

log = logging.getLogger(__name__)

PLANS_MAX = 8
LEFT = (Unplanned, GraphQLError, FinviewError)
"""What the executor says better: what is not planned, and what is wrong with a request."""

_SURPRISES = (
    *(LookupError, ValueError, TypeError, AttributeError, ArithmeticError),
    *(CompileError, InvalidRequestError),
)
"""What a function over odd data may raise; the executor then loses that one field, not all."""


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

    ctx: Context
    plan: Plan
    sql: Sql
    given: list[Arguments]
    binds: dict[str, Any]

    def rows(self) -> dict[str, Any]:
        """Return the data, made of rows; raises `Unplanned` and what resolvers raise."""
        if self.plan.compiled is None:
            self.plan.compiled = Compiled(self.plan, self.sql)
        data: dict[str, Any] = self.plan.compiled.run(self.ctx, self.given, self.binds)
        return data

    def text(self) -> str:
        """Return the data as the database writes it; raises `NotPlain`, and for nulls `Unplanned`.

        Writing a statement costs some ten milliseconds: ask for it when a plan is used again.
        """
        if self.plan.text is None:
            try:
                self.plan.text = Writer(self.plan, self.sql).statement
            except NotPlain:
                self.plan.text = False
        if self.plan.text is False:
            raise NotPlain("as before")
        statement: Statement = self.plan.text
        connection = self.ctx.session.connection()
        result = connection.exec_driver_sql(statement.text, statement.params(self.binds))
        ((text,),) = result.cursor.fetchall()
        result.close()
        if text is None:
            raise Unplanned("null in a non-null place")
        return str(text)


def answered(
    ctx: Context, document: Document, operation: Operation, inputs: Mapping[str, Any]
) -> dict[str, Any] | None:
    """Return the data of a query; None when the executor has to answer it, and say what is wrong.

    Whatever goes wrong here goes wrong in the executor too, which knows how to tell it.
    """
    if ctx.viewer is None:
        return None
    try:
        return planned(ctx, document, operation, inputs).rows()
    except LEFT:
        return None
    except _SURPRISES:
        log.warning("graphql.plan_failed", exc_info=True)
        return None


def written(
    ctx: Context, document: Document, operation: Operation, inputs: Mapping[str, Any]
) -> str | None:
    """Return the data of a query as JSON of the database; None when `answered` has to do it.

    The first request of a plan is not worth the writing of the statement.
    """
    if ctx.viewer is None:
        return None
    try:
        found = planned(ctx, document, operation, inputs)
    except LEFT:
        return None
    except _SURPRISES:
        return None  # logged when the rows are tried
    found.plan.seen += 1
    if found.plan.seen == 1:
        return None
    try:
        return found.text()
    except Unplanned:
        return None
    except (*_SURPRISES, DBAPIError) as error:
        if is_timeout(error):
            raise
        log.warning("graphql.writing_failed", exc_info=True)
        found.plan.text = False
        return None


def planned(
    ctx: Context, document: Document, operation: Operation, inputs: Mapping[str, Any]
) -> Planned:
    """Return the plan of a query; raises `Unplanned` and what resolvers raise."""
    variables = _variables(operation, inputs)
    sql = _sql(ctx)
    plans: Plans = document.memo.setdefault((operation.name, sql.name), Plans())
    if any(_same(choices, variables) for choices in plans.refused):
        raise Undeclared("as before")
    plan, given = _plan(ctx, document, variables, operation, plans)
    return Planned(ctx, plan, sql, given, binds_of(ctx, sql, given, plan.sites))


def _plan(
    ctx: Context,
    document: Document,
    variables: VariableValues,
    operation: Operation,
    plans: Plans,
) -> tuple[Plan, list[Arguments]]:
    staff = ctx.who.staff
    for plan in reversed(plans.made):
        given = plan.match(variables, staff=staff)
        if given is not None:
            return plan, given
    planner = Planner(build(), document.node, variables)
    try:
        plan = planner.plan(operation.node, staff=staff)
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


def _sql(ctx: Context) -> Sql:
    engine = ctx.session.get_bind()
    assert isinstance(engine, Engine)
    found = _SQL.get(engine.dialect.name)
    if found is None:
        ctx.session.connection()  # a dialect knows its server once it has met it
        found = _SQL[engine.dialect.name] = sql_of(engine)
    return found


__all__ = ["LEFT", "Planned", "answered", "planned", "written"]
