"""The shipped wording of messages to debtors: subjects stay neutral, bodies are made of blocks.

The eight blocks of a first demand are those of § 13a RDG, numbered as in its paragraph 1; a block
that is not due for a case renders empty.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from finview.i18n import N_

BLOCKS: Mapping[str, str] = {
    "ground": N_(
        "{contract_subject}, contract of {contract_date}, invoice {invoice_no} of {invoice_date}."
    ),
    "ground_subject": N_("{contract_subject}, invoice {invoice_no} of {invoice_date}."),
    "ground_contract": N_("Contract of {contract_date}, invoice {invoice_no} of {invoice_date}."),
    "ground_invoice": N_("Invoice {invoice_no} of {invoice_date}."),
    "creditor": N_("The claim is owned by {creditor}."),
    "interest": N_("Interest on the open principal up to {today}: {interest_amount}."),
    "higher_rate": N_(
        "The rate of {interest_rate} is above the statutory default rate of {statutory_rate}. "
        "Reason: {higher_rate_reason}."
    ),
    "costs": N_("Costs: {costs_amount}, arising from the collection of this claim."),
    "vat": N_("{client} cannot deduct the VAT included as input tax."),
    "address_origin": N_(
        "Your address was not supplied by {creditor}; we traced it. If it is wrong, please tell us."
    ),
    "instalment_days": N_(
        "Instalment {instalment_no} of {count}, {amount}, is due in {days} days, on {due_on}."
    ),
    "instalment_tomorrow": N_(
        "Instalment {instalment_no} of {count}, {amount}, is due tomorrow, on {due_on}."
    ),
    "instalment_today": N_(
        "Instalment {instalment_no} of {count}, {amount}, is due today, on {due_on}."
    ),
    "instalment_past": N_("Instalment {instalment_no} of {count}, {amount}, was due on {due_on}."),
    "authority": N_("Supervisory authority: {authority}."),
    "privacy": N_(
        "How we process your data and where we obtained it ({data_source}): {privacy_link}."
    ),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class MessageType:
    """A message: its subject, its body with blocks in square brackets, and what it asserts.

    One that `completes` is sent when a case was closed; every other one is not sent any more then.
    `sms` is what it says as a text message, empty when it has no such form. One that is `required`
    by law goes by letter to whoever wants no e-mail; one that belongs `in_agreement` is sent while
    the debtor keeps a payment plan or a settlement, when every other is not.
    """

    id: str
    subject: str
    body: str
    asserts_claim: bool = False
    first_demand: bool = False
    completes: bool = False
    sms: str = ""
    required: bool = False
    in_agreement: bool = False


MESSAGES: Mapping[str, MessageType] = {
    message.id: message
    for message in (
        MessageType(
            id="breathing_space_notice",
            subject=N_("Your case {case} – please check by {pay_by}"),
            body=N_(
                "{mandate} has asked us to contact you about unpaid invoices of "
                "{claim}.\n\n[ground]\n[creditor]\n[interest]\n[higher_rate]\n[costs]\n[vat]\n\n"
                "Until {pay_by} no further charges will arise from our involvement. Please pay by "
                "then, or tell us what stands in the way: {reply_to}. If you have already paid, "
                "please disregard this message.\n\n[address_origin]\n[authority]\n[privacy]"
            ),
            asserts_claim=True,
            first_demand=True,
            required=True,
        ),
        MessageType(
            id="first_demand",
            subject=N_("Your case {case}"),
            body=N_(
                "On behalf of {mandate} we are claiming the following:\n\n"
                "[ground]\n[creditor]\n\nPrincipal: {principal}\nInterest: {interest_amount}\n"
                "Costs: {costs_amount}\nPayments: {payments}\nTotal: {open_amount}\n\n[interest]\n"
                "[higher_rate]\n[costs]\n[vat]\n\nPlease pay {open_amount} by {pay_by}. You may "
                "also pay in instalments or tell us your objections: {reply_to}.\n\n"
                "[address_origin]\n[authority]\n[privacy]"
            ),
            asserts_claim=True,
            first_demand=True,
            required=True,
        ),
        MessageType(
            id="reminder",
            subject=N_("Reminder about your case {case}"),
            body=N_(
                "{open_amount} is still open on case {case}. Please pay by {pay_by}. Is that "
                "difficult at the moment? You can arrange instalments: {reply_to}."
            ),
            asserts_claim=True,
            sms=N_("{unit}: please get in touch about your case {case}: {reply_to}"),
        ),
        MessageType(
            id="plan_reminder",
            subject=N_("Your case {case} – date {due_on}"),
            body=N_(
                "[instalment] Please quote {case}. If you can't meet the date, tell us beforehand: "
                "{reply_to}."
            ),
            sms=N_("{unit}: date {due_on} on your case {case}: {reply_to}"),
            in_agreement=True,
        ),
        MessageType(
            id="plan_missed",
            subject=N_("Your case {case} – please reply by {new_date}"),
            body=N_(
                "We haven't received your instalment of {amount} due on {due_on}. If your payment "
                "has crossed with this message, all is well. Otherwise please make it up by "
                "{new_date} or get in touch: {reply_to}."
            ),
            in_agreement=True,
        ),
        MessageType(
            id="case_closed_paid",
            subject=N_("Your case {case} is closed"),
            body=N_(
                "We have received your payments of {payments} in full. Case {case} was closed on "
                "{closed_on}; there is nothing more to do. Thank you. Please keep this message as "
                "confirmation."
            ),
            completes=True,
        ),
        MessageType(
            id="case_closed_settled",
            subject=N_("Your case {case} is complete"),
            body=N_(
                "The agreed settlement amount of {settlement_amount} was received in full on "
                "{paid_on}. This fulfils the settlement; the remaining {waived_amount} is waived. "
                "Case {case} was closed on {closed_on}; there is nothing more to do. Thank you. "
                "Please keep this message as confirmation."
            ),
            completes=True,
        ),
    )
}

# Gender is never guessed: without a salutation people are greeted by their full name.
GREETING_PERSON = N_("Dear {name},")
GREETING_COMPANY = N_("Dear Sir or Madam,")
CLOSING_PERSON = N_("Yours sincerely")
CLOSING_COMPANY = N_("Yours faithfully")
