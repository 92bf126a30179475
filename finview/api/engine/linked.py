"""The row a key points at, for resolvers: every one passes the predicate of the viewer."""

from typing import TypeVar

from sqlalchemy import select

from finview.accounts.access import visible
from finview.api.engine.context import Context
from finview.db.base import Base

T = TypeVar("T", bound=Base)


def linked(ctx: Context, model: type[T], key: int) -> T:
    """Return the row; LookupError when there is none, or none that the viewer may see.

    What points at it was visible, so this is an error of ours, not of the one who asks.
    """
    found = linked_if_seen(ctx, model, key)
    if found is None:
        raise LookupError(f"{model.__name__}: nothing there, or not visible")
    return found


def linked_if_seen(ctx: Context, model: type[T], key: int | None) -> T | None:
    """Return the row, or None where it is gone or not visible."""
    if not key:
        return None
    session, known = ctx.session, ("linked", model, key)
    if ctx.who.staff or known in ctx.cache:
        return session.get(model, key)
    wanted = visible(select(model).where(model.id == key), ctx.who)  # type: ignore[attr-defined]  # every table has an id
    found = session.scalars(wanted).one_or_none()
    if found is not None:
        ctx.cache[known] = True
    return found


__all__ = ["linked", "linked_if_seen"]
