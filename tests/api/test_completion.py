"""The mail at the end of a case, and what a case worker does by hand over the API."""

from decimal import Decimal
from typing import Any

import pytest

from finview.testing.client import client_for
from finview.testing.fixtures import At
from finview.testing.story import Story

EUR = {"currency": "EUR"}
SEEN = """case { id status closeReason balance { open { amount } } settlement { state payBy }
  paymentPlan { state } payments { id } timeline(first: 50) { nodes { kind } } }"""


@pytest.fixture
def story(at: At) -> Story:
    """Two launched cases of 100.00 and 101.00, each with 40.00 of costs and 5 % interest."""
    return at("LAUNCHED")


@pytest.fixture
def case(story: Story) -> str:
    return str(story.cases("id")[0]["id"])


def do(story: Story, mutation: str, **given: Any) -> dict[str, Any]:
    payload = story.client.attempt(mutation, SEEN, **given)
    assert payload["errors"] == []
    story.client.drain()
    return dict(payload["case"])


def pay(story: Story, case: str, amount: str, key: str = "p") -> dict[str, Any]:
    given = {"receivedOn": "2026-11-02", "idempotencyKey": key}
    return do(story, "paymentRecord", caseId=case, amount={"amount": amount, **EUR}, **given)


def mails(story: Story, words: str) -> list[str]:
    return [mail for mail in story.agency.outbox() if words in " ".join(mail.split())]


def undo(story: Story, mutation: str, case: str, reason: str) -> dict[str, Any]:
    """Call a mutation that takes a case and a reason."""
    text = f"mutation($c: ID!, $r: String!) {{ {mutation}(caseId: $c, reason: $r) "
    payload = story.client.ask(text + f"{{ {SEEN} errors {{ code }} }} }}", c=case, r=reason)
    assert payload[mutation]["errors"] == []
    story.client.drain()
    return dict(payload[mutation]["case"])


PAID, SETTLED = "ist seit dem 02.11.2026 abgeschlossen", "Damit ist der Vergleich erfüllt"


def test_a_paid_case_says_so_once_in_the_debtors_language(story: Story, case: str) -> None:
    story.agency.set("communication", paidInFullMail=True)
    assert pay(story, case, "500.00")["closeReason"] == "PAID_IN_FULL"
    story.client.drain()
    (mail,) = mails(story, PAID)
    assert "500,00" in mail


def test_a_kept_settlement_says_what_was_waived(story: Story, case: str) -> None:
    story.agency.set("communication", paidInSettlementMail=True, paidInFullMail=True)
    agreed = {"amount": {"amount": "60.00", **EUR}, "payBy": "2026-11-20"}
    found = do(story, "settlementAgree", caseId=case, **agreed)
    assert found["settlement"] == {"state": "OPEN", "payBy": "2026-11-20"}
    assert pay(story, case, "60.00")["closeReason"] == "PAID_IN_SETTLEMENT"
    (mail,) = mails(story, SETTLED)
    assert "60,00" in mail
    assert len(mails(story, PAID)) == 1


@pytest.mark.parametrize("reason", ["WRITTEN_OFF", "WITHDRAWN"])
def test_nothing_is_sent_on_a_write_off(story: Story, case: str, reason: str) -> None:
    story.agency.set("communication", paidInSettlementMail=True, paidInFullMail=True)
    given = {"closeReason": reason, "note": "insolvent", "idempotencyKey": "k"}
    found = do(story, "caseClose", caseId=case, **given)
    assert (found["closeReason"], found["balance"]["open"]["amount"]) == (reason, "0.00")
    assert mails(story, PAID) == []


def test_nothing_is_sent_while_the_setting_is_off(story: Story, case: str) -> None:
    pay(story, case, "500.00")
    assert mails(story, PAID) == []


