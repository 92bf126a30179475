"""The financial components of a bucket: friendly JSON in, canonical JSON out, exact amounts."""

from datetime import date
from typing import Any

import pytest

from finview.cases.components import CostComponent, InterestComponent, parse_financials
from finview.errors import Invalid

BRACKETS = [{"upTo": "100", "amount": "15"}, {"upTo": "500", "amount": "40"}, {"percent": "10"}]
SLICES = [{"upTo": "1000", "percent": "12"}, {"upTo": "5000", "percent": "6"}, {"percent": "1.5"}]


@pytest.mark.parametrize(
    "costs",
    [
        {"kind": "FIXED", "amount": "25.00"},
        {"type": "fixed", "amount": "25.00"},
        {"FIXED": {"amount": "25.00"}},
        {"amount": "25.00"},
    ],
)
def test_costs_are_understood_as_people_write_them(costs: dict[str, Any]) -> None:
    read = parse_financials({"costs": costs})
    assert read.costs.minor(100_000, "EUR") == 2_500
    assert parse_financials(read.as_json()) == read


@pytest.mark.parametrize(
    "interest",
    [
        {"kind": "FIXED", "percent": "5", "startsOn": "INVOICE_DATE", "afterDays": 10},
        {"percent": "5", "starts": "INVOICE_DATE", "days": 10},
        {"FIXED": {"percent": "5", "starts": {"on": "INVOICE_DATE", "days": 10}}},
    ],
)
def test_interest_is_understood_as_people_write_it(interest: dict[str, Any]) -> None:
    read = parse_financials({"interest": interest}).interest
    assert read.rate == 50_000
    assert read.first_day(date(2026, 1, 1), None) == date(2026, 1, 12)


@pytest.mark.parametrize("empty", [None, {}, {"costs": "NONE", "interest": None, "admin": None}])
def test_nothing_charges_nothing(empty: dict[str, Any] | None) -> None:
    read = parse_financials(empty)
    assert (read.costs.minor(10_000, "EUR"), read.interest.rate, read.admin) == (0, 0, 0)


GAP = [{"upTo": "100", "amount": "15"}, {"upTo": "500", "amount": "40"}]
FALLING = [{"upTo": "500", "amount": "15"}, {"upTo": "100", "amount": "40"}, {"percent": "1"}]


@pytest.mark.parametrize(
    ("wrong", "field", "reason"),
    [
        ({"costs": {"kind": "FIXED"}}, "costs", "FINANCIALS_REQUIRED"),
        ({"costs": {"kind": "PERCENT", "percent": "-1"}}, "costs.percent", "FINANCIALS_RANGE"),
        ({"costs": {"kind": "PERCENT", "percent": "100.5"}}, "costs.percent", "FINANCIALS_RANGE"),
        ({"costs": {"kind": "MAGIC"}}, "costs.kind", "FINANCIALS_CHOICE"),
        ({"costs": {"tiers": GAP}}, "costs.tiers", "FINANCIALS_TIERS_GAP"),
        ({"costs": {"tiers": FALLING}}, "costs.tiers", "FINANCIALS_TIERS_ORDER"),
        ({"costs": {"tiers": [{"upTo": "5"}]}}, "costs.tiers.0", "FINANCIALS_TIER_EMPTY"),
        ({"costs": {"percent": "5", "min": "9", "max": "3"}}, "costs", "FINANCIALS_MIN_MAX"),
        ({"interest": {"kind": "FIXED"}}, "interest", "FINANCIALS_REQUIRED"),
        ({"interest": {"kind": "BASE_PLUS"}}, "interest", "FINANCIALS_REQUIRED"),
        ({"interest": {"percent": "5", "dayCount": "X"}}, "interest.dayCount", "FINANCIALS_CHOICE"),
        ({"vat": "IF_NOT_DEDUCTIBLE"}, "financials", "FINANCIALS_REQUIRED"),
        ({"commissionPercent": "101"}, "commissionPercent", "FINANCIALS_RANGE"),
        ({"cost": {}}, "cost", "FINANCIALS_UNKNOWN"),
        ({"admin": "much"}, "admin", "FINANCIALS_INVALID"),
    ],
)
def test_what_is_wrong_is_named_with_its_place(
    wrong: dict[str, Any], field: str, reason: str
) -> None:
    with pytest.raises(Invalid) as refused:
        parse_financials(wrong)
    assert (refused.value.reason, refused.value.params["field"]) == (reason, field)
    place = [] if field == "financials" else field.split(".")
    assert list(refused.value.path) == ["input", "financials", *place]
    assert field in refused.value.message("de")


def test_the_law_is_asked_for_by_name_and_starts_by_itself() -> None:
    read = parse_financials({"costs": "STATUTORY", "interest": {"kind": "STATUTORY"}})
    assert (read.costs.kind, read.interest.starts_on) == ("STATUTORY", "DEFAULT")
    assert parse_financials({"interest": {"points": "5"}}).interest.added == 50_000


@pytest.mark.parametrize(
    ("mode", "tiers", "principal", "minor"),
    [
        ("BRACKET", BRACKETS, 10_000, 1_500),
        ("BRACKET", BRACKETS, 10_001, 4_000),
        ("BRACKET", BRACKETS, 50_001, 5_000),
        ("SLICE", SLICES, 100_001, 12_000),
        ("SLICE", SLICES, 620_000, 37_800),
    ],
)
def test_tiers_by_bracket_and_by_slice(
    mode: str, tiers: list[Any], principal: int, minor: int
) -> None:
    read = CostComponent.model_validate({"kind": "TIERED", "mode": mode, "tiers": tiers})
    assert read.minor(principal, "EUR") == minor


def test_a_percentage_keeps_its_limits_and_rounds_half_up() -> None:
    read = CostComponent.model_validate(
        {"kind": "PERCENT", "percent": "10", "min": "5", "max": "250"}
    )
    got = [read.minor(principal, "EUR") for principal in (1_000, 10_005, 900_000)]
    assert got == [500, 1_001, 25_000]


def test_an_amount_too_fine_for_the_currency_is_refused() -> None:
    with pytest.raises(Invalid, match="MONEY_DECIMALS"):
        parse_financials({"costs": {"amount": "25.50"}}).costs.minor(1_000, "JPY")


def test_a_claim_without_due_date_is_due_thirty_days_after_the_invoice() -> None:
    terms = InterestComponent.model_validate({"kind": "FIXED", "percent": "5"})
    assert terms.first_day(date(2026, 1, 1), None) == date(2026, 2, 1)
    assert terms.first_day(None, None) is None
