"""The contact policy gate: every check, what wins, what is stored, and what happens afterwards."""

from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import select, update

from finview import clock
from finview.cases.hold_models import HoldReason
from finview.cases.holds import hold_case
from finview.cases.models import Address, Case, CaseStatus, Debtor, PhonePoint
from finview.communications.calls import take_outcomes
from finview.communications.history import talked
from finview.communications.models import Channel, Outreach
from finview.communications.outreach import plan
from finview.communications.policy import Verdict, look
from finview.communications.policy_models import ContactDecision, ContactPolicy, ContactPreference
from finview.customers.models import BusinessUnit, Customer
from finview.db.jobs import enqueue
from finview.plugins.bindings import bound_by
from finview.plugins.manager import Plugins
from finview.testing.call_centre import fake_centre, outcome
from finview.testing.factories import LAUNCH_DAY, Agency
from finview.testing.fixtures import At

NOON = "2026-11-03T11:00"


@pytest.fixture
def agency(at: At) -> Agency:
    """Two launched cases of consumers in Berlin and Hamburg; their first messages have left."""
    return at("LAUNCHED").agency


@pytest.fixture
def session(agency: Agency) -> Iterator[Any]:
    with agency.services.db.unit() as session:
        yield session


def utc(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


def first_case(session: Any) -> Case:
    case: Case = session.scalars(select(Case).order_by(Case.id).limit(1)).one()
    return case


def contact(session: Any, channel: str = "CALL", template: str = "", **values: Any) -> Outreach:
    """Return a contact of the first case that is not stored yet."""
    case = first_case(session)
    own = {"case_id": case.id, "customer_id": case.customer_id, "portfolio_id": case.portfolio_id}
    usual = {"EMAIL": "reminder", "CALL": "call_task"}.get(channel, "reminder")
    node = {"run_id": -9, "node_id": "n", "visit": 1, "attempt": 50, "held": False}
    return Outreach(channel=channel, template=template or usual, **{**own, **node, **values})


def asked(session: Any, at: str, channel: str = "CALL", **values: Any) -> Verdict:
    row = contact(session, channel, **values)
    return look(session, row, first_case(session), at=utc(at), keep=False)


def lives(session: Any, country: str | None, postcode: str = "1010") -> None:
    debtor = first_case(session).debtor_id
    where = Address.debtor_id == debtor
    session.execute(update(Address).where(where).values(country=country, postcode=postcode))


def call_made(session: Any, at: str, n: int, outcome: str = "NOT_REACHED") -> None:
    day = utc(at)
    given = {"attempt": n, "state": "ACCEPTED", "outcome": outcome, "idem_key": f"k{n}"}
    at_once = {"planned_at": day, "sending_at": day, "ended_at": day}
    session.add(contact(session, **given, **at_once))
    session.flush()


@pytest.mark.parametrize(
    ("channel", "when", "outcome", "reason", "until"),
    [
        ("CALL", NOON, "ALLOW", None, None),
        ("CALL", "2026-11-03T20:00", "DELAY", "OUTSIDE_HOURS", "2026-11-04T07:00"),
        ("SMS", "2026-11-08T11:00", "DELAY", "DAY_OF_REST", "2026-11-09T07:00"),
        ("CALL", "2026-12-25T11:00", "DELAY", "PUBLIC_HOLIDAY", "2026-12-28T07:00"),
        # Repentance Day is a holiday in Saxony alone.
        ("CALL", "2026-11-18T11:00", "ALLOW", None, None),
        ("EMAIL", "2026-11-08T23:00", "ALLOW", None, None),
        ("LETTER", "2026-12-25T11:00", "ALLOW", None, None),
    ],
)
def test_hours_days_of_rest_and_holidays_hold_for_calls_and_text_messages(
    session: Any, channel: str, when: str, outcome: str, reason: str | None, until: str | None
) -> None:
    said = asked(session, when, channel)
    assert (said.outcome, said.reasons) == (outcome, (reason,) if reason else ())
    assert said.until == (utc(until) if until else None)


def test_an_eighth_call_within_seven_days_waits_for_the_day_one_drops_out(session: Any) -> None:
    days = ("03", "04", "05", "06", "07", "09", "09")
    for n, day in enumerate(days, 1):
        call_made(session, f"2026-11-{day}T10:00", n)
    said = asked(session, "2026-11-09T11:00")
    assert (said.outcome, said.reasons) == ("DELAY", ("SEVEN_ATTEMPTS_IN_7_DAYS",))
    assert said.until == utc("2026-11-10T07:00")
    assert asked(session, "2026-11-10T08:00").outcome == "ALLOW"
    assert asked(session, "2026-11-09T11:00", "EMAIL").outcome == "ALLOW"


def test_a_call_that_did_not_take_place_counts_for_nothing(session: Any) -> None:
    for n in range(1, 8):
        call_made(session, "2026-11-03T09:00", n, outcome="TECHNICAL" if n == 7 else "NOT_REACHED")
    assert asked(session, NOON).outcome == "ALLOW"


def test_after_a_conversation_every_debt_that_was_discussed_is_left_alone(session: Any) -> None:
    both = session.scalars(select(Case).order_by(Case.id)).all()
    talked(session, [case.id for case in both], utc("2026-11-03T09:00"), inbound=True)
    for case in both:
        row = contact(session, case_id=case.id)
        said = look(session, row, case, at=utc("2026-11-09T11:00"), keep=False)
        assert (said.outcome, said.reasons) == ("DELAY", ("TALKED_WITHIN_7_DAYS",))
        assert said.until == utc("2026-11-10T07:00")
        later = look(session, row, case, at=utc("2026-11-10T11:00"), keep=False)
        assert later.outcome == "ALLOW"


def test_whoever_asked_to_be_called_back_may_be_called_back(session: Any) -> None:
    talked(session, [first_case(session).id], utc("2026-11-03T09:00"))
    call_made(session, "2026-11-03T09:00", 49, outcome="CALL_BACK")
    assert asked(session, "2026-11-04T11:00").outcome == "ALLOW"
    assert asked(session, "2026-11-04T11:00", attempt=51).outcome == "DELAY"


@pytest.mark.parametrize(
    ("reason", "until", "ends"),
    [
        ("ON_HOLD", None, None),
        ("DISPUTE", None, None),
        ("INVESTIGATION", date(2026, 11, 10), "2026-11-10T23:00"),
        ("DEBT_ADVICE", None, "2026-12-02T23:00"),
    ],
)
def test_a_case_at_rest_waits_for_the_end_of_its_hold(
    session: Any, reason: str, until: date | None, ends: str | None
) -> None:
    hold_case(session, first_case(session).id, HoldReason(reason), until=until, by=None)
    said = asked(session, NOON, "EMAIL")
    assert (said.outcome, said.reasons) == ("DELAY", (f"HOLD_{reason}",))
    assert said.until == (utc(ends) if ends else None)


def test_the_latest_delay_wins_falls_into_hours_and_keeps_every_reason(session: Any) -> None:
    case = first_case(session)
    hold_case(session, case.id, HoldReason.INVESTIGATION, until=date(2026, 11, 6), by=None)
    talked(session, [case.id], utc("2026-11-02T09:00"))
    said = asked(session, "2026-11-02T20:00")
    assert said.reasons == ("HOLD_INVESTIGATION", "OUTSIDE_HOURS", "TALKED_WITHIN_7_DAYS")
    assert said.until == utc("2026-11-09T07:00")
    assert said.send_at is not None
    assert utc("2026-11-09T07:00") <= said.send_at < utc("2026-11-09T19:00")


@pytest.mark.parametrize(
    ("status", "template", "outcome", "final"),
    [
        ("CLOSED", "reminder", "DENY", True),
        ("CLOSED", "case_closed_paid", "ALLOW", False),
        ("PAYMENT_PLAN", "reminder", "DENY", True),
        ("SETTLEMENT", "reminder", "DENY", True),
    ],
)
def test_a_closed_case_and_a_kept_agreement_need_no_further_message(
    session: Any, status: str, template: str, outcome: str, final: bool
) -> None:
    first_case(session).status = CaseStatus(status)
    session.flush()
    said = asked(session, NOON, "EMAIL", template=template)
    assert (said.outcome, said.final) == (outcome, final)


def test_an_opt_out_closes_its_channel_but_never_silences_a_required_notice(session: Any) -> None:
    debtor = first_case(session).debtor_id
    own = {"debtor_id": debtor, "opt_out": True, "at": clock.now()}
    session.add(ContactPreference(channel="EMAIL", **own))
    session.flush()
    assert asked(session, NOON, "EMAIL").reasons == ("OPTED_OUT",)
    assert asked(session, NOON, "SMS").outcome == "ALLOW"
    notice = asked(session, NOON, "EMAIL", template="first_demand")
    assert (notice.outcome, notice.instead) == ("DENY", Channel.LETTER)
    session.add(ContactPreference(channel="LETTER", **own))
    session.flush()
    assert asked(session, NOON, "LETTER", template="first_demand").outcome == "ALLOW"
    assert asked(session, NOON, "LETTER").outcome == "DENY"


def test_a_country_without_a_pack_has_the_strictest_hours_and_a_warning(session: Any) -> None:
    lives(session, "AT")
    said = asked(session, NOON, "EMAIL")
    assert (said.outcome, said.reasons) == ("ALLOW", ("STRICTEST_DEFAULT",))
    late = asked(session, "2026-11-03T17:30", "EMAIL")
    assert late.reasons == ("OUTSIDE_HOURS", "STRICTEST_DEFAULT")
    # 8 December is a holiday in Austria; 17 o'clock in Vienna is 16 o'clock in UTC.
    assert asked(session, "2026-12-08T11:00", "EMAIL").until == utc("2026-12-09T08:00")
    assert asked(session, NOON, "LETTER").reasons == ()


@pytest.mark.parametrize(
    ("when", "outcome", "until"),
    [
        # California: 8 o'clock is 16:00 in UTC in winter and 15:00 in summer.
        ("2026-11-03T15:30", "DELAY", "2026-11-03T16:00"),
        ("2026-11-03T16:30", "ALLOW", None),
        ("2027-03-15T15:30", "ALLOW", None),
        ("2026-11-04T04:59", "ALLOW", None),
        ("2026-11-04T05:00", "DELAY", "2026-11-04T16:00"),
    ],
)
def test_in_the_united_states_the_hours_are_those_of_the_state(
    session: Any, when: str, outcome: str, until: str | None
) -> None:
    lives(session, "US", "90210")
    said = asked(session, when, "EMAIL")
    assert (said.outcome, said.until) == (outcome, utc(until) if until else None)


def test_without_a_country_the_business_unit_s_counts(session: Any) -> None:
    lives(session, None)
    assert asked(session, "2026-11-03T20:00").until == utc("2026-11-04T07:00")


def test_a_claim_waits_until_a_first_demand_could_say_all_it_must(agency: Agency) -> None:
    with agency.services.db.unit() as session:
        case = first_case(session)
        case.contract_date = None
        session.flush()
        assert asked(session, NOON, "EMAIL").outcome == "ALLOW"
    agency.set("communication", holdIncompleteDemands=True)
    with agency.services.db.unit() as session:
        case = first_case(session)
        told = asked(session, NOON, "EMAIL")
        assert told.reasons == ("FIRST_DEMAND_DATA", "LACKS_GROUND")
        assert (told.outcome, told.until) == ("DELAY", None)
        assert asked(session, NOON, "EMAIL", template="case_closed_paid").outcome == "ALLOW"
        row = plan(session, case, Channel.EMAIL, run_id=-9, node="n", visit=1, template="reminder")
        waiting = row.id
    agency.client.drain()
    assert state(agency, waiting) == "PLANNED"
    with agency.services.db.unit() as session:
        first_case(session).contract_date = date(2025, 1, 15)
        enqueue(session, "communications.completed", {})
    agency.client.drain()
    assert state(agency, waiting) == "ACCEPTED"


def test_a_business_is_sent_a_claim_without_the_data_of_a_first_demand(
    agency: Agency,
) -> None:
    agency.set("communication", holdIncompleteDemands=True)
    with agency.services.db.unit() as session:
        case = first_case(session)
        case.contract_date = None
        session.get_one(Debtor, case.debtor_id).kind = "BUSINESS"
        session.flush()
        assert asked(session, NOON, "EMAIL").outcome == "ALLOW"


def state(agency: Agency, outreach_id: int) -> str:
    with agency.services.db.reading() as session:
        return str(session.get_one(Outreach, outreach_id).state)


def planned_call(agency: Agency) -> int:
    with agency.services.db.unit() as session:
        case = first_case(session)
        given = {"run_id": -9, "node": "n", "visit": 1, "template": "call_task"}
        return plan(session, case, Channel.CALL, **given).id


def test_what_waits_for_the_morning_goes_within_its_hours_and_carries_them(agency: Agency) -> None:
    centre = fake_centre(agency.services)
    with agency.services.db.unit() as session:
        lives(session, "DE", "20457")
        debtor = first_case(session).debtor_id
        add_phone(session, debtor)
    with clock.standing_at(LAUNCH_DAY + timedelta(hours=12)):
        waiting = planned_call(agency)
        agency.client.drain()
        assert (state(agency, waiting), centre.pushed) == ("PLANNED", [])
    with clock.standing_at(utc("2026-11-03T18:00")):
        agency.client.drain()
    assert state(agency, waiting) == "ACCEPTED"
    (pushed,) = centre.pushed
    assert pushed.window is not None
    assert pushed.window.closes == utc("2026-11-03T19:00")


def add_phone(session: Any, debtor_id: int) -> None:
    values = {"raw": "040 66969", "e164": "+494066969", "state": "VALID", "source": "test"}
    session.add(PhonePoint(debtor_id=debtor_id, created_at=clock.now(), **values))
    session.flush()


def test_decisions_are_stored_told_once_and_never_changed(agency: Agency) -> None:
    with clock.standing_at(LAUNCH_DAY + timedelta(hours=12)):
        waiting = planned_call(agency)
        with agency.services.db.unit() as session:
            enqueue(session, "communications.wake", {"case_id": first_case(session).id})
        agency.client.drain()
    with agency.services.db.reading() as session:
        found = session.scalars(
            select(ContactDecision).where(ContactDecision.outreach_id == waiting)
        ).all()
        policies = session.scalars(select(ContactPolicy)).all()
    (only,) = found
    assert (only.outcome, only.reasons) == ("DELAY", ["OUTSIDE_HOURS"])
    assert only.until == utc("2026-11-03T07:00")
    assert only.policy_version == "de/2026.2"
    assert all(row.sources and row.verified_on for row in policies if row.country)
    assert told(agency).count("TIMELINE_CONTACT_DELAYED") == 1
    with (
        pytest.raises(Exception, match="append-only"),
        agency.services.db.unit() as session,
    ):
        session.execute(update(ContactDecision).values(outcome="ALLOW"))


def told(agency: Agency) -> list[str]:
    query = """query { cases(first: 1) { nodes { timeline(first: 50) { nodes { kind text } }
        contactDecisions(first: 1) { channel outcome reasons texts until } } } }"""
    (case,) = agency.client.ask(query)["cases"]["nodes"]
    (newest,) = case["contactDecisions"]
    assert newest["channel"] == "CALL"
    assert newest["texts"] == ["outside the hours of the debtor's place"]
    return [entry["kind"] for entry in case["timeline"]["nodes"]]


@pytest.mark.parametrize("missing", ["customer", "unit"])
def test_data_a_person_enters_lets_the_waiting_message_go(agency: Agency, missing: str) -> None:
    agency.set("communication", holdIncompleteDemands=True)
    with agency.services.db.unit() as session:
        case = first_case(session)
        owner = session.get_one(Customer, case.customer_id)
        unit = session.get_one(BusinessUnit, owner.business_unit_id)
        whole = {"customer": dict(owner.company), "unit": dict(unit.company)}[missing]
        (owner if missing == "customer" else unit).company = {"name": "Nur der Name"}
        session.flush()
        given = {"run_id": -9, "node": "n", "visit": 1, "template": "reminder"}
        waiting = plan(session, case, Channel.EMAIL, **given).id
    agency.client.drain()
    assert state(agency, waiting) == "PLANNED"
    name = {"customer": "customerUpdate", "unit": "businessUnitUpdate"}[missing]
    kind = {"customer": "CustomerInput", "unit": "BusinessUnitInput"}[missing]
    query = (
        f"mutation($i: ID!, $n: {kind}!) {{ {name}(id: $i, input: $n) {{ errors {{ code }} }} }}"
    )
    found = agency.client.ask(query, i=getattr(agency, missing), n={"company": whole})
    assert found[name]["errors"] == []
    agency.client.drain()
    assert state(agency, waiting) == "ACCEPTED"


def test_a_call_centre_names_the_further_debts_that_were_discussed(agency: Agency) -> None:
    centre = fake_centre(agency.services)
    with agency.services.db.unit() as session:
        one, other = session.scalars(select(Case).order_by(Case.id))
        other.debtor_id = one.debtor_id
        add_phone(session, one.debtor_id)
        number = other.number
    planned_call(agency)
    agency.client.drain()
    with agency.services.db.unit() as session:
        bound = bound_by(session, agency.services.get(Plugins), centre.binding_id)
        assert bound is not None
        told = outcome(centre.key, "REACHED", discussed=(number, "C-nobody"))
        take_outcomes(session, bound, [told])
        other = session.scalars(select(Case).where(Case.number == number)).one()
        said = look(session, contact(session, case_id=other.id), other, keep=False)
    assert (said.outcome, said.reasons) == ("DELAY", ("TALKED_WITHIN_7_DAYS",))
