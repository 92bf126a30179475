"""A file with amounts and what was paid of them: it comes off once."""

from pathlib import Path
from typing import Any

import pytest

from finview.testing.factories import GERMAN, Agency, consumer, table
from finview.testing.story import Story


def imported(agency: Agency, folder: Path, header: str) -> Story:
    headers = {**GERMAN, "amount": header, "paid_amount": "Bereits gezahlt"}
    row = consumer(0, amount="70,00", paid_amount="30,00")
    return Story.reviewed(agency, table(folder, [row], headers=headers))


def sums(story: Story) -> tuple[str, str]:
    """Return the amount of the only invoice, and what is open of it."""
    asked = "invoices { amount { amount } } balance { principal { amount } }"
    (case,) = story.cases(asked)
    amount: Any = case["invoices"][0]["amount"]["amount"]
    return amount, case["balance"]["principal"]["amount"]


@pytest.mark.parametrize(
    ("header", "found"),
    [("Offener Betrag", ("100.00", "70.00")), ("Rechnungsbetrag", ("70.00", "40.00"))],
)
def test_what_was_paid_comes_off_once(
    agency: Agency, tmp_path: Path, header: str, found: tuple[str, str]
) -> None:
    assert sums(imported(agency, tmp_path, header).complete()) == found


def test_a_person_may_say_what_the_header_does_not(agency: Agency, tmp_path: Path) -> None:
    story = imported(agency, tmp_path, "Rechnungsbetrag")
    columns = f'{{ import(id: "{story.id}") {{ columns {{ index field }} }} }}'
    listed = agency.client.ask(columns)["import"]["columns"]
    index = next(column["index"] for column in listed if column["field"] == "amount")
    choice = {"index": index, "field": "amount", "options": {"amountIs": "OPEN"}}
    agency.client.do("importMap", "import { id }", importId=story.id, columns=[choice])
    agency.client.drain()
    assert sums(story.complete()) == ("100.00", "70.00")
    fields = "{ importFields(debtorKind: CONSUMER) { name meaning } }"
    told = {one["name"]: one["meaning"] for one in agency.client.ask(fields)["importFields"]}
    assert (told["city"], "amount due" in told["amount"]) == (None, True)
