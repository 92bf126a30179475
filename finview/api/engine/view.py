"""One GraphQL operation: read, limited, executed in one session of a worker thread, answered."""

import re
import time
from collections.abc import Callable, Hashable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, TypeVar

import orjson
from graphql import ExecutionResult, GraphQLError, OperationType, execute_sync
from sqlalchemy.exc import DBAPIError
from sqlalchemy.orm import Session

from finview.accounts.access import Viewer
from finview.api.engine import faults, limits, persisted
from finview.api.engine import run as plans
from finview.api.engine.ahead import work_ahead
from finview.api.engine.context import Asked, Context, TooManyRows
from finview.api.engine.documents import DOCUMENTS, Document, Operation, core_schema
from finview.api.engine.rate import Buckets
from finview.db import is_transient
from finview.db.deadline import is_timeout
from finview.db.glances import Glance
from finview.db.runtime import Services
from finview.settings import Settings

T = TypeVar("T")
Who = Callable[[Session | Glance], Viewer | None]

REPEATS = 3
QUICK_S = 0.05
VARIABLE_FAULTS_MAX = 5
# As it stands, or as GraphQL writes it in a string.
_NUL = re.compile(r"\0|\\u(?:0000|\{0+\})")


class NotARequest(Exception):
    """The body is not a GraphQL request; the text says why."""


@dataclass(frozen=True, slots=True)
class Request:
    """One operation as it was sent: a text, or the hash of a trusted document."""

    query: str
    variables: Mapping[str, Any]
    operation_name: str | None = None
    document_id: str | None = None


@dataclass(frozen=True, slots=True)
class Caller:
    """Who sends a request: how to sign in, the language asked for, and whom to count it to."""

    who: Who
    locale: str
    origin: Hashable = None
    asked: Asked = field(default_factory=Asked)


@dataclass(frozen=True, slots=True)
class Ready:
    """An operation that may run."""

    request: Request
    document: Document
    operation: Operation
    cost: int

    @property
    def is_quick(self) -> bool:
        """Tell whether the database answered it within milliseconds when it last ran."""
        return self.operation.name in self.document.quick

    @property
    def kind(self) -> OperationType:
        """Return whether it is a query, a mutation or a subscription."""
        return self.operation.kind


@dataclass(frozen=True, slots=True)
class Answer:
    """What to send back; `executed` tells whether the operation ran at all."""

    body: dict[str, Any]
    executed: bool
    broken: bool = False
    text: str | None = None
    """The data as the database wrote it; the body then holds all the rest."""
    cookie: str | None = None
    """The secret of a session that began, for the browser; empty when its session ended."""

    def content(self) -> bytes:
        """Return the answer as it is sent."""
        rest = orjson.dumps(self.body)
        return rest if self.text is None else b'{"data":%b,%b' % (self.text.encode(), rest[1:])


def read_request(body: bytes) -> Request:
    """Read a JSON body; raises `NotARequest`."""
    try:
        given = orjson.loads(body)
    except orjson.JSONDecodeError:
        raise NotARequest("the body is not JSON") from None
    return request_of(given, may_hold_nul=b"\\u0000" in body)


def request_of(given: object, *, may_hold_nul: bool = True) -> Request:
    """Check the parts of a request; raises `NotARequest`."""
    if isinstance(given, list):
        raise NotARequest("send one operation at a time: batches are not answered")
    if not isinstance(given, dict):
        raise NotARequest("the body must be an object")
    for name, kind, wanted in (
        ("query", str, "a string"),
        ("documentId", str, "a string"),
        ("operationName", str, "a string"),
        ("variables", dict, "an object"),
        ("extensions", dict, "an object"),
    ):
        if given.get(name) is not None and not isinstance(given[name], kind):
            raise NotARequest(f"{name} must be {wanted}")
    query, document_id = given.get("query"), given.get("documentId")
    if (query is None) == (document_id is None):
        raise NotARequest("send either query or documentId")
    variables = given.get("variables") or {}
    # No database keeps a NUL in a text, and no person means one.
    if _NUL.search(query or "") or (may_hold_nul and _holds_nul(variables)):
        raise NotARequest("the request holds a NUL character")
    return Request(query or "", variables, given.get("operationName"), document_id)


