"""Allocation replayed from facts: the worked examples of the claim account, and its laws."""

from datetime import date, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from finview.cases.allocation import ORDERS, replay, waterfall
from finview.cases.claims import CaseClaims
from finview.cases.components import Snapshot
from finview.cases.law import SHIPPED
from finview.cases.ledger_models import AccountKind, TxnKind
from finview.cases.models import DebtorKind
from finview.cases.sample import fact, lines_from, sample_case, with_lines
from finview.cases.statement import balance_of
from finview.money import Money


def claim(
    principal: int,
    since: date,
    *payments: tuple[date, int],
    points: int = 5,
    order: str = "DE_367",
    costs: tuple[tuple[date, int], ...] = (),
) -> CaseClaims:
    """Return a case with one invoice in default since a day, its costs and its payments."""
    due = since - timedelta(days=1)
    terms = {"interest": {"points": str(points)}, "outerOrder": order}
    case = sample_case(
        Snapshot.model_validate(terms),
        SHIPPED["de"],
        Money(principal, "EUR"),
        kind=DebtorKind.CONSUMER,
        issued_on=due,
        due_on=due,
        opened_on=since,
        charges_from=since,
    )
    lines = [fact(TxnKind.COST, AccountKind.COSTS_OWN, on, minor) for on, minor in costs]
    lines += [
        fact(TxnKind.PAYMENT, AccountKind.UNALLOCATED, on, -minor, txn_id=n)
        for n, (on, minor) in enumerate(payments, 100)
    ]
    return with_lines(case, lines)


def parts(case: CaseClaims) -> list[tuple[str, str, str, str]]:
    """Return costs, interest, principal and overpaid of each allocation."""
    made = [p.inputs for p in replay(case) if p.kind == TxnKind.ALLOCATION]
    return [(p["costs"], p["interest"], p["principal"], p["overpaid"]) for p in made]


def rest(case: CaseClaims, as_of: date) -> tuple[int, int, int]:
    """Return principal, interest and costs at the end of a day, accrued interest included."""
    lines, _ = lines_from(replay(case), 1_000)
    left = balance_of(with_lines(case, lines, as_of), as_of)
    return left.principal.minor, left.interest.minor, left.costs.minor


@pytest.mark.parametrize(
    ("order", "payment", "expected"),
    [
        ("DE_367", 10_000, (5562, 1230, 3208)),
        ("DE_497", 10_000, (5562, 0, 4438)),
        ("DE_367", 4_000, (4000, 0, 0)),
        ("DE_497", 56_000, (5562, 438, 50_000)),
        ("DE_367", 60_000, (5562, 1230, 50_000)),
        ("PRINCIPAL_FIRST", 50_500, (500, 0, 50_000)),
        ("DE_367", 56_792, (5562, 1230, 50_000)),
    ],
)
def test_one_payment_against_costs_interest_and_principal(
    order: str, payment: int, expected: tuple[int, int, int]
) -> None:
    due = {"costs": 5562, "interest": 1230, "principal": 50_000}
    paid = dict(
        zip(ORDERS[order], waterfall(payment, [due[c] for c in ORDERS[order]]), strict=True)
    )
    assert (paid["costs"], paid["interest"], paid["principal"]) == expected


@pytest.mark.parametrize(
    ("points", "order", "allocated", "left"),
    [
        (
            9,
            "DE_367",
            [("20.00", "314.96", "2665.04", "0.00"), ("0.00", "408.64", "3591.36", "0.00")],
            (374_360, 28_280, 0),
        ),
        (
            5,
            "DE_497",
            [("20.00", "0.00", "2980.00", "0.00"), ("0.00", "0.00", "4000.00", "0.00")],
            (302_000, 57_800, 0),
        ),
    ],
)
def test_the_ten_thousand_with_a_cost(
    points: int, order: str, allocated: list[Any], left: tuple[int, int, int]
) -> None:
    case = claim(
        1_000_000,
        date(2025, 5, 1),
        (date(2025, 8, 15), 300_000),
        (date(2026, 3, 1), 400_000),
        points=points,
        order=order,
        costs=((date(2025, 6, 10), 2_000),),
    )
    assert parts(case) == allocated
    assert rest(case, date(2026, 11, 21)) == left


