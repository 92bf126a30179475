"""Holds: what they do to a case, when they end, and interest and charges in a moratorium."""

from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import select
from sqlalchemy.orm import Session

from finview import clock
from finview.cases.components import Breathing, Financials
from finview.cases.financials import link
from finview.cases.hold_models import CaseHold, HoldReason
from finview.cases.holds import expire, hold_case, open_hold, release_case
from finview.cases.lifecycle import close, end_breathing, launch
from finview.cases.models import Address, Case, CaseStatus, CloseReason, TimelineEntry
from finview.cases.plans import create_plan
from finview.cases.statement import balances, statement
from finview.db import Database
from finview.db.events import EventInbox
from finview.errors import FinviewError, Invalid, Required, State

DAY = date(2026, 11, 2)
FIVE = Financials.model_validate({"interest": {"kind": "FIXED", "percent": "5"}})


@pytest.fixture(autouse=True)
def _morning() -> Any:
    with clock.standing_at(datetime(2026, 11, 2, 9, tzinfo=UTC)):
        yield


def launched(session: Session, opener: Any, book: Any, breathing: Breathing | None = None) -> int:
    """Open a case of 1,000.00 in default since 2026-09-01, at 5 % a year, and launch it."""
    case_id: int = opener(session).id
    given = {"bucket_id": book.bucket, "financials": FIVE, "on": DAY, "by": None}
    link(session, [case_id], breathing=breathing or Breathing(), **given)
    launch(session, [case_id], on=DAY, by=None)
    return case_id


def in_britain(session: Session, case_id: int) -> None:
    debtor = session.get_one(Case, case_id).debtor_id
    values = {"city": "Leeds", "country": "GB", "source": "test", "created_at": clock.now()}
    session.add(Address(debtor_id=debtor, **values))
    session.flush()


def status(session: Session, case_id: int) -> str:
    return str(session.scalars(select(Case.status).where(Case.id == case_id)).one())


def interest(session: Session, case_id: int, on: date) -> int:
    return balances(session, [case_id], on)[case_id].interest.minor


def told(session: Session) -> list[tuple[str, Any]]:
    rows = session.execute(select(EventInbox.type, EventInbox.payload).order_by(EventInbox.id))
    return [(row.type, row.payload.get("reason")) for row in rows]


@pytest.mark.parametrize(
    ("reason", "becomes"),
    [
        ("ON_HOLD", "ON_HOLD"),
        ("INVESTIGATION", "ON_HOLD"),
        ("DEBT_ADVICE", "ON_HOLD"),
        ("DISPUTE", "DISPUTED"),
    ],
)
def test_a_hold_changes_the_status_tells_workflows_and_ends_where_it_began(
    database: Database, opener: Any, book: Any, reason: str, becomes: str
) -> None:
    with database.unit() as session:
        case_id = launched(session, opener, book)
        hold_case(session, case_id, HoldReason(reason), by=None)
        assert status(session, case_id) == becomes
        release_case(session, case_id, by=None)
        assert (status(session, case_id), open_hold(session, case_id)) == ("ACTIVE", None)
        assert told(session) == [("HOLD", reason), ("RELEASED", reason)]
        with pytest.raises(State, match="CASE_NOT_HELD"):
            release_case(session, case_id, by=None)


def test_a_case_returns_to_its_payment_plan_or_to_its_breathing_space(
    database: Database, opener: Any, book: Any
) -> None:
    with database.unit() as session:
        planned = launched(session, opener, book)
        create_plan(session, planned, instalments=2, first_due_on=date(2026, 12, 1), by=None)
        waiting = launched(session, opener, book, Breathing(enabled=True, days=14))
        for case_id in (planned, waiting):
            hold_case(session, case_id, HoldReason.DISPUTE, by=None)
            release_case(session, case_id, by=None)
        assert [status(session, key) for key in (planned, waiting)] == [
            "PAYMENT_PLAN",
            "BREATHING_SPACE",
        ]


