"""The timeline: one entry for each thing that happened, put into words on reading."""

from collections.abc import Mapping, Sequence
from contextlib import suppress
from datetime import date
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from finview import clock
from finview.cases.models import Case, TimelineEntry
from finview.db.base import table_of
from finview.db.bulk import bulk_insert
from finview.db.lists import one_of
from finview.i18n import N_, sentence, sentences
from finview.money import Money

CODES = sentences(
    {
        "TIMELINE_CASE_OPENED": N_("Case opened with {invoices} invoice(s) over {amount}."),
        "TIMELINE_CASE_LINKED": N_("Bucket assigned; its financial components apply."),
        "TIMELINE_CHARGES_APPLIED": N_("Costs and interest apply from {on}."),
        "TIMELINE_CHARGES_WITHDRAWN": N_("Costs and interest were withdrawn."),
        "TIMELINE_CASE_LAUNCHED": N_("Workflow started."),
        "TIMELINE_BREATHING_STARTED": N_("Breathing space from {start} to {end}."),
        "TIMELINE_BREATHING_ENDED": N_("Breathing space ended on {on}."),
        "TIMELINE_STATUS_CHANGED": N_("Status changed from {before} to {after}."),
        "TIMELINE_CASE_CLOSED": N_("Case closed: {reason}."),
        "TIMELINE_PAYMENT_RECORDED": N_("Payment of {amount} received on {on}."),
        "TIMELINE_PAYMENT_DIRECT": N_("Payment of {amount} received by the customer on {on}."),
        "TIMELINE_OVERPAID": N_("Overpaid by {amount}: to be refunded."),
        "TIMELINE_REFUNDED": N_("{amount} refunded: {reason}"),
        "TIMELINE_PLAN_AGREED": N_(
            "Payment plan agreed: {count} instalments over {amount}, the first due on {on}."
        ),
        "TIMELINE_PLAN_COSTS": N_(
            "Costs of {amount} for the payment plan charged; the notice was delivered on {on}."
        ),
        "TIMELINE_PLAN_COSTS_NOT": N_(
            "Costs of {amount} for the payment plan not charged: {reason}."
        ),
        "TIMELINE_PLAN_KEPT": N_("Every instalment of the payment plan is paid."),
        "TIMELINE_PLAN_BROKEN": N_("Payment plan broken: instalment {number} was not paid."),
        "TIMELINE_SETTLEMENT_AGREED": N_("Settlement agreed: {amount} by {on} ends the case."),
        "TIMELINE_SETTLEMENT_KEPT": N_("Settlement kept: {amount} were waived."),
        "TIMELINE_SETTLEMENT_CANCELLED": N_("Settlement cancelled: {reason}"),
        "TIMELINE_PLAN_CHANGED": N_("Payment plan changed: {reason}"),
        "TIMELINE_PLAN_CANCELLED": N_("Payment plan cancelled: {reason}"),
        "TIMELINE_PAYMENT_REVERSED": N_("Payment of {amount} of {on} reversed: {reason}"),
        "TIMELINE_GIVEN_UP": N_("{amount} given up: {reason}"),
        "TIMELINE_REST_WAIVED": N_("The rest of {amount} was waived."),
        "TIMELINE_CASE_REOPENED": N_("Case reopened: {reason}"),
        "TIMELINE_COSTS_ADDED": N_("Costs of {amount} added: {reason}"),
        "TIMELINE_COSTS_TAKEN": N_("Costs of {amount} taken away: {reason}"),
        "TIMELINE_INTEREST_ADDED": N_("Interest of {amount} added: {reason}"),
        "TIMELINE_INTEREST_TAKEN": N_("Interest of {amount} taken away: {reason}"),
        "TIMELINE_INVOICE_SUBJECT": N_("Subject of invoice {invoice} changed: {reason}"),
        "TIMELINE_INVOICE_AMOUNT": N_(
            "Amount of invoice {invoice} changed from {before} to {after}: {reason}"
        ),
        "TIMELINE_SETTLEMENT_LAPSED": N_("Settlement lapsed on {on}; the full claim stands."),
        "TIMELINE_DEBTOR_CREATED": N_("Debtor created."),
        "TIMELINE_DEBTOR_UPDATED": N_("Debtor data completed: {fields}."),
        "TIMELINE_CONTACT_ADDED": N_("Contact data added: {points}."),
        "STATUS_NEW": N_("new"),
        "STATUS_BREATHING_SPACE": N_("in breathing space"),
        "STATUS_ACTIVE": N_("active"),
        "STATUS_PAYMENT_PLAN": N_("in payment plan"),
        "STATUS_SETTLEMENT": N_("in settlement"),
        "STATUS_ON_HOLD": N_("on hold"),
        "STATUS_DISPUTED": N_("disputed"),
        "CLOSED_PAID_IN_FULL": N_("paid in full"),
        "CLOSED_PAID_IN_SETTLEMENT": N_("paid in settlement"),
        "CLOSED_WRITTEN_OFF": N_("written off"),
        "CLOSED_WITHDRAWN": N_("withdrawn"),
        "POINT_ADDRESS": N_("postal address"),
        "POINT_EMAIL_POINT": N_("e-mail address"),
        "POINT_PHONE_POINT": N_("phone number"),
        "POINT_BANK_ACCOUNT": N_("bank account"),
        "FIELD_FIRST_NAME": N_("first name"),
        "FIELD_LAST_NAME": N_("last name"),
        "FIELD_COMPANY_NAME": N_("company"),
        "FIELD_DATE_OF_BIRTH": N_("date of birth"),
        "FIELD_VAT_ID": N_("VAT number"),
        "FIELD_REGISTER_NO": N_("register number"),
        "FIELD_EMPLOYMENT": N_("employment"),
        "FIELD_IDENTITY_NO": N_("identity document number"),
        "FIELD_INDUSTRY": N_("industry"),
        "FIELD_REFERENCE": N_("reference"),
        "FIELD_KIND": N_("consumer or business"),
        "FIELD_LOCALE": N_("language"),
        "TIMELINE_DEBTOR_REVISED": N_("Debtor data changed: {fields}."),
    }
)