def prepared(settings: Settings, request: Request, locale: str) -> Ready | Answer:
    """Return the operation, ready to run; or the answer to one that can't run.

    Nothing of this asks the database.
    """
    query = _text(settings, request)
    if query is None:
        return refusal(faults.bad_request("this document is not one of the trusted ones"))
    try:
        document = DOCUMENTS.of(query, hide_suggestions=settings.env == "production")
        if document.faults:
            return refusal(*(faults.shown(fault, locale) for fault in document.faults))
        operation = document.operation(request.operation_name)
        if operation is None:
            why = "name one operation of the document: operationName"
            return refusal(faults.bad_request(why))
        return Ready(request, document, operation, document.cost(operation, request.variables))
    except GraphQLError as error:
        return refusal(faults.shown(error, locale))


def run(services: Services, ready: Ready, caller: Caller) -> Answer:
    """Sign in and execute: a query in a reading session, a mutation in a unit.

    Several mutations run in order, each in a savepoint of its own; an unexpected error undoes all.
    Blocks: call it in a worker thread. Nothing is raised: this is an edge.
    """
    if ready.kind is OperationType.MUTATION:
        return _at_the_edge(caller, lambda: _written(services, ready, caller), lambda a: a)

    return _at_the_edge(caller, lambda: _read(services, ready, caller), lambda answer: answer)


def _read(services: Services, ready: Ready, caller: Caller) -> Answer:
    """Answer a query: by one statement if it can be, else in a reading session."""
    deadline_s = services.settings.operation_s_max
    who, written, began = caller.who, None, time.perf_counter()
    try:
        with services.db.glance(deadline_s=deadline_s) as glance:
            viewer = caller.who(glance)
            stopped = refused(services, ready, caller, viewer)
            if stopped is not None:
                return stopped
            given = ready.request.variables
            written = plans.written(
                glance, services.db, viewer, ready.document, ready.operation, given
            )
    except DBAPIError as error:
        # A lost connection is noticed by its first statement; the other pool looks before.
        if not error.connection_invalidated:
            raise
    else:
        who = lambda _session: viewer  # noqa: E731 -- who it is has been asked
    quick = written is not None and written.whole and time.perf_counter() - began < QUICK_S
    ready.document.remember(ready.operation, quick=quick)
    if written is not None and written.whole:
        return _as_text(ready, written.text)
    with services.db.reading(deadline_s=deadline_s) as session:
        viewer = who(session)
        if written is not None:
            text = written.filled(_context(services, session, viewer, caller.locale))
            if text is not None:
                return _as_text(ready, text)
        return execute(services, session, ready, viewer, caller.locale)


def _as_text(ready: Ready, text: str) -> Answer:
    return Answer({"extensions": _extensions(ready.cost)}, executed=True, text=text)


def _context(
    services: Services,
    session: Session,
    viewer: Viewer | None,
    locale: str,
    asked: Asked | None = None,
) -> Context:
    locale = viewer.locale if viewer is not None else locale
    return Context(
        session=session, services=services, viewer=viewer, locale=locale, asked=asked or Asked()
    )


def guarded(
    services: Services,
    caller: Caller,
    read: Callable[[Session], T],
    failed: Callable[[Answer], T],
) -> T:
    """Read in a session of its own; whatever is raised becomes an answer, handed to `failed`."""

    def reading() -> T:
        with services.db.reading(deadline_s=services.settings.operation_s_max) as session:
            return read(session)

    return _at_the_edge(caller, reading, failed)


def _at_the_edge(caller: Caller, call: Callable[[], T], failed: Callable[[Answer], T]) -> T:
    try:
        return call()
    except Exception as error:  # noqa: BLE001 -- this is the edge: logged under an id, and masked
        if is_timeout(error):
            return failed(refusal(faults.coded("TIMEOUT", caller.locale), executed=True))
        body = {"errors": [faults.internal(error, caller.locale)]}
        return failed(Answer(body, executed=False, broken=True))


def execute(
    services: Services,
    session: Session,
    ready: Ready,
    viewer: Viewer | None,
    locale: str,
    asked: Asked | None = None,
) -> Answer:
    """Execute an operation with a session that is open."""
    context = _context(services, session, viewer, locale, asked)
    locale = context.locale
    if ready.kind is OperationType.QUERY:
        try:
            data = plans.answered(context, ready.document, ready.operation, ready.request.variables)
        except TooManyRows as error:
            return refusal(faults.shown(error, locale), executed=True)
        if data is not None:
            return Answer({"data": data, "extensions": _extensions(ready.cost)}, executed=True)
    result = execute_sync(
        core_schema(),
        ready.document.node,
        variable_values=dict(ready.request.variables),
        operation_name=ready.request.operation_name,
        context_value=context,
        max_coercion_errors=VARIABLE_FAULTS_MAX,
        hide_suggestions=services.settings.env == "production",
    )
    return _answer(result, ready.cost, locale)