@pytest.mark.both_databases
def test_a_hold_with_a_last_day_ends_by_itself_the_day_after(
    database: Database, opener: Any, book: Any
) -> None:
    with database.unit() as session:
        case_id = launched(session, opener, book)
        hold_case(session, case_id, HoldReason.ON_HOLD, until=date(2026, 11, 9), by=None)
    for instant, expected in (("2026-11-09T22:59", "ON_HOLD"), ("2026-11-09T23:00", "ACTIVE")):
        at = datetime.fromisoformat(instant).replace(tzinfo=UTC)
        with clock.standing_at(at), database.unit() as session:
            expire(session)
            assert status(session, case_id) == expected
            assert expire(session) == 0


def test_debt_advice_is_given_thirty_days(database: Database, opener: Any, book: Any) -> None:
    with database.unit() as session:
        case_id = launched(session, opener, book)
        made = hold_case(session, case_id, HoldReason.DEBT_ADVICE, by=None)
        assert (made.from_on, made.until_on) == (DAY, date(2026, 12, 2))


@pytest.mark.both_databases
def test_a_moratorium_has_the_days_of_the_debtor_s_law_and_bears_no_interest(
    database: Database, opener: Any, book: Any
) -> None:
    with database.unit() as session:
        case_id = launched(session, opener, book)
        free = launched(session, opener, book)
        in_britain(session, case_id)
        made = hold_case(session, case_id, HoldReason.MORATORIUM, by=None)
        assert (made.from_on, made.until_on) == (date(2026, 11, 3), date(2027, 1, 1))
        days = (DAY, date(2026, 11, 3), date(2026, 12, 1), date(2027, 1, 2), date(2027, 2, 1))
        # 1,000.00 at 5 %: 13.70 cents a day since 1 September, none from 3 November to 1 January.
        assert [interest(session, case_id, on) for on in days] == [849, 863, 863, 863, 1274]
        assert interest(session, free, date(2027, 2, 1)) == 2096
        (line,) = [
            one for one in statement(session, case_id, date(2027, 2, 1)) if "nterest" in one.rule
        ]
        cut = [(s["from"], s["to"]) for s in line.inputs["segments"]]
        assert cut == [("2026-09-01", "2026-11-03"), ("2027-01-02", "2027-02-01")]


def test_a_moratorium_that_ends_early_bears_interest_from_the_next_day(
    database: Database, opener: Any, book: Any
) -> None:
    with database.unit() as session:
        case_id = launched(session, opener, book)
        in_britain(session, case_id)
        hold_case(session, case_id, HoldReason.MORATORIUM, by=None)
    with (
        clock.standing_at(datetime(2026, 11, 12, 9, tzinfo=UTC)),
        database.unit() as session,
    ):
        release_case(session, case_id, by=None)
        # 63 days before it, and 19 from 13 November on: 82 · 13.6986 cents.
        assert interest(session, case_id, date(2026, 12, 2)) == 1123


def test_a_moratorium_withdrawn_on_its_first_evening_leaves_no_window(
    database: Database, opener: Any, book: Any
) -> None:
    with database.unit() as session:
        case_id = launched(session, opener, book)
        in_britain(session, case_id)
        hold_case(session, case_id, HoldReason.MORATORIUM, by=None)
        release_case(session, case_id, by=None)
        assert session.scalars(select(Case.interest_free).where(Case.id == case_id)).one() is None


def test_where_no_law_knows_its_days_a_moratorium_needs_its_last_one(
    database: Database, opener: Any, book: Any
) -> None:
    with database.unit() as session:
        case_id = launched(session, opener, book)
        with pytest.raises(Required, match="HOLD_UNTIL_REQUIRED"):
            hold_case(session, case_id, HoldReason.MORATORIUM, by=None)
        until = date(2026, 11, 20)
        made = hold_case(session, case_id, HoldReason.MORATORIUM, until=until, by=None)
        assert (made.from_on, made.until_on) == (date(2026, 11, 3), until)
        with pytest.raises(State, match="CASE_MORATORIUM"):
            hold_case(session, case_id, HoldReason.DISPUTE, by=None)


