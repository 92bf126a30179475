"""Asks as a viewer by every way there is of answering a query: executor, rows, and database text."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import orjson
from graphql import OperationDefinitionNode, execute_sync, parse

from finview.accounts.access import Viewer
from finview.api.engine import run
from finview.api.engine.context import Context
from finview.api.engine.documents import Document, Operation, core_schema
from finview.api.engine.jsonsql import NotPlain
from finview.db.runtime import Services


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """The data and the codes of errors the executor gave; the other ways gave the same data."""

    data: Any
    errors: tuple[str, ...]

    @property
    def text(self) -> str:
        """Return all of it as one text."""
        return orjson.dumps([self.data, self.errors]).decode()


@lru_cache(4096)
def _document(query: str) -> Document:
    """Return a query without the limits of requests: it may be larger than those of people."""
    node = parse(query)
    (definition,) = node.definitions
    assert isinstance(definition, OperationDefinitionNode)
    operation = Operation(definition, None, introspects=False)
    return Document(node=node, operations=(operation,), pages=frozenset())


def ask(
    services: Services,
    viewer: Viewer,
    query: str,
    given: Mapping[str, Any],
    *,
    plans: bool = True,
) -> Answer:
    """Ask by every way, without `plans` the executor alone; AssertionError where they differ."""
    document = _document(query)
    (operation,) = document.operations

    def context(session: Any) -> Context:
        return Context(session=session, services=services, viewer=viewer, locale="de")

    with services.db.reading() as session:
        told = execute_sync(
            core_schema(),
            document.node,
            variable_values=dict(given),
            context_value=context(session),
        )
    errors = tuple(f"{one.path}: {one.message}" for one in told.errors or ())
    answer = Answer(data=told.data, errors=errors)
    if not plans:
        return answer
    try:
        planned = run.planned(services.db, viewer, document, operation, given)
        with services.db.reading() as session:
            rows = planned.rows(context(session))
        assert orjson.dumps(rows) == orjson.dumps(told.data), query
        with services.db.glance() as glance, services.db.reading() as session:
            text = planned.text(glance.fetch, context(session))
        assert text.encode() == orjson.dumps(told.data), query
    except (*run.LEFT, NotPlain):
        pass  # the executor alone answers this
    return answer
