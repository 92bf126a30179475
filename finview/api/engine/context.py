"""What a resolver has at hand: who asks, in which language, and the request's one session."""

from dataclasses import dataclass, field
from datetime import date
from typing import Any

import strawberry
from graphql import GraphQLError
from sqlalchemy.orm import Session

from finview import clock
from finview.accounts.access import Viewer
from finview.db.runtime import Services


@dataclass(slots=True, kw_only=True)
class Asked:
    """Where a request comes from, and what was found out for it before its session was opened.

    `cookie` is the secret of the browser's session; `answer_cookie` what the browser gets instead,
    empty to forget it. `ahead` holds results by the key of their field in the answer.
    """

    client: str = ""
    user_agent: str | None = None
    cookie: str | None = None
    answer_cookie: str | None = None
    ahead: dict[str, Any] = field(default_factory=dict)


@dataclass(slots=True, kw_only=True)
class Context:
    """One request: everything below is read with this session and shown to this viewer."""

    session: Session
    services: Services
    viewer: Viewer | None
    locale: str
    asked: Asked = field(default_factory=Asked)
    cache: dict[Any, Any] = field(default_factory=dict)

    @property
    def who(self) -> Viewer:
        """Return the viewer; the whole request fails when nobody is signed in."""
        if self.viewer is None:
            raise Unauthenticated
        return self.viewer

    @property
    def today(self) -> date:
        """Return the day on which balances are shown when no other is asked for."""
        return clock.today("Europe/Berlin")


Info = strawberry.Info[Context, None]


class Unauthenticated(GraphQLError):
    """Nobody is signed in."""

    def __init__(self) -> None:
        super().__init__("Not signed in.", extensions={"code": "UNAUTHENTICATED"})


class Missing(GraphQLError):
    """A subscription to an object that is missing, or foreign: the two read the same."""

    def __init__(self) -> None:
        super().__init__(
            "This object does not exist, or you may not see it.", extensions={"code": "NOT_FOUND"}
        )


class BadCursor(GraphQLError):
    """A cursor that was not made for this list."""

    def __init__(self) -> None:
        super().__init__(
            "This cursor does not belong to this list.", extensions={"code": "BAD_CURSOR"}
        )


class TooComplex(GraphQLError):
    """A limit was broken; it names itself."""

    def __init__(self, limit: str, allowed: int) -> None:
        super().__init__(
            f"The query is too complex: {limit} is limited to {allowed}.",
            extensions={"code": "QUERY_TOO_COMPLEX", "limit": limit, "allowed": allowed},
        )


class TooManyRows(TooComplex):
    """An operation loads more rows than it may: this is known only once it runs."""

    def __init__(self, allowed: int) -> None:
        super().__init__("rows", allowed)


class BadRequest(GraphQLError):
    """An argument outside what the field takes."""

    def __init__(self, message: str) -> None:
        super().__init__(message, extensions={"code": "BAD_REQUEST"})