def refusal(*errors: dict[str, Any], executed: bool = False) -> Answer:
    """Return an answer that is errors alone."""
    body: dict[str, Any] = {"errors": list(errors)}
    return Answer({**body, "data": None} if executed else body, executed)


def _written(services: Services, ready: Ready, caller: Caller) -> Answer:
    """Execute a mutation; one that only met a neighbour is repeated, as nothing was kept."""
    # Strangers never hold the writer's turn.
    with services.db.reading(deadline_s=services.settings.operation_s_max) as session:
        viewer = caller.who(session)
    stopped = refused(services, ready, caller, viewer)
    if stopped is not None:
        return stopped
    asked, given = replace(caller.asked, ahead={}), ready.request.variables
    document, operation = ready.document.node, ready.operation.node
    work_ahead(services, core_schema(), document, operation, given, asked, viewer)
    for left in reversed(range(REPEATS)):
        try:
            with services.db.unit(deadline_s=services.settings.operation_s_max) as session:
                answer = execute(services, session, ready, viewer, caller.locale, asked)
                _keep(answer)
            return replace(answer, cookie=asked.answer_cookie)
        except _Undo as undone:
            return undone.answer
        except Exception as error:
            if not left or not is_transient(error):
                raise
    raise AssertionError  # the last round returns or raises


class _Undo(Exception):
    """Carries the answer out of a unit that must not be committed."""

    def __init__(self, answer: Answer) -> None:
        super().__init__()
        self.answer = answer


def _keep(answer: Answer) -> None:
    """Raise out of the unit when the operation failed: then nothing of it is kept."""
    if "errors" in answer.body:
        raise _Undo(answer)


def _text(settings: Settings, request: Request) -> str | None:
    """Return the text of the document, if it may be run at all."""
    folder = settings.documents_dir
    if request.document_id is not None:
        return persisted.find(folder, request.document_id)
    if settings.documents == "only" and not persisted.is_trusted(folder, request.query):
        return None
    return request.query


def refused(
    services: Services, ready: Ready, caller: Caller, viewer: Viewer | None
) -> Answer | None:
    """Return the answer to a viewer who may not introspect, or has spent too much."""
    known = ("user", viewer.user_id) if viewer is not None else ("origin", caller.origin)
    locale = viewer.locale if viewer is not None else caller.locale
    wait_s = services.get(Buckets).spend(known, ready.cost)
    if wait_s > 0:
        return refusal(faults.rate_limited(wait_s, locale))
    staff = viewer is not None and viewer.staff
    if ready.operation.introspects and not staff and services.settings.env == "production":
        return refusal(faults.introspection_off(locale))
    return None


def _answer(result: ExecutionResult, cost: int, locale: str) -> Answer:
    body: dict[str, Any] = {}
    if result.errors:
        for error in result.errors:
            cause = _cause(error)
            if is_transient(cause) or is_timeout(cause):
                raise cause  # the whole is repeated, or answered as a time-out
        body["errors"] = [faults.shown(error, locale) for error in result.errors]
    # Errors of variables come before execution: then there is no data at all.
    executed = result.data is not None or not result.errors or bool(result.errors[0].path)
    if executed:
        body["data"] = result.data
    body["extensions"] = _extensions(cost)
    return Answer(body, executed)


def _extensions(cost: int) -> dict[str, Any]:
    return {"cost": {"requested": cost, "limit": limits.COST_MAX}}


def _cause(error: GraphQLError) -> BaseException:
    """Return what was raised while a field ran."""
    found: BaseException = error
    while isinstance(found, GraphQLError) and found.original_error is not None:
        found = found.original_error
    return found


def _holds_nul(value: object) -> bool:
    """Tell whether a JSON value holds a NUL anywhere."""
    left = [value]
    while left:
        one = left.pop()
        if isinstance(one, str):
            if "\0" in one:
                return True
        elif isinstance(one, dict):
            left += [*one.keys(), *one.values()]
        elif isinstance(one, (list, tuple)):
            left += one
    return False


__all__ = [
    "Answer",
    "Caller",
    "NotARequest",
    "Ready",
    "Request",
    "Who",
    "execute",
    "guarded",
    "prepared",
    "read_request",
    "refusal",
    "refused",
    "request_of",
    "run",
]
