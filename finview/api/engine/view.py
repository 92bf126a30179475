"""GraphQL over HTTP: one operation, in a worker thread, with one session."""

import logging
import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import orjson
import strawberry
from graphql import (
    DocumentNode,
    ExecutionResult,
    GraphQLError,
    OperationDefinitionNode,
    OperationType,
    execute_sync,
    parse,
    validate,
)
from sqlalchemy.orm import Session

from finview.accounts.access import Viewer
from finview.api.engine import limits
from finview.api.engine.context import Context
from finview.api.schema import build
from finview.db.runtime import Services

log = logging.getLogger(__name__)

DOCUMENTS = 512
_OURS = {"UNAUTHENTICATED", "BAD_CURSOR", "QUERY_TOO_COMPLEX", "BAD_REQUEST"}


class NotARequest(Exception):
    """The body is not a GraphQL request; the text says why."""


@dataclass(frozen=True, slots=True)
class Request:
    """One operation as it was sent."""

    query: str
    variables: Mapping[str, Any]
    operation_name: str | None


@dataclass(frozen=True, slots=True)
class Answer:
    """What to send back; `executed` tells whether the operation ran at all."""

    body: dict[str, Any]
    executed: bool


def read_request(body: bytes) -> Request:
    """Read a JSON body; raises `NotARequest`."""
    try:
        given = orjson.loads(body)
    except orjson.JSONDecodeError:
        raise NotARequest("the body is not JSON") from None
    if not isinstance(given, dict) or not isinstance(given.get("query"), str):
        raise NotARequest("query must be a string")
    variables, name = given.get("variables"), given.get("operationName")
    extensions = given.get("extensions")
    if variables is not None and not isinstance(variables, dict):
        raise NotARequest("variables must be an object")
    if name is not None and not isinstance(name, str):
        raise NotARequest("operationName must be a string")
    if extensions is not None and not isinstance(extensions, dict):
        raise NotARequest("extensions must be an object")
    return Request(given["query"], variables or {}, name)


@lru_cache(DOCUMENTS)
def _document(query: str) -> tuple[DocumentNode, tuple[GraphQLError, ...]]:
    """Parse and validate once; the static limits are checked before validation."""
    document = parse(query, max_tokens=limits.TOKENS_MAX)
    limits.check(document, {})
    return document, tuple(validate(_schema(build()), document, max_errors=5))


def _schema(schema: strawberry.Schema) -> Any:
    return schema._schema  # noqa: SLF001  # Strawberry has no public name for its graphql-core schema


def prepared(request: Request) -> tuple[DocumentNode, OperationDefinitionNode, int] | Answer:
    """Return document, operation and static cost; or the answer to a document that can't run."""
    try:
        document, faults = _document(request.query)
        cost = limits.check(document, request.variables)
    except GraphQLError as error:
        return Answer({"errors": [_shown(error)]}, executed=False)
    if faults:
        return Answer({"errors": [_shown(fault) for fault in faults]}, executed=False)
    operations = [d for d in document.definitions if isinstance(d, OperationDefinitionNode)]
    if request.operation_name is not None:
        operations = [o for o in operations if o.name and o.name.value == request.operation_name]
    if len(operations) != 1:
        why = "name one operation of the document" if operations else "no such operation"
        return Answer({"errors": [{"message": why}]}, executed=False)
    return document, operations[0], cost


def is_mutation(operation: OperationDefinitionNode) -> bool:
    """Tell whether an operation writes."""
    return operation.operation is OperationType.MUTATION


def run(
    services: Services,
    request: Request,
    document: DocumentNode,
    operation: OperationDefinitionNode,
    cost: int,
    *,
    viewer: Viewer | None,
    locale: str,
) -> Answer:
    """Execute an operation with one session: a unit if it writes, else a reading session.

    Several mutations run in order, each in a savepoint of its own; an unexpected error undoes all.
    """
    db = services.db
    if not is_mutation(operation):
        with db.reading(deadline_s=services.settings.operation_s_max) as session:
            return _answer(_executed(services, session, request, document, viewer, locale), cost)
    try:
        with db.unit(deadline_s=services.settings.operation_s_max) as session:
            answer = _answer(_executed(services, session, request, document, viewer, locale), cost)
            _keep(answer)
            return answer
    except _Undo as undone:
        return undone.answer


class _Undo(Exception):
    """Carries the answer out of a unit that must not be committed."""

    def __init__(self, answer: Answer) -> None:
        super().__init__()
        self.answer = answer


def _keep(answer: Answer) -> None:
    """Raise out of the unit when the operation failed: then nothing of it is kept."""
    if "errors" in answer.body:
        raise _Undo(answer)


def _executed(
    services: Services,
    session: Session,
    request: Request,
    document: DocumentNode,
    viewer: Viewer | None,
    locale: str,
) -> ExecutionResult:
    return execute_sync(
        _schema(build()),
        document,
        variable_values=dict(request.variables),
        operation_name=request.operation_name,
        context_value=Context(session=session, services=services, viewer=viewer, locale=locale),
    )


def _answer(result: ExecutionResult, cost: int) -> Answer:
    body: dict[str, Any] = {}
    if result.errors:
        body["errors"] = [_shown(error) for error in result.errors]
    # Errors of variables come before execution: then there is no data at all.
    executed = result.data is not None or not result.errors or bool(result.errors[0].path)
    if executed:
        body["data"] = result.data
    body["extensions"] = {"cost": {"requested": cost, "limit": limits.COST_MAX}}
    return Answer(body, executed=executed)


def _shown(error: GraphQLError) -> dict[str, Any]:
    """Return an error as clients may see it; a bug is masked, and logged under an id."""
    original = error.original_error
    if original is None or (isinstance(original, GraphQLError) and original.extensions):
        source = original if isinstance(original, GraphQLError) else error
        shown: dict[str, Any] = dict(error.formatted)
        if source.extensions:
            shown["extensions"] = dict(source.extensions)
        return shown
    key = secrets.token_hex(8)
    log.error("graphql.internal id=%s", key, exc_info=original)
    return {
        "message": f"Something went wrong on our side ({key}).",
        "path": list(error.path or ()),
        "extensions": {"code": "INTERNAL", "id": key},
    }


__all__ = ["Answer", "NotARequest", "Request", "is_mutation", "prepared", "read_request", "run"]
