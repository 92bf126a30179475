"""Expected failures as `UserError`s of a payload; one savepoint per mutation."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from enum import Enum
from typing import Any, TypeVar

import strawberry
from sqlalchemy.exc import NoResultFound
from strawberry.types.base import has_object_definition

from finview.api.engine.context import Context
from finview.api.engine.ids import split
from finview.api.engine.scalars import JSON
from finview.db import idempotency
from finview.errors import (
    CODES,
    Conflict,
    FinviewError,
    IdempotencyMismatch,
    Invalid,
    NotFound,
    Several,
    Verbatim,
    describe,
)

P = TypeVar("P")

KEY_CHARS_MAX = 200

UserErrorCode: Any = Enum("UserErrorCode", {code: code for code in CODES})  # type: ignore[misc]  # the codes are a table
strawberry.enum(
    UserErrorCode,
    description="Coarse; the fine code is `params.reason`. Grows over time; clients accept unknown "
    "values.",
)


@strawberry.type(
    description="A failure the caller can act on. `code` is stable, `message` is in the caller's "
    "language, `path` leads into the input."
)
class UserError:
    """A failure the caller can act on."""

    code: Any = strawberry.field(graphql_type=UserErrorCode, description="The stable, coarse code.")
    message: str = strawberry.field(description="One sentence for a person.")
    path: list[str] = strawberry.field(description="Where in the input it went wrong.")
    params: JSON = strawberry.field(
        description="Facts about the failure; `reason` is the fine code."
    )


def user_error(failure: FinviewError, locale: str) -> UserError:
    """Return a failure as the API shows it."""
    return UserError(
        code=UserErrorCode[failure.code],
        message=failure.message(locale),
        path=[camel(part) for part in failure.path],
        params=JSON(_json(failure.params)),
    )


def stored_error(failure: Mapping[str, Any] | None, locale: str) -> UserError | None:
    """Return a failure kept with an import or a job."""
    if failure is None:
        return None
    code = failure["code"] if failure["code"] in CODES else "JOB_FAILED"
    params = dict(failure.get("params") or {})
    if code != failure["code"]:
        params.setdefault("reason", failure["code"])
    return UserError(
        code=UserErrorCode[code],
        message=describe({"code": code, "params": params}, locale),
        path=list(failure.get("path") or []),
        params=JSON(_json(params)),
    )


@contextmanager
def at(*path: str) -> Iterator[None]:
    """Say of a failure that knows no place of its own where in the input it happened."""
    try:
        yield
    except FinviewError as failure:
        failure.path = failure.path or path
        raise


def camel(name: str) -> str:
    """Return a snake_case name as the schema spells it; a `Verbatim` one as it is."""
    if isinstance(name, Verbatim):
        return str(name)
    head, *rest = name.split("_")
    return head + "".join(part.capitalize() for part in rest)


def mutate(
    ctx: Context,
    payload: Callable[..., P],
    field: str,
    act: Callable[[], Any],
    *,
    name: str,
    given: Any = None,
    about: str | None = None,
    again: Callable[[Any], Any] | None = None,
) -> P:
    """Run one mutation in its own savepoint and answer with its payload.

    A `FinviewError` undoes the savepoint and becomes a `UserError`; anything else is a bug and
    undoes the request. With an `idempotencyKey` in `given`, the same request has one effect:
    a later one is answered with the object as it is then, made by `again` from the id that was
    stored. `about` is the id beside the input. A `Conflict` over the `lockVersion` in `given`
    is answered with the object as it is, beside the error.
    """
    _ = ctx.who
    try:
        with ctx.session.begin_nested():
            answer = None
            if getattr(given, "idempotency_key", None) is not None:
                answer = _claimed(ctx, name, given, about)
                if answer.payload is not None:
                    found = _seen_again(ctx, answer.payload["id"], again)
                    return payload(**{field: found}, errors=[])
            made = act()
            if answer is not None:
                idempotency.store(ctx.session, answer, {"id": str(made.id)})
            ctx.session.flush()
        return payload(**{field: made}, errors=[])
    except FinviewError as failure:
        ctx.session.expire_all()
        stale = isinstance(failure, Conflict) and _version_of(given) is not None
        if stale:
            failure.path = failure.path or ("input", "lockVersion")
        answered = {field: _as_it_is(ctx, about or _target(given))} if stale else {}
        told = failure.faults if isinstance(failure, Several) else (failure,)
        return payload(**answered, errors=[user_error(one, ctx.locale) for one in told])


def _version_of(given: Any) -> int | None:
    """Return the `lockVersion` that was sent: the one the caller has seen."""
    sent = getattr(given, "lock_version", None)
    return sent if isinstance(sent, int) else None


def _target(given: Any) -> str:
    """Return the id of the object an input changes: its first one."""
    return next((str(v) for name, v in vars(given).items() if name.endswith("_id")), "")


def _as_it_is(ctx: Context, public_id: str) -> Any:
    """Return the object somebody else has changed, for whoever may see it."""
    from finview.api.schema import NODES

    tag, key = split(public_id)
    try:
        return NODES[tag](ctx, key)
    except (LookupError, NotFound):
        return None


def _claimed(ctx: Context, name: str, given: Any, about: str | None) -> idempotency.Answer:
    """Take the place of the answer; raises `IdempotencyMismatch`, `Invalid` for no key at all."""
    key = given.idempotency_key
    place = ("input", "idempotencyKey") if has_object_definition(given) else ("idempotencyKey",)
    if not 0 < len(key) <= KEY_CHARS_MAX:
        raise Invalid(path=place)
    sent = {"id": about, "input": _json(strawberry.asdict(given))}
    try:
        return idempotency.claim(
            ctx.session, viewer_id=ctx.who.user_id, mutation=name, key=key, given=sent
        )
    except IdempotencyMismatch:
        raise IdempotencyMismatch(path=place) from None


def _seen_again(ctx: Context, public_id: str, again: Callable[[Any], Any] | None) -> Any:
    """Return the object of an earlier answer, as it is now and for whoever may still see it.

    One that is gone by now, or out of sight, is `NOT_FOUND`: the effect is not repeated.
    """
    from finview.api.schema import NODES

    tag, key = split(public_id)
    try:
        found = NODES[tag](ctx, key) if tag in NODES else None
        return again(public_id) if again is not None else found
    except NoResultFound:
        raise NotFound from None


def _json(value: Any) -> Any:
    """Return a value as JSON can carry it: UNSET left out, enums by value, the rest as text."""
    if isinstance(value, Mapping):
        return {
            str(k): _json(v)
            for k, v in value.items()
            if v is not strawberry.UNSET and k != "idempotency_key"
        }
    if isinstance(value, (list, tuple, set, frozenset)):
        return [_json(item) for item in value]
    if isinstance(value, Enum):
        return value.value
    if value is None or isinstance(value, (str, int, float, bool)):
        return value
    if has_object_definition(value):
        return _json(strawberry.asdict(value))
    return str(value)
