"""Recurring work: rules in a zone, each due instant fired once by whoever comes first."""

import threading
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, time, timedelta
from itertools import pairwise
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import select, update

from finview import clock
from finview.db import schedule as rules
from finview.db.jobs import Job, State
from finview.db.runtime import Services
from finview.db.schedule import Daily, Every, Monthly, Rule, Schedule, Weekly, next_after, parse
from finview.jobs import schedule
from finview.jobs.runner import drain, tick

BERLIN = "Europe/Berlin"
ZONES = st.sampled_from([BERLIN, "UTC", "America/New_York", "Asia/Kolkata", "Australia/Lord_Howe"])
TIMES = st.times().map(lambda at: at.replace(second=0, microsecond=0))
RULES: st.SearchStrategy[Rule] = st.one_of(
    st.integers(1, 10**6).map(Every),
    TIMES.map(Daily),
    st.builds(Weekly, st.frozensets(st.integers(0, 6), min_size=1), TIMES),
    st.builds(Monthly, st.integers(1, 31), TIMES),
)
INSTANTS = st.datetimes(datetime(2020, 1, 1), datetime(2035, 1, 1), timezones=st.just(UTC))  # noqa: DTZ001 -- hypothesis takes bounds without a zone
NOON = datetime(2026, 3, 2, 12, tzinfo=UTC)


def at(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=ZoneInfo(BERLIN)).astimezone(UTC)


@given(RULES, INSTANTS, ZONES)
def test_the_next_instant_lies_ahead_and_nothing_between_is_due(
    rule: Rule, instant: datetime, zone: str
) -> None:
    due = next_after(rule, instant, zone)
    assert due > instant
    between = instant + (due - instant) / 2
    assert next_after(rule, between, zone) == due
    assert next_after(rule, due, zone) > due


@given(RULES, INSTANTS, ZONES)
def test_a_rule_reads_back_from_its_text(rule: Rule, instant: datetime, zone: str) -> None:
    assert parse(str(rule)) == rule
    assert next_after(parse(str(rule)), instant, zone) == next_after(rule, instant, zone)


@given(TIMES, INSTANTS, ZONES)
def test_a_daily_rule_is_due_once_on_every_local_day(
    when: time, instant: datetime, zone: str
) -> None:
    due = [instant]
    for _ in range(5):
        due.append(next_after(Daily(when), due[-1], zone))
    # A time that is skipped just before midnight is due on the next day, beside that day's own.
    days = [(one - timedelta(hours=1)).astimezone(ZoneInfo(zone)).date() for one in due[1:]]
    assert (days[-1] - days[0]).days in {3, 4, 5}
    assert all(timedelta(hours=22) <= b - a <= timedelta(hours=26) for a, b in pairwise(due[1:]))


def test_a_skipped_time_is_due_at_the_next_that_exists_and_a_doubled_one_once() -> None:
    rule = Daily(time(2, 30))
    spring = next_after(rule, at("2026-03-29T00:00"), BERLIN)
    assert spring == at("2026-03-29T03:00")
    assert next_after(rule, spring, BERLIN) == at("2026-03-30T02:30")
    autumn = next_after(rule, at("2026-10-25T00:00"), BERLIN)
    assert autumn == datetime(2026, 10, 25, 0, 30, tzinfo=UTC)
    assert next_after(rule, autumn, BERLIN) == at("2026-10-26T02:30")


def test_weekly_and_monthly_rules_keep_to_their_days() -> None:
    workdays = Weekly(frozenset({0, 4}), time(8))
    assert next_after(workdays, at("2026-03-03T12:00"), BERLIN) == at("2026-03-06T08:00")
    assert next_after(workdays, at("2026-03-06T08:00"), BERLIN) == at("2026-03-09T08:00")
    last = Monthly(31, time(23, 59))
    assert next_after(last, at("2028-02-01T00:00"), BERLIN) == at("2028-02-29T23:59")
    assert next_after(last, at("2026-04-30T23:59"), BERLIN) == at("2026-05-31T23:59")


@pytest.mark.parametrize("text", ["", "hourly:3", "weekly::08:00", "monthly:32:08:00", "every:0"])
def test_what_is_no_rule_is_refused(text: str) -> None:
    with pytest.raises(ValueError):
        parse(text)


