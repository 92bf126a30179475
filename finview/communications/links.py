"""Mails that carry a personal link: sent by the bound sender, never twice without its promise."""

import uuid
from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, ClassVar

from sqlalchemy.orm import Session

from finview import clock
from finview.accounts.models import Invitation, PasswordLink
from finview.db.cascade import ScopeRef
from finview.db.failpoints import failpoint
from finview.db.jobs import JobError, JobView, enqueue
from finview.plugins.bindings import Bound, resolve
from finview.plugins.contracts.email import Accepted, Deferred, Email, Guarantee, SendResult
from finview.plugins.errors import SURELY_NOT_DONE
from finview.plugins.manager import Plugins

DEFER_S = 300
_KEYS = uuid.UUID("0c9d5a0e-7c55-4f7b-8d0f-4a2d5f0f3a61")

Link = Invitation | PasswordLink


@dataclass(frozen=True, slots=True)
class Outgoing:
    """A mail, and the sender it leaves by."""

    bound: Bound
    email: Email


class SendLink(ABC):
    """Send the mail of one link: an EXTERNAL job, whose kinds say which row and which words."""

    kind: ClassVar[str]
    argument: ClassVar[str]
    model: ClassVar[Any]
    """The table of the links: one of `Link`."""

    def __init__(self, view: JobView) -> None:
        self.view = view
        self.row_id: int = view.args[self.argument]

    @abstractmethod
    def is_due(self, row: Link) -> bool:
        """Tell whether the link was neither sent nor used up."""

    @abstractmethod
    def scopes(self, session: Session, row: Link) -> Sequence[ScopeRef]:
        """Return where the sender is looked for, nearest first."""

    @abstractmethod
    def written(self, session: Session, row: Link) -> Email:
        """Return the mail; the token is made here."""

    def before(self, session: Session) -> Outgoing | None:
        """Write the mail and store that it is being sent."""
        row: Link | None = session.get(self.model, self.row_id)
        if row is None or not self.is_due(row):
            return None
        plugins = self.view.services.get(Plugins)
        bound = resolve(session, plugins, self.scopes(session, row), "email")
        if bound is None or (row.sending_at is not None and not _may_repeat(bound, row)):
            row.failed_at = clock.now()
            return None
        return Outgoing(bound, self.written(session, row))

    def call(self, request: Outgoing) -> SendResult:
        """Hand the mail over, with no session open."""
        failpoint(f"{self.kind}.call")
        try:
            results: list[SendResult] = request.bound.call("send", [request.email])
        except SURELY_NOT_DONE as failure:
            return Deferred(why=str(failure), after_s=DEFER_S)
        failpoint(f"{self.kind}.sent")
        return results[0]

    def after(self, session: Session, outcome: SendResult) -> None:
        """Store the outcome."""
        row: Link = session.get_one(self.model, self.row_id)
        if isinstance(outcome, Deferred):
            row.sending_at = None
            enqueue(
                session,
                self.kind,
                dict(self.view.args),
                dedupe_key=f"{self.kind}:{row.id}:{self.view.id}",
                run_at=clock.now() + timedelta(seconds=outcome.after_s),
            )
        elif isinstance(outcome, Accepted):
            row.sent_at = clock.now()
        else:
            row.failed_at = clock.now()

    def address(self, path: str) -> str:
        """Return the address of a page of ours."""
        return f"{self.view.services.settings.base_url.rstrip('/')}{path}"

    @classmethod
    def on_dead(cls, session: Session, view: JobView, error: JobError) -> None:  # noqa: ARG003  # the hook
        """Store that the mail was given up."""
        row: Link | None = session.get(cls.model, view.args[cls.argument])
        if row is not None and row.sent_at is None:
            row.failed_at = clock.now()


def key_of(kind: str, number: int) -> str:
    """Return the key under which a sender knows a mail again."""
    return str(uuid.uuid5(_KEYS, f"{kind}/{number}"))


def _may_repeat(bound: Bound, row: Link) -> bool:
    resend = bound.provider.resend  # type: ignore[attr-defined]  # an EmailSender by its slot
    since = clock.now() - (row.sending_at or row.created_at)
    return bool(resend.guarantee == Guarantee.SAME_KEY and since <= resend.window)
