"""The audit log: who did what, when and why, for administrators."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

import orjson
import strawberry
from sqlalchemy import Select, false, select

from finview.accounts.access import Action, Viewer
from finview.accounts.models import AccountUser
from finview.api.common import Node, PageInfo, f
from finview.api.engine.context import Context, Info
from finview.api.engine.ids import encode, split
from finview.api.engine.paging import Order, Page, page
from finview.api.engine.scalars import JSON
from finview.db import audit
from finview.db.audit import AuditEvent as EventRow
from finview.db.audit import AuditValue
from finview.errors import NotFound
from finview.i18n import N_, translate

SUBJECTS: Mapping[str, str] = {
    "bank_line": "bln",
    "bucket": "bkt",
    "business_unit": "bu",
    "case": "cas",
    "contact": "ctc",
    "customer": "cus",
    "debtor": "dbt",
    "import": "imp",
    "invoice": "inv",
    "job": "job",
    "portfolio": "pf",
    "run": "run",
    "outbound_hold": "ohd",
    "task": "tsk",
    "user": "usr",
    "workflow": "wf",
}
"""The tags of the public ids of what acts are about."""

_INNER = frozenset({"personal", "changed"})
SYSTEM = N_("System")


@strawberry.type(description="One recorded act; nobody can change or remove it.")
class AuditEvent(Node):
    """One recorded act."""

    row: strawberry.Private[EventRow]
    at: datetime = f(description="When.")
    actor: str = f(description="Who, by name.")
    action: str = f(description="What, as a stable code.")
    reason: str | None = f(description="Why, where a person gave a reason.")
    before: JSON | None = f(
        description="The changed fields as they were; null: nothing was there, or it was erased."
    )
    after: JSON | None = f(description="The changed fields as they became, and facts of the act.")

    @strawberry.field(description="What it was done to; null once that is gone.")
    def subject(self, info: Info) -> Node | None:
        """Return what the act is about."""
        from finview.api.schema import NODES

        tag = SUBJECTS.get(self.row.subject_kind, "")
        try:
            return NODES[tag](info.context, (self.row.subject_id,)) if tag in NODES else None
        except NotFound:
            return None


@strawberry.type(description="A page of recorded acts.")
class AuditEventConnection:
    """A page of recorded acts."""

    page: strawberry.Private[Page[EventRow]]
    nodes: list[AuditEvent] = f(description="The acts of this page.")
    page_info: PageInfo = f(description="Where the page stands.")

    @strawberry.field(description="How many there are in all.")
    def total_count(self) -> int:
        """Return the exact count."""
        return self.page.count()


@strawberry.input(description="Which acts; what is left out does not restrict.")
class AuditWhere:
    """Which acts."""

    subject_id: strawberry.ID | None = f(default=None, description="Done to this object.")
    actor_id: strawberry.ID | None = f(default=None, description="Done by this user.")
    action: list[str] | None = f(default=None, description="One of these.")
    from_: datetime | None = f(default=None, name="from", description="At this time or later.")
    to: datetime | None = f(default=None, description="Before this time.")


def visible_acts(viewer: Viewer) -> Select[Any]:
    """Return the acts a viewer may read: all for an administrator, else none."""
    wanted = select(EventRow)
    return wanted if viewer.can(Action.READ_AUDIT) else wanted.where(false())


def audit_events(
    info: Info, first: int | None = 50, after: str | None = None, where: AuditWhere | None = None
) -> AuditEventConnection:
    """Return the recorded acts, newest first."""
    ctx = info.context
    wanted = _narrowed(visible_acts(ctx.who), where or AuditWhere())
    order = [Order(EventRow.at, descending=True), Order(EventRow.id, descending=True)]
    found: Page[EventRow] = page(ctx.session, wanted, order, first=first, after=after)
    return AuditEventConnection(
        page=found, nodes=_shown(ctx, found.rows), page_info=PageInfo.of(found)
    )


def audit_event(ctx: Context, key: tuple[int, ...]) -> Node:
    """Return one act by its key; raises `NotFound` for whoever may not read it."""
    row = ctx.session.scalars(visible_acts(ctx.who).where(EventRow.id == key[0])).one_or_none()
    if row is None:
        raise NotFound
    return _shown(ctx, [row])[0]


def _narrowed(wanted: Select[Any], where: AuditWhere) -> Select[Any]:
    if where.subject_id is not None:
        tag, key = split(where.subject_id)
        kinds = [kind for kind, own in SUBJECTS.items() if own == tag]
        known = EventRow.subject_kind == kinds[0] if kinds and len(key) == 1 else false()
        wanted = wanted.where(known, EventRow.subject_id == (key or (0,))[0])
    if where.actor_id is not None:
        tag, key = split(where.actor_id)
        wanted = wanted.where(EventRow.actor_id == (key[0] if tag == "usr" and key else 0))
    if where.action is not None:
        wanted = wanted.where(EventRow.action.in_(where.action))
    if where.from_ is not None:
        wanted = wanted.where(EventRow.at >= where.from_)
    if where.to is not None:
        wanted = wanted.where(EventRow.at < where.to)
    return wanted


def _shown(ctx: Context, rows: Sequence[EventRow]) -> list[AuditEvent]:
    values = _values(ctx, [row.id for row in rows])
    actors = {row.actor_id for row in rows if row.actor_id is not None}
    named = select(AccountUser.id, AccountUser.name).where(AccountUser.id.in_(actors))
    names = dict(ctx.session.execute(named).all())
    system = translate(SYSTEM, ctx.locale)
    return [
        AuditEvent(
            id=strawberry.ID(encode("aud", row.id)),
            row=row,
            at=row.at,
            actor=names.get(row.actor_id or 0, system),
            action=row.action,
            reason=row.reason,
            before=_fields(values[row.id].get(audit.BEFORE)),
            after=_after(row, values[row.id].get(audit.AFTER)),
        )
        for row in rows
    ]


def _values(ctx: Context, event_ids: Sequence[int]) -> Mapping[int, Mapping[str, str]]:
    found: dict[int, dict[str, str]] = defaultdict(dict)
    wanted = select(AuditValue).where(AuditValue.audit_event_id.in_(event_ids))
    for value in ctx.session.scalars(wanted):
        found[value.audit_event_id][value.name] = value.value
    return found


def _fields(text: str | None) -> JSON | None:
    return JSON(orjson.loads(text)) if text is not None else None


def _after(row: EventRow, text: str | None) -> JSON | None:
    facts = {name: value for name, value in row.data.items() if name not in _INNER}
    fields = {**facts, **(orjson.loads(text) if text is not None else {})}
    return JSON(fields) if fields else None
