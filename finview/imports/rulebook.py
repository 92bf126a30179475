"""The one table of review rules: code, section, what is said about it and how it is put right."""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, Final, Literal

from finview.i18n import N_, sentence, sentences

Section = Literal["READY", "NEEDS_CLEANSING", "FAULTY"]

READY: Final = "READY"
NEEDS_CLEANSING: Final = "NEEDS_CLEANSING"
FAULTY: Final = "FAULTY"

WEIGHT: Final[Mapping[str, int]] = MappingProxyType({READY: 0, NEEDS_CLEANSING: 1, FAULTY: 2})
"""A row stands in the section of its worst issue."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """One rule: `section` is where it puts a row; `required` where it does so in a required field.

    `hint` tells a person what to do; auto-fixes, which leave a row READY, have none.
    """

    code: str
    section: Section
    required: Section
    message: str
    hint: str | None = None


def _fixed(code: str, message: str) -> Rule:
    return Rule(code=code, section=READY, required=READY, message=message)


def _doubt(code: str, message: str, hint: str, required: Section = NEEDS_CLEANSING) -> Rule:
    return Rule(code=code, section=NEEDS_CLEANSING, required=required, message=message, hint=hint)


def _fault(code: str, message: str, hint: str) -> Rule:
    return Rule(code=code, section=FAULTY, required=FAULTY, message=message, hint=hint)


_FIXES: Final = (
    _fixed("AUTOFIX_WHITESPACE", N_("Superfluous blanks were removed.")),
    _fixed("AUTOFIX_CONTROL_CHARS", N_("Invisible control characters were removed.")),
    _fixed("AUTOFIX_MERGED_FILL", N_("Values of merged cells were filled down.")),
    _fixed("AUTOFIX_NAME_ORDER", N_("“{value}” was taken as last name, first name.")),
    _fixed("AUTOFIX_NAME_CASE", N_("The name in capitals “{value}” is written “{result}”.")),
    _fixed("AUTOFIX_NUMBER_TEXT", N_("The text “{value}” was read as a number.")),
    _fixed("AUTOFIX_FLOAT_NOISE", N_("“{value}” was rounded to {result}: a calculation error.")),
    _fixed("AUTOFIX_CURRENCY_DEFAULT", N_("Without a currency, {result} is taken.")),
    _fixed("AUTOFIX_CURRENCY_SYMBOL", N_("“{value}” was read as {result}.")),
    _fixed("AUTOFIX_DATE_TEXT", N_("“{value}” was read as a date.")),
    _fixed("AUTOFIX_DUE_DATE", N_("Without a due date, invoice date plus {days} days is taken.")),
    _fixed("AUTOFIX_PHONE", N_("The phone number “{value}” was completed to {result}.")),
    _fixed("AUTOFIX_PHONE_SPLIT", N_("Two phone numbers in one cell were separated: {result}.")),
    _fixed("AUTOFIX_EMAIL_CASE", N_("The domain of the e-mail address is in small letters.")),
    _fixed("AUTOFIX_LEADING_ZERO", N_("The postcode “{value}” got back its leading zero.")),
    _fixed("AUTOFIX_COUNTRY", N_("“{value}” was read as the country {result}.")),
    _fixed("AUTOFIX_LANGUAGE_DEFAULT", N_("“{value}” is not available; {result} is taken.")),
    _fixed("AUTOFIX_ID_NUMBER", N_("The number “{value}” was read as {result}.")),
)

_TEXTS: Final = (
    _doubt(
        "TEXT_MOJIBAKE",
        N_("“{value}” was saved with the wrong encoding; “{suggestion}” is probably meant."),
        N_("Accept the suggestion or correct the text."),
    ),
    _doubt(
        "CELL_ERROR",
        N_("The cell holds the Excel error {value} instead of a value."),
        N_("Enter the right value or clear the cell."),
        FAULTY,
    ),
    _doubt(
        "FORMULA_NOT_CALCULATED",
        N_("The cell holds a formula whose result was never saved."),
        N_("Enter the value, or open the file in Excel, save it and upload it again."),
        FAULTY,
    ),
    _doubt(
        "TEXT_TOO_LONG",
        N_("The text is longer than the {limit} characters this field holds."),
        N_("Shorten the text."),
    ),
    _doubt(
        "NUMBER_PRECISION_LOST",
        N_("“{value}” has more than 15 digits; Excel does not keep the last ones."),
        N_("Enter the number from the original document."),
    ),
    _fault(
        "ROW_SHAPE",
        N_("The row has more or fewer fields than the header, or a quotation mark is missing."),
        N_("Correct the row in the file and upload it again."),
    ),
)

_DEBTOR: Final = (
    _fault(
        "DEBTOR_NAME_MISSING",
        N_("There is neither a company nor a last name."),
        N_("Enter the name of the debtor."),
    ),
    _doubt(
        "NAME_SPLIT_UNSURE",
        N_("It is not clear which part of “{value}” is the last name."),
        N_("Enter the name as last name, first name."),
    ),
    _doubt(
        "DEBTOR_KIND_MISMATCH",
        N_("“{value}” does not fit a file of this debtor kind."),
        N_("Move the row to the other kind of import, or correct the name."),
    ),
    _doubt(
        "CONTACT_MISSING",
        N_("There is no address, phone number or e-mail address."),
        N_("Enter at least one way to reach the debtor."),
    ),
    _doubt(
        "DEBTOR_CONFLICT",
        N_("The number {value} stands in row {row} with another name or address."),
        N_("Correct the number, or enter the right name and address in both rows."),
    ),
    _doubt(
        "BIRTH_DATE_IMPLAUSIBLE",
        N_("The date of birth {value} makes the debtor {age} years old."),
        N_("Correct the date of birth or clear the cell."),
    ),
    _doubt(
        "PHONE_INVALID",
        N_("“{value}” is not a phone number that can be called."),
        N_("Correct the phone number or clear the cell."),
    ),
    _doubt(
        "PHONE_SPECIAL",
        N_("“{value}” is a short or premium-rate number."),
        N_("Enter the debtor's own number or clear the cell."),
    ),
    _doubt(
        "EMAIL_INVALID",
        N_("“{value}” is not an e-mail address."),
        N_("Correct the e-mail address or clear the cell."),
    ),
    _doubt(
        "EMAIL_DOMAIN_TYPO",
        N_("“{value}” is probably mistyped; “{suggestion}” may be meant."),
        N_("Accept the suggestion or confirm the address."),
    ),
    _doubt(
        "POSTCODE_INVALID",
        N_("“{value}” is not a postcode of the country {country}."),
        N_("Correct the postcode or the country."),
    ),
    _doubt(
        "COUNTRY_UNKNOWN",
        N_("“{value}” is not a known country."),
        N_("Enter the name or the two-letter code of the country."),
    ),
    _doubt(
        "IBAN_INVALID",
        N_("The IBAN {value} is not valid: length or check digits are wrong."),
        N_("Correct the IBAN or clear the cell."),
    ),
    _doubt(
        "VAT_INVALID",
        N_("The VAT number {value} is not valid: length or check digits are wrong."),
        N_("Correct the VAT number or clear the cell."),
    ),
)

_CLAIM: Final = (
    _fault("AMOUNT_MISSING", N_("The amount is missing."), N_("Enter the amount of the claim.")),
    _doubt(
        "AMOUNT_INVALID",
        N_("“{value}” is not an amount."),
        N_("Enter the amount as a number."),
        FAULTY,
    ),
    _fault("AMOUNT_ZERO", N_("The amount is zero."), N_("Enter the open amount or skip the row.")),
    _doubt(
        "AMOUNT_TOO_LARGE",
        N_("The amount “{value}” is larger than {limit}."),
        N_("Correct the amount."),
        FAULTY,
    ),
    _doubt(
        "AMOUNT_NEGATIVE",
        N_("The amount “{value}” is negative, as in a credit note."),
        N_("Set it off against another invoice of the same debtor, or skip the row."),
    ),
    _doubt(
        "AMOUNT_AMBIGUOUS",
        N_("“{value}” can be read in two ways: with a decimal sign or a thousands separator."),
        N_("Choose the number format of the column."),
    ),
    _doubt(
        "AMOUNT_PRECISION",
        N_("“{value}” has more decimals than {currency} has."),
        N_("Enter the amount with the decimals of the currency."),
    ),
    _doubt(
        "CURRENCY_AMBIGUOUS",
        N_("“{value}” can stand for several currencies: {possible}."),
        N_("Enter the three-letter code of the currency."),
    ),
    _fault(
        "CURRENCY_UNKNOWN",
        N_("“{value}” is not a known currency."),
        N_("Enter the three-letter code of the currency."),
    ),
    _doubt(
        "CURRENCY_MIXED",
        N_("The invoices of this debtor are in several currencies: {currencies}."),
        N_("Split the case by currency, or correct the currency."),
    ),
    Rule(
        code="INVOICE_NUMBER_MISSING",
        section=NEEDS_CLEANSING,
        required=FAULTY,
        message=N_("The invoice number is missing."),
        hint=N_("Enter the invoice number."),
    ),
    _fault(
        "DUPLICATE_INVOICE",
        N_("The same invoice of this debtor stands in row {row} already."),
        N_("Skip the row, or correct the invoice number."),
    ),
    _fault(
        "ALREADY_IMPORTED",
        N_("This invoice was imported before, in import {number}."),
        N_("Skip the row, or revert the earlier import."),
    ),
    _doubt(
        "DATE_AMBIGUOUS",
        N_("“{value}” can be read in two ways: day first or month first."),
        N_("Choose the date format of the column."),
    ),
    _doubt("DATE_INVALID", N_("“{value}” is not a date."), N_("Enter the date."), FAULTY),
    _fault("DATE_MISSING", N_("The invoice date is missing."), N_("Enter the invoice date.")),
    _doubt(
        "DATE_IN_FUTURE",
        N_("The invoice date {value} lies in the future."),
        N_("Correct the invoice date."),
    ),
    _doubt(
        "DUE_BEFORE_INVOICE",
        N_("The due date {value} lies before the invoice date {invoice_date}."),
        N_("Correct the due date or the invoice date."),
    ),
    _doubt(
        "CLAIM_LIMITATION",
        N_("The claim, due on {value}, may be time-barred since {limit}."),
        N_("Check the limitation period; correct the due date or skip the row."),
    ),
)

RULES: Final[Mapping[str, Rule]] = MappingProxyType(
    {rule.code: rule for rule in (*_FIXES, *_TEXTS, *_DEBTOR, *_CLAIM)}
)
"""Every rule by code."""

_HINT: Final = "{}.HINT"

CODES = sentences(
    {rule.code: rule.message for rule in RULES.values()}
    | {_HINT.format(rule.code): rule.hint for rule in RULES.values() if rule.hint}
)


def message(
    code: str, locale: str, params: Mapping[str, Any], suggestion: str | None = None
) -> str:
    """Return what is wrong, or what was repaired, as a sentence in `locale`."""
    return sentence(code, locale, {**params, "suggestion": suggestion or params.get("suggestion")})


def hint(code: str, locale: str) -> str | None:
    """Return what a person can do about it, in `locale`; None for what was repaired already."""
    rule = RULES.get(code)
    return sentence(_HINT.format(code), locale) if rule and rule.hint else None