def test_no_charges_arise_in_a_moratorium_that_covers_the_end_of_a_breathing_space(
    database: Database, opener: Any, book: Any
) -> None:
    with database.unit() as session:
        case_id = launched(session, opener, book, Breathing(enabled=True, days=14))
        until = date(2026, 11, 20)
        hold_case(session, case_id, HoldReason.MORATORIUM, until=until, by=None)
    with clock.standing_at(datetime(2026, 11, 18, 9, tzinfo=UTC)), database.unit() as session:
        assert end_breathing(session, [case_id]) == []
    with clock.standing_at(datetime(2026, 11, 21, 9, tzinfo=UTC)), database.unit() as session:
        expire(session)
        assert status(session, case_id) == "BREATHING_SPACE"
        assert end_breathing(session, [case_id]) == [case_id]
        charged = session.scalars(select(Case.charges_from).where(Case.id == case_id)).one()
        # 63 days from default to the entry, 18 free: nothing between.
        assert (charged, interest(session, case_id, date(2026, 11, 21))) == (
            date(2026, 11, 21),
            863,
        )


def test_a_second_hold_takes_the_place_of_the_first(
    database: Database, opener: Any, book: Any
) -> None:
    with database.unit() as session:
        case_id = launched(session, opener, book)
        hold_case(session, case_id, HoldReason.INVESTIGATION, by=None)
        hold_case(session, case_id, HoldReason.DISPUTE, text=" they never ordered ", by=None)
        found = open_hold(session, case_id)
        assert found is not None
        assert (found.reason, found.note) == ("DISPUTE", "they never ordered")
        assert status(session, case_id) == "DISPUTED"


def test_closing_a_case_ends_its_hold(database: Database, opener: Any, book: Any) -> None:
    with database.unit() as session:
        case_id = launched(session, opener, book)
        hold_case(session, case_id, HoldReason.DISPUTE, by=None)
        close(session, [case_id], CloseReason.WRITTEN_OFF, by=None)
        assert open_hold(session, case_id) is None
        with pytest.raises(State, match="CASE_CLOSED"):
            hold_case(session, case_id, HoldReason.DISPUTE, by=None)


def test_an_agreement_that_ends_meanwhile_does_not_end_the_hold(
    database: Database, opener: Any, book: Any
) -> None:
    from finview.cases.plans import cancel_plan

    with database.unit() as session:
        case_id = launched(session, opener, book)
        create_plan(session, case_id, instalments=2, first_due_on=date(2026, 12, 1), by=None)
        hold_case(session, case_id, HoldReason.DISPUTE, by=None)
        cancel_plan(session, case_id, "not wanted", by=None)
        assert status(session, case_id) == "DISPUTED"
        release_case(session, case_id, by=None)
        assert status(session, case_id) == "ACTIVE"


@pytest.mark.parametrize(
    ("given", "error", "code"),
    [
        ({"until": DAY - timedelta(days=1)}, Invalid, "HOLD_UNTIL_PAST"),
        ({"text": "x" * 501}, Invalid, "REASON_TOO_LONG"),
    ],
)
def test_a_hold_that_makes_no_sense_changes_nothing(
    database: Database,
    opener: Any,
    book: Any,
    given: dict[str, Any],
    error: type[FinviewError],
    code: str,
) -> None:
    with database.unit() as session:
        case_id = launched(session, opener, book)
        with pytest.raises(error, match=code):
            hold_case(session, case_id, HoldReason.ON_HOLD, by=None, **given)
        assert status(session, case_id) == CaseStatus.ACTIVE
        assert session.scalars(select(CaseHold)).all() == []
        codes = session.scalars(select(TimelineEntry.code)).all()
        assert not any(code.startswith("TIMELINE_CASE_HELD") for code in codes)


def test_a_case_that_was_not_launched_can_not_be_held(
    database: Database, opener: Any, book: Any
) -> None:
    with database.unit() as session:
        case_id = opener(session).id
        with pytest.raises(State, match="CASE_NOT_LAUNCHED"):
            hold_case(session, case_id, HoldReason.ON_HOLD, by=None)