@pytest.fixture
def wanted(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Let one toy recur each hour, and nothing else."""
    monkeypatch.setattr(rules, "_RECURRING", {})
    rules.recurring("toy.short", Every(3600), name="toys", args={"n": 7})
    return


@pytest.mark.usefixtures("wanted", "toys")
class TestTable:
    """What the table of schedules does."""

    def row(self, services: Services) -> Schedule:
        with services.db.reading() as session:
            return session.scalars(select(Schedule)).one()

    def test_a_due_schedule_fires_and_its_job_runs(
        self, services: Services, effects: Callable[[], list[str]]
    ) -> None:
        with clock.standing_at(NOON):
            schedule.sync(services.db, BERLIN)
            assert drain(services) == 0
        with clock.standing_at(NOON + timedelta(hours=1)):
            assert drain(services) == 1
            assert drain(services) == 0
        assert effects() == ["short:7"]
        assert self.row(services).last_at == NOON + timedelta(hours=1)

    @pytest.mark.both_databases
    def test_j13_three_tickers_fire_once(self, services: Services) -> None:
        with clock.standing_at(NOON):
            schedule.sync(services.db, BERLIN)
        start = threading.Barrier(3)

        def beat() -> None:
            with clock.standing_at(NOON + timedelta(hours=1)):
                start.wait()
                tick(services)

        threads = [threading.Thread(target=beat) for _ in range(3)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert self.keys(services) == [f"schedule:1:{clock.to_ms(NOON + timedelta(hours=1))}"]

    def test_j13_after_an_outage_of_five_periods_one_run_makes_up_for_all(
        self, services: Services
    ) -> None:
        with clock.standing_at(NOON):
            schedule.sync(services.db, BERLIN)
        with clock.standing_at(NOON + timedelta(hours=5, minutes=20)):
            tick(services)
            assert len(self.keys(services)) == 1
        assert self.row(services).next_at == NOON + timedelta(hours=6)

    def test_nothing_is_added_while_the_job_before_is_open(self, services: Services) -> None:
        with clock.standing_at(NOON):
            schedule.sync(services.db, BERLIN)
        for hours in (1, 2, 3):
            with clock.standing_at(NOON + timedelta(hours=hours)):
                tick(services)
        assert len(self.keys(services)) == 1
        assert self.row(services).next_at == NOON + timedelta(hours=4)

    def test_a_disabled_schedule_rests_and_a_changed_rule_counts_from_now(
        self, services: Services
    ) -> None:
        with clock.standing_at(NOON):
            schedule.sync(services.db, BERLIN)
            with services.db.unit() as session:
                session.execute(update(Schedule).values(enabled=False))
        rules.recurring("toy.short", Every(60), name="toys", args={"n": 7})
        with clock.standing_at(NOON + timedelta(hours=3)):
            schedule.sync(services.db, BERLIN)
            tick(services)
        row = self.row(services)
        assert (self.keys(services), row.enabled, row.rule) == ([], False, "every:60")
        assert row.next_at == NOON + timedelta(hours=3, minutes=1)

    def keys(self, services: Services) -> list[str | None]:
        with services.db.reading() as session:
            return list(session.scalars(select(Job.dedupe_key).order_by(Job.id)))


AGED = {
    (State.DONE, 15): True,
    (State.DONE, 13): False,
    (State.CANCELLED, 15): True,
    (State.DEAD, 15): False,
    (State.DEAD, 91): True,
    (State.PARKED, 365): False,
}


@pytest.mark.both_databases
def test_retention_lets_old_jobs_go_by_their_state(
    services: Services, add: Callable[..., int]
) -> None:
    jobs = {add("toy.short"): aged for aged in AGED}
    with services.db.unit() as session:
        for job, (state, days) in jobs.items():
            row = session.get_one(Job, job)
            row.state, row.finished_at = state, clock.now() - timedelta(days=days)
    keeper = add("jobs.retention")
    drain(services)
    with services.db.reading() as session:
        left = {aged for job, aged in jobs.items() if session.get(Job, job) is not None}
        assert left == {aged for aged, gone in AGED.items() if not gone}
        assert session.get_one(Job, keeper).result == {"deleted": 3}


def test_the_checkpoint_is_taken(services: Services, add: Callable[..., int]) -> None:
    job = add("jobs.checkpoint")
    drain(services)
    with services.db.reading() as session:
        assert session.get_one(Job, job).state == State.DONE


def test_every_built_in_schedule_names_a_kind_that_exists() -> None:
    from finview.db.jobs import kinds

    assert {one.kind for one in rules.registered().values()} <= set(kinds())
