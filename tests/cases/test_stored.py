"""What the ledger of a database answers is what the pure functions compute, to the cent."""

from datetime import date, timedelta
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from finview.db import Database
from finview.testing.stored import evaluate_stored
from finview.testing.vectors import evaluate

SINCE = date(2025, 3, 1)
both_databases = pytest.mark.both_databases

EXAMPLES = [
    ("interest", {"principal": "777.77", "rate": {"points": "5"}, "to": "2026-05-05"}),
    ("interest", {"principal": "4321.00", "rate": {"fixed": "8.25"}, "to": "2025-03-01"}),
    ("allocation", {"order": "DE_367", "payment": "70.00"}),
    ("allocation", {"order": "DE_497", "payment": "400.00"}),
    ("allocation", {"order": "PRINCIPAL_FIRST", "payment": "300.00"}),
    ("nl_costs", {"principal": "3333.33"}),
    ("breathing_space", {"as_of": "2026-03-20"}),
    ("breathing_space", {"as_of": "2026-02-20"}),
]
FILLED: dict[str, dict[str, Any]] = {
    "interest": {"currency": "EUR", "from": "2025-03-01"},
    "allocation": {"costs": "61.10", "interest": "12.12", "principal": "250.00"},
    "nl_costs": {},
    "breathing_space": {
        "principal": "640.00",
        "default_from": "2026-01-10",
        "started_on": "2026-02-15",
        "days": 10,
        "rate": {"points": "5"},
    },
}

amounts = st.integers(1, 40_000).map(lambda minor: f"{minor / 100:.2f}")
days = st.integers(0, 500).map(lambda n: SINCE + timedelta(days=n))


@st.composite
def runs(draw: st.DrawFn) -> dict[str, Any]:
    """Draw a claim with costs, payments known late, and one of them reversed."""
    events: list[dict[str, Any]] = []
    for n in range(draw(st.integers(1, 4))):
        on, late = draw(days), draw(st.integers(0, 60))
        known = (on + timedelta(days=late)).isoformat()
        if draw(st.booleans()):
            events.append({"type": "cost", "value_on": known, "amount": draw(amounts)})
        else:
            paid = {"type": "payment", "id": f"p{n}", "amount": draw(amounts)}
            events.append({**paid, "value_on": on.isoformat(), "booked_on": known})
    paid_ids = [event["id"] for event in events if event["type"] == "payment"]
    if paid_ids and draw(st.booleans()):
        day = "2026-11-01"
        events.append({"type": "reversal", "of": paid_ids[0], "value_on": day, "booked_on": day})
    return {
        "principal": draw(st.integers(60_000, 900_000).map(lambda minor: f"{minor / 100:.2f}")),
        "currency": "EUR",
        "default_from": SINCE.isoformat(),
        "rate": {"points": draw(st.sampled_from(["5", "9"]))},
        "order": draw(st.sampled_from(["DE_367", "DE_497"])),
        "day_count": draw(st.sampled_from(["ACT_365", "THIRTY_E_360"])),
        "events": events,
        "queries": [
            {"as_of": "2025-12-31", "known_on": "2026-01-31"},
            {"as_of": "2026-11-21"},
        ],
    }


def within(found: Any, whole: Any) -> bool:
    """Tell whether everything found stands in the whole answer."""
    if isinstance(found, dict):
        return all(name in whole and within(value, whole[name]) for name, value in found.items())
    if isinstance(found, list):
        pairs = zip(found, whole, strict=False)
        return len(found) == len(whole) and all(within(one, other) for one, other in pairs)
    return bool(found == whole)


@both_databases
@pytest.mark.parametrize(("kind", "given_"), EXAMPLES, ids=[f"{n}" for n in range(len(EXAMPLES))])
def test_a_posted_example_is_what_was_computed(
    database: Database, kind: str, given_: dict[str, Any]
) -> None:
    example = {**FILLED[kind], **given_}
    assert within(evaluate_stored(database, kind, example), evaluate(kind, example))


@both_databases
@settings(max_examples=12)
@given(run=runs())
def test_a_run_of_payments_costs_and_reversals_reads_as_it_was_computed(
    database: Database, run: dict[str, Any]
) -> None:
    assert within(evaluate_stored(database, "ledger_run", run), evaluate("ledger_run", run))