def test_what_is_overpaid_is_never_a_negative_balance() -> None:
    case = claim(10_000, date(2026, 7, 1), (date(2026, 7, 31), 15_000))
    assert parts(case) == [("0.00", "0.54", "100.00", "49.46")]
    assert rest(case, date(2026, 8, 31)) == (0, 0, 0)


def test_interest_stays_owed_after_the_principal_and_stops_growing() -> None:
    paid = (date(2026, 4, 15), 28_090)
    cost = ((date(2026, 3, 2), 3_090),)
    case = claim(25_000, date(2026, 2, 1), paid, order="DE_497", costs=cost)
    assert parts(case) == [("30.90", "0.00", "250.00", "0.00")]
    assert rest(case, date(2026, 4, 15)) == rest(case, date(2026, 11, 21)) == (0, 314, 0)


def test_a_payment_booked_late_takes_its_place_in_time() -> None:
    cost = ((date(2026, 6, 1), 20_615),)
    late = [(date(2026, 5, 4), 50_000), (date(2026, 1, 20), 60_000)]
    before = claim(180_000, date(2025, 9, 1), late[0], costs=cost)
    assert parts(before) == [("0.00", "75.76", "424.24", "0.00")]
    assert rest(before, date(2026, 6, 30)) == (137_576, 1_347, 20_615)
    after = claim(180_000, date(2025, 9, 1), *late, costs=cost)
    assert parts(after) == [
        ("0.00", "43.60", "556.40", "0.00"),
        ("0.00", "22.22", "477.78", "0.00"),
    ]
    assert rest(after, date(2026, 6, 30)) == (76_582, 750, 20_615)
    assert rest(after, date(2026, 3, 31)) == (124_360, 1_495, 0)


def test_two_payments_of_one_day_count_as_one() -> None:
    day = date(2026, 2, 10)
    case = claim(99_000, date(2025, 12, 1), (day, 11_111), (day, 22_222), points=9)
    assert parts(case) == [("0.00", "19.78", "91.33", "0.00"), ("0.00", "0.00", "222.22", "0.00")]
    assert rest(case, date(2026, 11, 21)) == (67_645, 5_472, 0)


def test_what_was_overpaid_pays_what_is_claimed_later() -> None:
    cost = ((date(2026, 8, 10), 4_000),)
    case = claim(10_000, date(2026, 7, 1), (date(2026, 7, 31), 15_000), costs=cost)
    assert parts(case) == [("0.00", "0.54", "100.00", "49.46"), ("40.00", "0.00", "0.00", "9.46")]
    assert rest(case, date(2026, 8, 31)) == (0, 0, 0)


DAYS = st.dates(date(2025, 1, 1), date(2026, 12, 31))


@given(
    payments=st.lists(st.tuples(DAYS, st.integers(1, 150_000)), max_size=6),
    costs=st.lists(st.tuples(DAYS, st.integers(1, 9_999)), max_size=3),
    order=st.sampled_from(sorted(ORDERS)),
    as_of=DAYS,
    seed=st.randoms(use_true_random=False),
)
def test_nothing_is_lost_nothing_negative_and_the_order_of_entry_does_not_matter(
    payments: list[tuple[date, int]],
    costs: list[tuple[date, int]],
    order: str,
    as_of: date,
    seed: Any,
) -> None:
    since = date(2025, 3, 1)
    case = claim(200_000, since, *payments, order=order, costs=tuple(costs))
    made = replay(case)
    assert all(sum(minor for _, minor in posting.lines) == 0 for posting in made)
    over = [(account.kind, minor) for p in made for account, minor in p.lines]
    received = sum(minor for kind, minor in over if kind == AccountKind.UNALLOCATED)
    assert received == sum(minor for _, minor in payments)
    paid = -sum(minor for kind, minor in over if kind == AccountKind.CUSTOMER_PAYABLE)
    assert paid - sum(minor for kind, minor in over if kind == AccountKind.OVERPAID) == received
    left = rest(case, as_of)
    assert min(left) >= 0
    seed.shuffle(payments)
    assert rest(claim(200_000, since, *payments, order=order, costs=tuple(costs)), as_of) == left
