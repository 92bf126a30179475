"""What debtors want: no contact by a channel; kept, heard by the gate, and calls taken back."""

from collections.abc import Mapping, Sequence

from sqlalchemy import select
from sqlalchemy.orm import Session

from finview import clock
from finview.cases.models import Case
from finview.cases.timeline import note
from finview.communications.models import Channel, Outreach, OutreachState
from finview.communications.outreach import take_back, tell
from finview.communications.policy_models import ContactPreference
from finview.db import audit
from finview.db.jobs import enqueue
from finview.db.lists import one_of
from finview.i18n import N_, sentences

sentences(
    {
        "TIMELINE_OPTED_OUT": N_("The debtor wants no contact by {channel}."),
        "TIMELINE_OPTED_IN": N_("The debtor may be contacted by {channel} again."),
    }
)

S = OutreachState


def set_preference(
    session: Session, debtor_id: int, channel: Channel, *, opt_out: bool, by: int | None
) -> None:
    """Keep whether a debtor wants contact by a channel; what is planned asks the gate anew.

    Calls that a call centre has are taken back. The debtor's cases are locked, in order of ids.
    """
    cases = session.scalars(
        select(Case.id).where(Case.debtor_id == debtor_id).order_by(Case.id).with_for_update()
    ).all()
    wanted = select(ContactPreference).where(
        ContactPreference.debtor_id == debtor_id, ContactPreference.channel == channel
    )
    row = session.scalars(wanted.with_for_update()).one_or_none()
    if row is None:
        row = ContactPreference(debtor_id=debtor_id, channel=channel, opt_out=False)
        session.add(row)
    changed = row.opt_out != opt_out
    row.opt_out, row.at, row.by = opt_out, clock.now(), by
    session.flush()
    audit.record(
        session,
        "debtor.contact_preference",
        actor_id=by,
        subject=("debtor", debtor_id),
        channel=channel.value,
        opt_out=opt_out,
    )
    if not changed:
        return
    code = "TIMELINE_OPTED_OUT" if opt_out else "TIMELINE_OPTED_IN"
    note(session, code, cases, by=by, params={"channel": f"CHANNEL_{channel}"})
    if opt_out and channel is Channel.CALL:
        _take_calls_back(session, cases)
    for case_id in cases:
        enqueue(session, "communications.wake", {"case_id": case_id}, dedupe_key=f"wake:{case_id}")


def opt_outs_of(session: Session, debtor_ids: Sequence[int]) -> Mapping[int, list[Channel]]:
    """Return the channels that debtors don't want."""
    found: dict[int, list[Channel]] = {key: [] for key in debtor_ids}
    rows = session.execute(
        select(ContactPreference.debtor_id, ContactPreference.channel)
        .where(one_of(ContactPreference.debtor_id, debtor_ids), ContactPreference.opt_out.is_(True))
        .order_by(ContactPreference.channel)
    )
    for row in rows:
        found[row.debtor_id].append(Channel(row.channel))
    return found


def _take_calls_back(session: Session, case_ids: Sequence[int]) -> None:
    asked = select(Outreach).where(
        one_of(Outreach.case_id, case_ids),
        Outreach.channel == Channel.CALL,
        Outreach.state.in_((S.ACCEPTED, S.UNKNOWN)),
        Outreach.outcome.is_(None),
    )
    for row in session.scalars(asked.execution_options(populate_existing=True)).all():
        take_back(session, row)
        row.state, row.reason = S.BLOCKED, "OPTED_OUT"
        session.flush()
        tell(session, row)
