"""The claim account against a simple model of it: any history of facts, looked at on any day."""

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time, timedelta
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st
from sqlalchemy.orm import Session

from finview import clock
from finview.cases.adjust import adjust_charge
from finview.cases.closing import close_case, reopen_case
from finview.cases.components import Breathing, Financials
from finview.cases.financials import link
from finview.cases.lifecycle import launch
from finview.cases.models import CloseReason
from finview.cases.receipts import record_payment
from finview.cases.reversal import reverse_payment
from finview.cases.statement import balances, statement
from finview.cases.verify import verify
from finview.db import Database
from finview.errors import FinviewError
from finview.money import Money

# 1000.00 due on 2026-08-31 at 7.3 %: a fifth of a thousandth a day, 20 cents from 2026-09-01.
PRINCIPAL, SINCE, DAILY = 100_000, date(2026, 9, 1), (73, 365_000)
LINKED = date(2026, 9, 1)
RUNS = 300


@dataclass
class Model:
    """Facts, and the account they make when they are gone through day by day."""

    costs: list[tuple[date, int]] = field(default_factory=list)
    waived: list[tuple[date, str, int]] = field(default_factory=list)
    paid: dict[int, tuple[date, int]] = field(default_factory=dict)

    def at(self, as_of: date) -> tuple[int, int, int, int]:
        """Return principal, interest, costs and what is overpaid at the end of a day."""
        left = {"principal": PRINCIPAL, "interest": 0, "costs": 0}
        exact = posted = over = 0
        last = SINCE
        days = {d for d, *_ in (*self.costs, *self.waived, *self.paid.values()) if d <= as_of}
        for day in sorted(days):
            exact += left["principal"] * DAILY[0] * max((day - last).days, 0)
            last = max(last, day)
            left["costs"] += sum(minor for on, minor in self.costs if on == day)
            money = over + sum(minor for on, minor in self.paid.values() if on == day)
            given_up = [(what, minor) for on, what, minor in self.waived if on == day]
            if money or given_up:
                now = _rounded(exact)
                left["interest"] += now - posted
                posted = now
            for what, minor in given_up:
                left[what] -= min(minor, left[what])
            fresh = any(on == day for on, _ in self.paid.values())
            owed = over > 0 and sum(left.values()) > 0
            for what in ("costs", "interest", "principal"):
                part = min(money, left[what])
                left[what], money = left[what] - part, money - part
            over = money
            if fresh or owed:
                exact = posted = 0
        exact += left["principal"] * DAILY[0] * max((as_of - last).days, 0)
        left["interest"] += _rounded(exact) - posted
        return left["principal"], left["interest"], left["costs"], over


def _rounded(numerator: int) -> int:
    return (2 * numerator + DAILY[1]) // (2 * DAILY[1])


STEPS = st.lists(
    st.tuples(
        st.sampled_from(["pay", "pay", "pay", "cost", "waive", "reverse", "write_off", "reopen"]),
        st.integers(1, 60_000),
        st.integers(0, 70),
        st.integers(0, 5),
    ),
    min_size=1,
    max_size=5,
)


class Account:
    """The same facts through the verbs of the product."""

    def __init__(self, session: Session, case_id: int) -> None:
        self.session, self.case_id, self.model = session, case_id, Model()
        self.today, self.keys = date(2026, 9, 1), 0

    def step(self, what: str, minor: int, back: int, forward: int) -> None:
        """Do one thing; what is refused changes neither side."""
        self.today += timedelta(days=forward)
        self.keys += 1
        noon = datetime.combine(self.today, time(12), UTC)
        with clock.standing_at(noon), suppress(FinviewError):
            getattr(self, f"_{what}")(minor, self.today - timedelta(days=back % 30))

    def _pay(self, minor: int, on: date) -> None:
        on = max(on, SINCE)
        txn = record_payment(
            self.session,
            self.case_id,
            Money(minor, "EUR"),
            received_on=on,
            key=f"{self.case_id}/{self.keys}",
            by=1,
        )
        self.model.paid[txn] = (on, minor)

    def _cost(self, minor: int, _on: date) -> None:
        self._adjust("costs", minor % 5_000 + 1)
        self.model.costs.append((self.today, minor % 5_000 + 1))

    def _waive(self, minor: int, _on: date) -> None:
        what = "costs" if minor % 2 else "interest"
        open_now = getattr(self.shown(self.today), what).minor
        self._adjust(what, -min(minor, open_now))
        self.model.waived.append((self.today, what, min(minor, open_now)))

    def _adjust(self, what: str, minor: int) -> None:
        key = f"a{self.case_id}/{self.keys}"
        given = Money(minor, "EUR")
        adjust_charge(self.session, self.case_id, what, given, "x", key=key, by=1)

    def _reverse(self, minor: int, _on: date) -> None:
        paid = sorted(self.model.paid)
        if paid:
            txn = paid[minor % len(paid)]
            reverse_payment(self.session, txn, "returned", by=1)
            del self.model.paid[txn]

    def _write_off(self, _minor: int, _on: date) -> None:
        before = self.shown(self.today)
        close_case(self.session, self.case_id, CloseReason.WRITTEN_OFF, "gone", by=1)
        for what in ("principal", "interest", "costs"):
            self.model.waived.append((self.today, what, getattr(before, what).minor))
        self.written_off = len(self.model.waived)

    def _reopen(self, _minor: int, _on: date) -> None:
        reopen_case(self.session, self.case_id, "back", by=1)
        del self.model.waived[self.written_off - 3 : self.written_off]

    def shown(self, day: date) -> Any:
        return balances(self.session, [self.case_id], day)[self.case_id]


def _checked(account: Account, days: Sequence[date]) -> None:
    for day in days:
        found = account.shown(day)
        principal, interest, costs, over = account.model.at(day)
        parts = (found.principal.minor, found.interest.minor, found.costs.minor)
        assert parts == (principal, interest, costs), day
        assert min(parts) >= 0
        lines = statement(account.session, account.case_id, day)
        assert sum(line.amount.minor for line in lines) == sum(parts) - over


def test_any_history_shows_what_the_model_says(database: Database, opener: Any, book: Any) -> None:
    terms = Financials.model_validate({"interest": {"percent": "7.3"}})
    linked = {"bucket_id": book.bucket, "financials": terms, "breathing": Breathing()}
    with database.unit() as session:
        fresh: list[int] = []

        @settings(max_examples=RUNS)
        @given(steps=STEPS, offset=st.integers(0, 40))
        def run(steps: list[tuple[str, int, int, int]], offset: int) -> None:
            if not fresh:
                with clock.standing_at(datetime(2026, 9, 1, 6, tzinfo=UTC)):
                    fresh.extend(opener(session).id for _ in range(100))
                    link(session, fresh, on=LINKED, by=None, **linked)
                    launch(session, fresh, on=LINKED, by=None)
            account = Account(session, fresh.pop())
            for step in steps:
                account.step(*step)
            _checked(account, [SINCE + timedelta(days=offset), account.today])

        run()
        assert verify(session).faults == ()
