"""Financial components over the API: the typed form, what it refuses, and the preview."""

from typing import Any

import pytest

from finview.testing.client import client_for
from finview.testing.factories import Agency

TYPED = """components { costs { kind amount percent min max mode rule tiers { upTo amount percent } }
  lumpSum interest { kind percent points startsOn afterDays dayCount } admin vat vatPercent
  commissionPercent commissionInterestPercent commissionCostsPercent outerOrder innerOrder }"""
PREVIEW = """query($input: FinancialsPreviewInput!) { bucketFinancialsPreview(input: $input) {
  balance { principal { amount } interest { amount } costs { amount } open { amount } }
  lines { on kind amount { amount } text rule ruleVersion citation provisional inputs }
  errors { code message path params } } }"""
LAW = {"costs": {"kind": "STATUTORY"}, "interest": {"kind": "STATUTORY"}, "lumpSum": True}
EXAMPLE = {
    "debtorKind": "CONSUMER",
    "principal": {"amount": "1000.00", "currency": "EUR"},
    "invoiceDate": "2026-08-01",
    "dueDate": "2026-08-31",
    "asOf": "2026-11-21",
}


def preview(agency: Agency, language: str = "en", **given: Any) -> dict[str, Any]:
    client = client_for(agency.services, language=language)
    return dict(client.ask(PREVIEW, input={**EXAMPLE, **given})["bucketFinancialsPreview"])


def create(agency: Agency, **given: Any) -> dict[str, Any]:
    answer = f"bucket {{ id financials {TYPED} }}"
    return agency.client.attempt("bucketCreate", answer, portfolioId=agency.portfolio, **given)


def test_the_typed_form_and_the_json_say_the_same(agency: Agency) -> None:
    tiers = [{"upTo": "100", "amount": "15"}, {"percent": "10"}]
    typed = {
        "costs": {"kind": "TIERED", "mode": "SLICE", "tiers": tiers, "max": "250"},
        "interest": {"kind": "BASE_PLUS", "points": "5", "startsOn": "INVOICE_DATE"},
        "commissionPercent": "20",
        "commissionCostsPercent": "100",
        "outerOrder": "DE_497",
    }
    one = create(agency, name="Typed", components=typed)["bucket"]
    two = create(agency, name="Json", financials=one["financials"])["bucket"]
    assert one["components"] == two["components"]
    assert one["components"]["costs"]["tiers"] == [
        {"upTo": "100", "amount": "15", "percent": None},
        {"upTo": None, "amount": None, "percent": "10"},
    ]
    assert one["components"]["interest"]["startsOn"] == "INVOICE_DATE"
    assert one["components"]["vat"] == "NEVER"
    shares = [one["components"][f"commission{of}Percent"] for of in ("", "Interest", "Costs")]
    assert shares == ["20", None, "100"]


@pytest.mark.parametrize("language", ["de", "en"])
@pytest.mark.parametrize(
    ("components", "reason", "path"),
    [
        (
            {"costs": {"kind": "TIERED", "tiers": [{"upTo": "100", "amount": "15"}]}},
            "FINANCIALS_TIERS_GAP",
            "costs.tiers",
        ),
        ({"costs": {"kind": "PERCENT", "percent": "101"}}, "FINANCIALS_RANGE", "costs.percent"),
        ({"interest": {"kind": "BASE_PLUS"}}, "FINANCIALS_REQUIRED", "interest"),
        ({"costs": {"kind": "STATUTORY", "rule": "de.none"}}, "LAW_NO_COSTS", "costs.rule"),
    ],
)
def test_what_is_wrong_is_refused_with_its_place(
    agency: Agency, language: str, components: dict[str, Any], reason: str, path: str
) -> None:
    client = client_for(agency.services, language=language)
    given = {"portfolioId": agency.portfolio, "name": "B", "components": components}
    payload = client.attempt("bucketCreate", "bucket { id }", **given)
    (error,) = payload["errors"]
    assert (error["code"], error["params"]["reason"]) == ("INVALID", reason)
    assert error["path"] == ["input", "components", *path.split(".")]
    assert payload["bucket"] is None
    assert " " in error["message"]


def test_both_forms_at_once_are_refused(agency: Agency) -> None:
    (error,) = create(agency, name="B", financials={}, components={})["errors"]
    assert (error["params"]["reason"], error["path"]) == (
        "FINANCIALS_TWICE",
        ["input", "components"],
    )


def test_a_preview_explains_every_cent_by_german_law(agency: Agency) -> None:
    found = preview(agency, components=LAW)
    assert found["errors"] == []
    # 0.9 of 93.00 and 20 % of it, at most 20.00; 82 days at 1.52 + 5 percent.
    assert {k: v["amount"] for k, v in found["balance"].items()} == {
        "principal": "1000.00",
        "interest": "14.47" if found["lines"][-1]["inputs"]["segments"][0]["days"] == 81 else "",
        "costs": "100.44",
        "open": "1114.91",
    }
    assert [(line["rule"], line["amount"]["amount"]) for line in found["lines"]] == [
        ("", "1000.00"),
        ("de.rvg.2300.uncontested", "83.70"),
        ("de.rvg.7002", "16.74"),
        ("de.interest.288_1", "14.47"),
    ]
    assert found["lines"][-1]["citation"] == "§ 288(1) BGB"
    assert "base rate plus 5 percentage points" in found["lines"][-1]["text"]


def test_a_business_owes_nine_points_and_the_lump_sum_is_credited(agency: Agency) -> None:
    given = {**LAW, "costs": {"kind": "FIXED", "amount": "18.90"}}
    found = preview(agency, components=given, debtorKind="BUSINESS")
    assert found["balance"]["costs"]["amount"] == "40.00"
    assert found["lines"][-1]["rule"] == "de.interest.288_2"


def test_a_day_behind_the_published_rates_is_provisional(agency: Agency) -> None:
    found = preview(agency, components=LAW, asOf="2027-02-01")
    last = found["lines"][-1]
    assert (last["provisional"], last["inputs"]["provisionalFrom"]) == (True, "2027-01-01")
    assert not any(line["provisional"] for line in found["lines"][:-1])


@pytest.mark.parametrize("language", ["de", "en"])
@pytest.mark.parametrize(
    ("given", "reason", "path"),
    [
        ({"principal": {"amount": "0", "currency": "EUR"}}, "AMOUNT_NOT_POSITIVE", "principal"),
        ({"principal": {"amount": "0.001", "currency": "EUR"}}, "MONEY_DECIMALS", "principal"),
        ({"asOf": "2026-07-31"}, "PREVIEW_NO_DATE", "asOf"),
    ],
)
def test_a_preview_of_nonsense_is_refused(
    agency: Agency, language: str, given: dict[str, Any], reason: str, path: str
) -> None:
    found = preview(agency, language, components=LAW, **given)
    (error,) = found["errors"]
    assert (error["params"]["reason"], error["path"][1]) == (reason, path)
    assert (found["lines"], found["balance"]["open"]["amount"]) == ([], "0.00")


def test_components_can_be_read_from_the_bucket(agency: Agency) -> None:
    query = f"query($id: ID!) {{ node(id: $id) {{ ... on Bucket {{ name {TYPED} }} }} }}"
    bucket = agency.client.ask(query, id=agency.bucket)["node"]
    assert bucket["components"]["costs"]["amount"] == "40.00"
    assert bucket["components"]["interest"]["percent"] == "5"