def note(
    session: Session,
    code: str,
    case_ids: Sequence[int],
    *,
    by: int | None,
    params: Mapping[str, Any] | None = None,
) -> None:
    """Write one entry per case; `by` is the user's id, None the system.

    `params` are JSON: dates as ISO text, amounts as `{"minor", "currency"}`, codes of sentences.
    """
    rows: list[dict[str, Any]] = []
    at, common = clock.now(), dict(params or {})
    for chunk in chunks(case_ids):
        found = session.execute(
            select(Case.id, Case.customer_id, Case.portfolio_id).where(one_of(Case.id, chunk))
        )
        rows.extend(
            entry(
                code,
                at=at,
                by=by,
                case_id=row.id,
                customer_id=row.customer_id,
                portfolio_id=row.portfolio_id,
                params=common,
            )
            for row in found
        )
    bulk_insert(session, table_of(TimelineEntry), rows)


def note_each(
    session: Session, code: str, each: Sequence[tuple[Case, Mapping[str, Any]]], *, by: int | None
) -> None:
    """Write one entry per case, each with its own `params`."""
    at = clock.now()
    rows = [
        entry(
            code,
            at=at,
            by=by,
            case_id=case.id,
            customer_id=case.customer_id,
            portfolio_id=case.portfolio_id,
            params=dict(params),
        )
        for case, params in each
    ]
    bulk_insert(session, table_of(TimelineEntry), rows)


def note_debtors(
    session: Session, code: str, each: Mapping[int, Mapping[str, Any]], *, by: int | None
) -> None:
    """Write one entry per debtor id in `each`; the agency's own people see it, customers don't."""
    at = clock.now()
    bulk_insert(
        session,
        table_of(TimelineEntry),
        [entry(code, at=at, by=by, debtor_id=key, params=dict(p)) for key, p in each.items()],
    )


def entry(code: str, **columns: Any) -> dict[str, Any]:
    """Return one row of the timeline, ready for `bulk_insert`."""
    return {
        "case_id": columns.get("case_id"),
        "debtor_id": columns.get("debtor_id"),
        "customer_id": columns.get("customer_id"),
        "portfolio_id": columns.get("portfolio_id"),
        "at": columns["at"],
        "code": code,
        "params": columns["params"],
        "actor_id": columns["by"],
    }


def entry_text(code: str, params: Mapping[str, Any], locale: str) -> str:
    """Return the sentence of an entry in `locale`; dates and amounts as the language writes them."""
    return sentence(code, locale, {name: readable(value, locale) for name, value in params.items()})


def readable(value: Any, locale: str) -> Any:
    """Return a stored parameter as the value it stands for, ready for a sentence."""
    if isinstance(value, Mapping) and value.keys() == {"minor", "currency"}:
        return Money(value["minor"], value["currency"])
    if isinstance(value, list):
        return [readable(item, locale) for item in value]
    if isinstance(value, str):
        if len(value) == 10 and value[4:5] == "-" == value[7:8] and value[:4].isdecimal():
            with suppress(ValueError):
                return date.fromisoformat(value)
        return sentence(value, locale) if value.isupper() else value
    return value


def chunks(ids: Sequence[int], size: int = 1_000) -> list[Sequence[int]]:
    """Cut a list of ids into pieces that fit a statement."""
    return [ids[start : start + size] for start in range(0, len(ids), size)]