def test_a_returned_payment_reopens_and_the_next_closing_is_told_again(
    story: Story, case: str
) -> None:
    story.agency.set("communication", paidInFullMail=True)
    payment = pay(story, case, "500.00")["payments"][0]["id"]
    given = {"paymentId": payment, "reason": "returned debit", "idempotencyKey": "r"}
    found = do(story, "paymentReverse", **given)
    assert (found["status"], found["payments"]) == ("ACTIVE", [])
    story.agency.later(hours=1)
    pay(story, case, "500.00", "again")
    assert len(mails(story, PAID)) == 2


def test_what_is_done_by_hand_shows_at_once(story: Story, case: str) -> None:
    adjust = {"kind": "COSTS", "reason": "bank fee", "idempotencyKey": "c"}
    before = pay(story, case, "1.00")["balance"]["open"]["amount"]
    amount = {"amount": "4.50", **EUR}
    after = do(story, "caseChargeAdjust", caseId=case, amount=amount, **adjust)
    assert Decimal(after["balance"]["open"]["amount"]) - Decimal(before) == Decimal("4.50")
    done = do(story, "paymentPlanCreate", caseId=case, instalments=2, firstDueOn="2026-11-20")
    assert done["paymentPlan"] == {"state": "ACTIVE"}
    ended = undo(story, "paymentPlanCancel", case, "moved away")
    assert (ended["status"], ended["paymentPlan"]) == ("ACTIVE", None)


def test_a_cancelled_settlement_lets_the_claim_stand(story: Story, case: str) -> None:
    before = pay(story, case, "1.00")["balance"]["open"]["amount"]
    agreed = {"amount": {"amount": "60.00", **EUR}, "payBy": "2026-11-20"}
    assert do(story, "settlementAgree", caseId=case, **agreed)["status"] == "SETTLEMENT"
    found = undo(story, "settlementCancel", case, "agreed by mistake")
    assert (found["status"], found["settlement"]["state"]) == ("ACTIVE", "CANCELLED")
    assert found["balance"]["open"]["amount"] == before


def test_a_withdrawn_case_can_be_reopened_with_what_was_open(story: Story, case: str) -> None:
    before = pay(story, case, "1.00")["balance"]["open"]["amount"]
    given = {"closeReason": "WITHDRAWN", "note": "by mistake", "idempotencyKey": "k"}
    assert do(story, "caseClose", caseId=case, **given)["status"] == "CLOSED"
    found = undo(story, "caseReopen", case, "the customer wants it back")
    assert (found["status"], found["closeReason"]) == ("ACTIVE", None)
    assert found["balance"]["open"]["amount"] == before


def test_a_corrected_invoice_changes_the_claim_and_keeps_the_reason(
    story: Story, case: str
) -> None:
    asked = f'{{ case(id: "{case}") {{ balance {{ principal {{ amount }} }} invoices {{ id }} }} }}'
    before = story.client.ask(asked)["case"]
    amount = {"amount": "90.00", **EUR}
    given = {"invoiceId": before["invoices"][0]["id"], "amount": amount, "reason": "credit note"}
    found = do(story, "invoiceUpdate", **given)
    assert "TIMELINE_INVOICE_AMOUNT" in [one["kind"] for one in found["timeline"]["nodes"]]
    assert story.client.ask(asked)["case"]["balance"]["principal"]["amount"] == "90.00"


@pytest.mark.parametrize("language", ["de", "en"])
def test_nonsense_is_refused_in_both_languages(story: Story, case: str, language: str) -> None:
    client = client_for(story.agency.services, language=language)
    given = {"caseId": case, "kind": "COSTS", "reason": "x", "idempotencyKey": "k"}
    amount = {"amount": "-999.00", **EUR}
    payload = client.attempt("caseChargeAdjust", "case { id }", amount=amount, **given)
    (error,) = payload["errors"]
    assert (error["code"], error["params"]["reason"]) == ("INVALID", "CHARGE_ABOVE_OPEN")
    assert error["path"] == ["input", "amount", "amount"]
    assert payload["case"] is None
