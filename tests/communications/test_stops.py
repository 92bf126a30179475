"""Stops, holds and wishes over the API: one row, nothing sent, and what goes on afterwards."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import event, func, select

from finview import clock
from finview.accounts.access import Role, grant
from finview.accounts.users import find_user
from finview.cases.models import Case, PhonePoint
from finview.communications.holds import stopped
from finview.communications.models import Channel, Outreach
from finview.communications.outreach import hold, plan, unhold
from finview.communications.policy_models import OutboundHold
from finview.db.jobs import Job, enqueue
from finview.testing.call_centre import Centre, fake_centre
from finview.testing.client import client_for
from finview.testing.factories import LAUNCH_DAY, Agency
from finview.testing.fixtures import At

HELD = "hold { id channel scope scopeId reason since endedAt }"
CASE = "case { id status hold { reason from until note } timeline(first: 50) { nodes { kind } } }"


@pytest.fixture
def agency(at: At) -> Agency:
    """Two launched cases whose debtors, in Hamburg, have phones."""
    agency = at("LAUNCHED").agency
    with agency.services.db.unit() as session:
        for case in session.scalars(select(Case)):
            values = {"raw": "1", "e164": f"+49406696{case.id}", "state": "VALID", "source": "test"}
            session.add(PhonePoint(debtor_id=case.debtor_id, created_at=clock.now(), **values))
    return agency


def stop(agency: Agency, reason: str = "Please wait", **given: Any) -> dict[str, Any]:
    query = f"""mutation($s: ID, $c: Channel, $r: String!) {{
        outboundHoldCreate(scopeId: $s, channel: $c, reason: $r)
        {{ {HELD} errors {{ code path params }} }} }}"""
    found = agency.client.ask(query, s=given.get("scope"), c=given.get("channel"), r=reason)
    return dict(found["outboundHoldCreate"])


def end(agency: Agency, hold_id: str) -> dict[str, Any]:
    query = f"mutation($i: ID!) {{ outboundHoldEnd(id: $i) {{ {HELD} errors {{ code params }} }} }}"
    return dict(agency.client.ask(query, i=hold_id)["outboundHoldEnd"])


def plan_calls(agency: Agency, visit: int = 1) -> None:
    with agency.services.db.unit() as session:
        for case in session.scalars(select(Case).order_by(Case.id)):
            given = {"run_id": -case.id, "node": "n", "visit": visit, "template": "call_task"}
            plan(session, case, Channel.CALL, **given)
    agency.client.drain()


def states(agency: Agency) -> list[str]:
    with agency.services.db.reading() as session:
        wanted = select(Outreach.state).where(Outreach.channel == "CALL")
        return list(session.scalars(wanted.order_by(Outreach.id)))


def later(agency: Agency, **delta: float) -> None:
    with clock.standing_at(LAUNCH_DAY + timedelta(**delta)):
        agency.client.drain()


@pytest.mark.parametrize("scope", ["system", "unit", "customer", "portfolio", "bucket"])
def test_a_stop_holds_back_what_its_scope_sends_until_it_ends(agency: Agency, scope: str) -> None:
    centre = fake_centre(agency.services)
    wanted = None if scope == "system" else getattr(agency, scope)
    made = stop(agency, scope=wanted)["hold"]
    assert (made["scopeId"], made["reason"], made["endedAt"]) == (wanted, "Please wait", None)
    plan_calls(agency)
    assert (states(agency), centre.pushed) == (["PLANNED", "PLANNED"], [])
    assert end(agency, made["id"])["hold"]["endedAt"] is not None
    agency.client.drain()
    later(agency, minutes=5)
    assert states(agency) == ["ACCEPTED", "ACCEPTED"]


def test_another_scope_and_another_channel_are_not_stopped(agency: Agency) -> None:
    fake_centre(agency.services)
    other = agency.with_customer("Andere Werke")
    stop(agency, scope=other.customer)
    stop(agency, scope=agency.customer, channel="SMS")
    plan_calls(agency)
    assert states(agency) == ["ACCEPTED", "ACCEPTED"]
    with agency.services.db.reading() as session:
        case = session.scalars(select(Case).limit(1)).one()
        assert not stopped(session, case)
        assert stopped(session, case, Channel.SMS)


def test_a_stop_of_a_workflow_covers_what_its_runs_planned(agency: Agency) -> None:
    with agency.services.db.unit() as session:
        session.add(OutboundHold(scope_kind="WORKFLOW", scope_id=7, reason="x", since=clock.now()))
        session.flush()
        case = session.scalars(select(Case).limit(1)).one()
        assert stopped(session, case, workflow_id=7)
        assert not stopped(session, case, workflow_id=8)


def test_a_stop_of_many_is_one_row_and_its_end_is_spread(agency: Agency) -> None:
    made = stop(agency, scope=agency.customer)["hold"]
    with agency.services.db.reading() as session:
        assert session.scalar(select(func.count()).select_from(OutboundHold)) == 1
    plan_calls(agency)
    end(agency, made["id"])
    agency.client.drain()
    with agency.services.db.reading() as session:
        wanted = select(Job.run_at).where(Job.kind == "communications.send")
        ran = session.scalars(wanted.order_by(Job.id.desc()).limit(2)).all()
    assert len(set(ran)) == 2


def test_what_a_stop_may_be_about_and_when_it_may_end(agency: Agency) -> None:
    refused = stop(agency, scope="cus_999999")["errors"]
    assert [(e["code"], e["path"]) for e in refused] == [("NOT_FOUND", ["scopeId"])]
    assert [e["code"] for e in stop(agency, scope="job_1")["errors"]] == ["NOT_FOUND"]
    assert [e["code"] for e in stop(agency, "  ")["errors"]] == ["REQUIRED"]
    made = stop(agency)["hold"]
    end(agency, made["id"])
    again = end(agency, made["id"])["errors"]
    assert [(e["code"], e["params"]["reason"]) for e in again] == [("STATE", "OUTBOUND_HOLD_ENDED")]
    query = "query($r: Boolean) { outboundHolds(running: $r) { id scope } }"
    shown = {r: len(agency.client.ask(query, r=r)["outboundHolds"]) for r in (True, False)}
    assert shown == {True: 0, False: 1}


def test_only_administrators_stop_everything(agency: Agency) -> None:
    operator = client_for(agency.services, "worker@example.org", Role.OPERATOR)
    query = 'mutation { outboundHoldCreate(reason: "x") { hold { id } errors { code } } }'
    assert operator.ask(query)["outboundHoldCreate"]["errors"] == [{"code": "FORBIDDEN"}]
    made = stop(agency)["hold"]
    query = "mutation($i: ID!) { outboundHoldEnd(id: $i) { hold { id } errors { code } } }"
    assert operator.ask(query, i=made["id"])["outboundHoldEnd"]["errors"] == [{"code": "FORBIDDEN"}]


def the_case(agency: Agency) -> str:
    found: str = agency.client.ask("{ cases(first: 1) { nodes { id } } }")["cases"]["nodes"][0][
        "id"
    ]
    return found


def test_a_case_rests_over_the_api_and_returns_to_work(agency: Agency) -> None:
    case = the_case(agency)
    given = {"reason": "DEBT_ADVICE", "note": "Schuldnerberatung Nord"}
    held = agency.client.do("caseHold", CASE, caseId=case, **given)
    assert held["status"] == "ON_HOLD"
    assert held["hold"] == {
        "reason": "DEBT_ADVICE",
        "from": "2026-11-02",
        "until": "2026-12-02",
        "note": "Schuldnerberatung Nord",
    }
    query = f"mutation($c: ID!) {{ caseRelease(caseId: $c) {{ {CASE} errors {{ code }} }} }}"
    payload = agency.client.ask(query, c=case)["caseRelease"]
    assert (payload["errors"], payload["case"]["status"]) == ([], "ACTIVE")
    kinds = [entry["kind"] for entry in payload["case"]["timeline"]["nodes"]]
    assert {"TIMELINE_CASE_HELD_UNTIL", "TIMELINE_CASE_RELEASED"} <= set(kinds)
    again = agency.client.ask(query, c=case)["caseRelease"]
    assert [e["code"] for e in again["errors"]] == ["STATE"]


def test_a_customer_s_user_sees_a_hold_and_can_not_make_one(agency: Agency) -> None:
    case = the_case(agency)
    agency.client.do("caseHold", CASE, caseId=case, reason="DISPUTE")
    customer = client_for(agency.services, "contact@example.org", None)
    with agency.services.db.unit() as session:
        user = find_user(session, "contact@example.org")
        assert user is not None
        owner = int(agency.customer.removeprefix("cus_"))
        grant(session, user.id, Role.CUSTOMER_USER, customer_id=owner)
    query = "query($c: ID!) { case(id: $c) { hold { reason } contactDecisions { outcome } } }"
    seen = customer.ask(query, c=case)["case"]
    assert seen["hold"] == {"reason": "DISPUTE"}
    refused = customer.attempt("caseHold", CASE, caseId=case, reason="ON_HOLD")
    assert [e["code"] for e in refused["errors"]] == ["FORBIDDEN"]
    assert customer.ask("{ outboundHolds { id } }")["outboundHolds"] == []


def prefer(agency: Agency, channel: str, *, opt_out: bool) -> None:
    query = "query($c: ID!) { case(id: $c) { debtor { id } } }"
    debtor = agency.client.ask(query, c=the_case(agency))["case"]["debtor"]["id"]
    query = """mutation($i: ContactPreferenceInput!) {
        contactPreferenceSet(input: $i) { debtor { id } errors { code } } }"""
    given = {"debtorId": debtor, "channel": channel, "optOut": opt_out}
    assert agency.client.ask(query, i=given)["contactPreferenceSet"]["errors"] == []
    agency.client.drain()


def test_who_wants_no_calls_has_none_and_those_ordered_are_taken_back(agency: Agency) -> None:
    centre: Centre = fake_centre(agency.services)
    plan_calls(agency)
    prefer(agency, "CALL", opt_out=True)
    assert (states(agency), len(centre.withdrawn)) == (["BLOCKED", "ACCEPTED"], 1)
    with clock.standing_at(LAUNCH_DAY + timedelta(days=1)):
        plan_calls(agency, visit=2)
        assert states(agency)[2:] == ["BLOCKED", "ACCEPTED"]
        prefer(agency, "CALL", opt_out=False)
        plan_calls(agency, visit=3)
        assert states(agency)[4:] == ["ACCEPTED", "ACCEPTED"]


def test_a_required_notice_goes_by_letter_to_who_wants_no_e_mail(agency: Agency) -> None:
    prefer(agency, "EMAIL", opt_out=True)
    with agency.services.db.unit() as session:
        case = session.scalars(select(Case).order_by(Case.id).limit(1)).one()
        for visit, template in enumerate(("first_demand", "reminder"), 1):
            given = {"run_id": -1, "node": "m", "visit": visit, "template": template}
            plan(session, case, Channel.EMAIL, **given)
    agency.client.drain()
    with agency.services.db.reading() as session:
        wanted = select(Outreach.channel, Outreach.state).where(Outreach.run_id == -1)
        found = session.execute(wanted.order_by(Outreach.visit)).all()
    assert [tuple(row) for row in found] == [("LETTER", "ACCEPTED"), ("EMAIL", "BLOCKED")]


def test_a_paused_run_s_contacts_wait_and_go_when_it_goes_on(agency: Agency) -> None:
    fake_centre(agency.services)
    with clock.standing_at(datetime(2026, 11, 2, 22, tzinfo=UTC)):
        plan_calls(agency)
    with agency.services.db.unit() as session:
        (first, _) = session.scalars(select(Case.id).order_by(Case.id))
        hold(session, -first)
    later(agency, days=2)
    assert states(agency) == ["PLANNED", "ACCEPTED"]
    with clock.standing_at(LAUNCH_DAY + timedelta(days=2)):
        with agency.services.db.unit() as session:
            unhold(session, -first)
        agency.client.drain()
    assert states(agency) == ["ACCEPTED", "ACCEPTED"]


def test_a_released_case_sends_what_waited_for_its_release(agency: Agency) -> None:
    fake_centre(agency.services)
    case = the_case(agency)
    agency.client.do("caseHold", CASE, caseId=case, reason="DISPUTE")
    plan_calls(agency)
    assert states(agency) == ["PLANNED", "ACCEPTED"]
    query = "mutation($c: ID!) { caseRelease(caseId: $c) { errors { code } } }"
    agency.client.ask(query, c=case)
    agency.client.drain()
    assert states(agency) == ["ACCEPTED", "ACCEPTED"]


@pytest.mark.parametrize(
    ("kind", "index"),
    [
        ("communications.reconcile", "outreach_settle"),
        ("communications.completed", "outreach_waiting"),
    ],
)
def test_what_recurs_reads_by_its_index(agency: Agency, kind: str, index: str) -> None:
    seen: list[tuple[str, Any]] = []

    def keep(_conn: Any, _cursor: Any, text: str, values: Any, *_more: Any) -> None:
        if text.startswith("SELECT") and "FROM outreach" in text:
            seen.append((text, values))

    database = agency.services.db
    with database.unit() as session:
        enqueue(session, kind, {})
    for engine in (database.writer, database.reader):
        event.listen(engine, "before_cursor_execute", keep)
    agency.client.drain()
    with database.reading() as session:
        text, values = seen[0]
        plan = session.connection().exec_driver_sql(f"EXPLAIN QUERY PLAN {text}", values).all()
    assert any(index in row[-1] for row in plan), plan
