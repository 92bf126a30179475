"""Expected failures as `UserError`s of a payload; one savepoint per mutation."""

from collections.abc import Callable, Mapping
from enum import Enum
from typing import Any, TypeVar

import strawberry
from strawberry.types.base import has_object_definition

from finview.api.engine.context import Context
from finview.api.engine.scalars import JSON
from finview.db import idempotency
from finview.errors import CODES, FinviewError, Invalid, describe

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


def camel(name: str) -> str:
    """Return a snake_case name as the schema spells it."""
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
    again: Callable[[Any], Any] | None = None,
) -> P:
    """Run one mutation in its own savepoint and answer with its payload.

    A `FinviewError` undoes the savepoint and becomes a `UserError`; anything else is a bug and
    undoes the request. With an `idempotencyKey` in `given`, the same request has one effect:
    `again` makes the object anew from the id that was stored.
    """
    who = ctx.who
    key = getattr(given, "idempotency_key", None)
    try:
        with ctx.session.begin_nested():
            answer = None
            if key is not None and again is not None:
                if not 0 < len(key) <= KEY_CHARS_MAX:
                    raise Invalid(path=("input", "idempotencyKey"))
                answer = idempotency.claim(
                    ctx.session,
                    viewer_id=who.user_id,
                    mutation=name,
                    key=key,
                    given=_json(strawberry.asdict(given)),
                )
                if answer.payload is not None:
                    return payload(**{field: again(answer.payload["id"])}, errors=[])
            made = act()
            if answer is not None:
                idempotency.store(ctx.session, answer, {"id": str(made.id)})
            ctx.session.flush()
        return payload(**{field: made}, errors=[])
    except FinviewError as failure:
        ctx.session.expire_all()
        return payload(errors=[user_error(failure, ctx.locale)])


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
