"""The rules that need one cell only: from (text, type) to a value with its issues."""

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from finview.imports.cells import Cell, ColumnFormat, clean, visible
from finview.imports.checked import (
    AUTO_FIX,
    FILE,
    Context,
    Issue,
    Scalar,
    Value,
    issue,
)
from finview.imports.contacts import masked, read_email, read_iban, read_language, read_vat
from finview.imports.currencies import places, read_currency
from finview.imports.dates import Day, read_date, read_date_cell, read_serial
from finview.imports.fields import FIELDS
from finview.imports.numbers import INVALID, Number, read_number, read_repr, to_minor
from finview.imports.phones import read_phones
from finview.imports.places import nearest_country, read_country, read_postcode, town_abroad

AMOUNT_MAX: Final = 1_000_000_000
"""In major units; a larger claim is a mistake of columns or signs."""

_DIGITS_KEPT = 15
"""Excel's floating point numbers keep this many digits."""

_PLUGIN_MAX_LENGTH = 2000
_SHOWN = 200
"""Characters of a raw value that a message repeats."""

_WHOLE = re.compile(r"(-?\d+)\.0+")
_ROUNDED = re.compile(r"\d([.,]\d+)?E\+?\d{2,3}", re.IGNORECASE)
_ERASED = re.compile(r"[\s\-–—_.?/]*")
"""What people type for "nothing": a field of these only is blank."""

NO_VALUE: Final = Value()


@dataclass(frozen=True, slots=True, kw_only=True)
class Checked:
    """A cell after its rules; `number` keeps the currency sign of an amount, `second` a phone."""

    value: Value = NO_VALUE
    issues: tuple[Issue, ...] = ()
    number: Number | None = None
    second: str | None = None


EMPTY: Final = Checked()

Rule = Callable[[str, str, Cell, Context], Checked]
"""(field, cleaned text, the cell itself, context) → what it is."""


def kind_of(name: str) -> str:
    """Return the kind of a field; fields of plugins are text."""
    known = FIELDS.get(name)
    return known.kind if known else "text"


def check_cell(name: str, cell: Cell, ctx: Context) -> Checked:
    """Check a cell by the kind of its field. Amounts, postcodes and VAT numbers need more."""
    text, kind = cell
    if kind == "" or not text:
        return broken(name, cell, ctx) if kind == "f" else EMPTY
    if kind in {"e", "f"}:
        return broken(name, cell, ctx)
    rule = _RULES[kind_of(name)]
    if kind != "s" and visible(text) == text:
        return rule(name, text, cell, ctx)
    cell = (text, "s")  # a number or date with control characters in it is but a text
    tidy = clean(text, lines=name == "notes")
    if not tidy.text:
        return EMPTY
    checked = rule(name, tidy.text, cell, ctx)
    if not (tidy.blanks or tidy.controls or tidy.repair):
        return checked
    return _tidied(name, checked, tidy.blanks, tidy.controls, tidy.repair)


def broken(name: str, cell: Cell, ctx: Context) -> Checked:
    """Return what an error cell, or a formula that was never calculated, is."""
    text, kind = cell
    raw = visible(text)
    code = "CELL_ERROR" if kind == "e" else "FORMULA_NOT_CALCULATED"
    found = issue(code, name, required=ctx.required(name), value=raw[:_SHOWN])
    return Checked(value=Value(raw=raw), issues=(found,))


def _tidied(
    name: str, checked: Checked, blanks: bool, controls: bool, repair: str | None
) -> Checked:
    """Note what cleaning did; numbers and dates are read whatever blanks stand around them."""
    kind = kind_of(name)
    notes: list[Issue] = []
    if blanks and kind not in {"amount", "date"}:
        notes.append(issue("AUTOFIX_WHITESPACE", name))
    if controls:
        notes.append(issue("AUTOFIX_CONTROL_CHARS", name))
    issues = checked.issues
    if repair and kind in {"text", "name", "street", "city", "country"}:
        shown = str(checked.value.value or checked.value.raw)[:_SHOWN]
        doubt = issue("TEXT_MOJIBAKE", name, value=shown, suggestion=repair)
        issues = (*(i for i in issues if i.code != "COUNTRY_UNKNOWN"), doubt)
    return _with(checked, (*notes, *issues))


def _with(checked: Checked, issues: tuple[Issue, ...]) -> Checked:
    old = checked.value
    value = make_value(old.raw, old.value, issues)
    return Checked(value=value, issues=issues, number=checked.number, second=checked.second)


def make_value(raw: str | None, value: Scalar, issues: tuple[Issue, ...]) -> Value:
    """Return a value whose source follows from what had to be repaired."""
    if not issues:
        return Value(raw=raw, value=value)
    codes = tuple(i.code for i in issues if i.section == "READY")
    return Value(raw=raw, value=value, source=AUTO_FIX if codes else FILE, codes=codes)


def made(cell: Cell, value: Scalar, *issues: Issue) -> Checked:
    """Return a checked cell of this value and these issues."""
    raw = visible(cell[0])
    return Checked(value=make_value(raw, value, issues), issues=issues)


def shown(cell: Cell) -> str:
    """Return the raw text as a message repeats it."""
    return visible(cell[0]).strip()[:_SHOWN]


# Texts ------------------------------------------------------------------------------------------


def _text(name: str, text: str, cell: Cell, ctx: Context) -> Checked:
    del ctx
    known = FIELDS.get(name)
    limit = known.max_length if known else _PLUGIN_MAX_LENGTH
    issues: tuple[Issue, ...] = ()
    if cell[1] == "n":
        text, issues = _number_as_text(name, text)
    elif cell[1] == "d":
        text = text[:10] if text[10:] in {"", "T00:00:00", " 00:00:00"} else text
    elif len(text) > limit:
        issues = (issue("TEXT_TOO_LONG", name, limit=limit),)
    return made(cell, text, *issues)


def _number_as_text(name: str, text: str) -> tuple[str, tuple[Issue, ...]]:
    """Write a number cell as the text that was meant: 12345.0 is 12345."""
    number = read_repr(text)
    whole = number.text if number.state == "CLEAR" else text
    if "." in whole:
        whole = whole.rstrip("0").rstrip(".")
    if number.scale <= 0 or "." not in whole:
        digits = whole.lstrip("-")
        if len(digits) > _DIGITS_KEPT:
            return whole, (issue("NUMBER_PRECISION_LOST", name, value=whole),)
    if whole != text and kind_of(name) == "number":
        return whole, (issue("AUTOFIX_ID_NUMBER", name, value=text, result=whole),)
    return whole, ()


def _number(name: str, text: str, cell: Cell, ctx: Context) -> Checked:
    """A number that names something (invoice, client, register)."""
    if cell[1] == "s":
        if _ERASED.fullmatch(text):
            return EMPTY
        if whole := _WHOLE.fullmatch(text):
            found = issue("AUTOFIX_ID_NUMBER", name, value=text, result=whole[1])
            return made(cell, whole[1], found)
        if _ROUNDED.fullmatch(text):
            return made(cell, text, issue("NUMBER_PRECISION_LOST", name, value=text))
    return _text(name, text, cell, ctx)


def _place(name: str, text: str, cell: Cell, ctx: Context) -> Checked:
    return EMPTY if _ERASED.fullmatch(text) else _text(name, text, cell, ctx)


def _email(name: str, text: str, cell: Cell, ctx: Context) -> Checked:
    del ctx
    if _ERASED.fullmatch(text):
        return EMPTY
    email = read_email(text)
    if email.state == "INVALID":
        found = issue("EMAIL_INVALID", name, value=shown(cell), suggestion=email.suggestion)
        return made(cell, None, found)
    if email.state == "TYPO":
        found = issue("EMAIL_DOMAIN_TYPO", name, value=email.address, suggestion=email.suggestion)
        return made(cell, email.address, found)
    if email.state == "CASED":
        return made(cell, email.address, issue("AUTOFIX_EMAIL_CASE", name))
    return made(cell, email.address)


def _phone(name: str, text: str, cell: Cell, ctx: Context) -> Checked:
    if cell[1] == "n":
        text = _number_as_text(name, text)[0]
    phones = read_phones(text, ctx.phone_country)
    if not phones:
        return EMPTY
    first = phones[0]
    if first.state == "INVALID":
        return made(cell, None, issue("PHONE_INVALID", name, value=shown(cell)))
    if first.state == "SPECIAL":
        return made(cell, first.e164 or None, issue("PHONE_SPECIAL", name, value=shown(cell)))
    issues: list[Issue] = []
    if any(phone.state == "REPAIRED" for phone in phones):
        issues.append(issue("AUTOFIX_PHONE", name, value=shown(cell), result=first.e164))
    second = phones[1].e164 if len(phones) > 1 else None
    if second:
        both = [phone.e164 for phone in phones]
        issues.append(issue("AUTOFIX_PHONE_SPLIT", name, value=shown(cell), result=both))
    checked = made(cell, first.e164, *issues)
    return Checked(value=checked.value, issues=checked.issues, second=second)


def _country(name: str, text: str, cell: Cell, ctx: Context) -> Checked:
    del ctx
    if _ERASED.fullmatch(text):
        return EMPTY
    code = read_country(text)
    if code is None:
        near = nearest_country(text)
        return made(cell, None, issue("COUNTRY_UNKNOWN", name, value=shown(cell), suggestion=near))
    if code == text:
        return made(cell, code)
    return made(cell, code, issue("AUTOFIX_COUNTRY", name, value=shown(cell), result=code))


def _iban(name: str, text: str, cell: Cell, ctx: Context) -> Checked:
    del ctx
    if _ERASED.fullmatch(text):
        return EMPTY
    iban = read_iban(text)
    if iban is None:
        return made(cell, None, issue("IBAN_INVALID", name, value=masked(shown(cell))))
    return made(cell, iban)


def _language(name: str, text: str, cell: Cell, ctx: Context) -> Checked:
    if _ERASED.fullmatch(text):
        return EMPTY
    language = read_language(text)
    if language is None:
        found = issue("AUTOFIX_LANGUAGE_DEFAULT", name, value=shown(cell), result=ctx.language)
        return made(cell, ctx.language, found)
    return made(cell, language)


def _currency(name: str, text: str, cell: Cell, ctx: Context) -> Checked:
    if _ERASED.fullmatch(text):
        return EMPTY
    currency = read_currency(text, ctx.currency)
    if currency.code is None:
        if currency.possible:
            found = issue(
                "CURRENCY_AMBIGUOUS",
                name,
                value=shown(cell),
                possible=list(currency.possible),
                suggestion=currency.possible[0],
            )
        else:
            found = issue("CURRENCY_UNKNOWN", name, value=shown(cell))
        return made(cell, None, found)
    if currency.exact:
        return made(cell, currency.code)
    found = issue("AUTOFIX_CURRENCY_SYMBOL", name, value=shown(cell), result=currency.code)
    return made(cell, currency.code, found)


# Dates ------------------------------------------------------------------------------------------

_NO_FORMAT: Final = ColumnFormat()


def _date(name: str, text: str, cell: Cell, ctx: Context) -> Checked:
    form = ctx.formats.get(name, _NO_FORMAT)
    day = _day(name, text, cell[1], form, ctx)
    if day.state == "CLEAR":
        if cell[1] == "d" or (cell[1] == "s" and not ctx.typed):
            return made(cell, day.iso)
        return made(cell, day.iso, issue("AUTOFIX_DATE_TEXT", name, value=shown(cell)))
    if cell[1] == "s" and _ERASED.fullmatch(text):
        return EMPTY
    if day.state == "AMBIGUOUS":
        likely = day.readings[1 if form.likely == "MDY" else 0]
        found = issue("DATE_AMBIGUOUS", name, value=shown(cell), suggestion=likely)
        return made(cell, None, found)
    found = issue("DATE_INVALID", name, required=ctx.required(name), value=shown(cell))
    return made(cell, None, found)


def _day(name: str, text: str, kind: str, form: ColumnFormat, ctx: Context) -> Day:
    if kind == "d":
        return read_date_cell(text)
    if kind == "n":
        return read_serial(text, form.date_order, mac=ctx.mac_dates)
    past = name == "date_of_birth"
    return read_date(text, form.date_order, ctx.today.year, past=past, mac=ctx.mac_dates)


# What depends on another cell -------------------------------------------------------------------


def _later(name: str, text: str, cell: Cell, ctx: Context) -> Checked:
    """Amounts wait for the currency, postcodes and VAT numbers for the country."""
    del name, ctx
    return made(cell, text)


def check_amount(name: str, cell: Cell, currency: str, ctx: Context) -> Checked:
    """Check an amount in minor units of `currency`; `number` of the result has its currency sign."""
    text, kind = cell
    if kind == "" or not text.strip():
        return broken(name, cell, ctx) if kind == "f" else EMPTY
    if kind in {"e", "f"}:
        return broken(name, cell, ctx)
    number = read_amount(name, cell, ctx)
    required = ctx.required(name)
    if number.state == "INVALID":
        if not required and kind == "s" and _ERASED.fullmatch(text):
            return EMPTY
        return made(cell, None, issue("AMOUNT_INVALID", name, required=required, value=shown(cell)))
    if number.state == "AMBIGUOUS":
        return made(cell, None, _ambiguous(name, cell))
    minor, fit = to_minor(number, places(currency))
    notes: list[Issue] = []
    if kind == "s" and ctx.typed:
        notes.append(issue("AUTOFIX_NUMBER_TEXT", name, value=shown(cell)))
    if fit == "NOISE":
        result = major_text(minor, currency)
        notes.append(issue("AUTOFIX_FLOAT_NOISE", name, value=shown(cell), result=result))
    doubt = _amount_doubt(name, cell, minor, fit, currency, required=required)
    value = None if doubt and doubt.code in {"AMOUNT_PRECISION", "AMOUNT_TOO_LARGE"} else minor
    checked = made(cell, value, *notes, *((doubt,) if doubt else ()))
    return Checked(value=checked.value, issues=checked.issues, number=number)


def read_amount(name: str, cell: Cell, ctx: Context) -> Number:
    """Read an amount cell in the column's format; the value of `number` still has no currency."""
    text, kind = cell
    if kind == "n":
        return read_repr(text)
    if kind != "s":
        return INVALID
    return read_number(text, ctx.formats.get(name, _NO_FORMAT).decimal)


def major_text(minor: int, currency: str) -> str:
    """Return minor units as a plain decimal text."""
    return Number(state="CLEAR", coefficient=minor, scale=places(currency)).text


def _ambiguous(name: str, cell: Cell) -> Issue:
    """Suggest the thousands: three decimals are rare, and the answer must not be ambiguous again."""
    thousands = f"{read_number(cell[0]).text}.00"
    return issue("AMOUNT_AMBIGUOUS", name, value=shown(cell), suggestion=thousands)


def _amount_doubt(
    name: str, cell: Cell, minor: int, fit: str, currency: str, *, required: bool
) -> Issue | None:
    value = shown(cell)
    if abs(minor) > AMOUNT_MAX * 10 ** places(currency):
        return issue("AMOUNT_TOO_LARGE", name, required=required, value=value, limit=AMOUNT_MAX)
    if fit == "PRECISION":
        rounded = major_text(minor, currency)
        return issue("AMOUNT_PRECISION", name, value=value, currency=currency, suggestion=rounded)
    if minor == 0 and required:
        return issue("AMOUNT_ZERO", name)
    if minor < 0:
        return issue("AMOUNT_NEGATIVE", name, value=value)
    return None


def check_postcode(
    cell: Cell, country: str, city: str, ctx: Context, *, stated: bool = True
) -> Checked:
    """Check a postcode by its country; `stated` False: the country is only the import's usual one.

    Four digits of a German row lost a zero, unless the town is known to be Austrian or Swiss.
    """
    first = check_cell("postcode", cell, ctx)
    text = first.value.value
    if not isinstance(text, str):
        return first
    if cell[1] == "n":
        text = _number_as_text("postcode", text)[0]
    if _ERASED.fullmatch(text):
        return EMPTY
    whole = _WHOLE.fullmatch(text)  # a number cell that went through a CSV
    text, number = (whole[1], True) if whole else (text, cell[1] == "n")
    state, code = read_postcode(text, country, number=number)
    if state == "ZERO" and country == "DE" and city and (abroad := town_abroad(city)):
        state = "INVALID" if stated else read_postcode(text, abroad)[0]
        code = text
    if state == "INVALID":
        found = issue("POSTCODE_INVALID", "postcode", value=shown(cell), country=country)
        return made(cell, None, *first.issues, found)
    if state == "ZERO":
        found = issue("AUTOFIX_LEADING_ZERO", "postcode", value=shown(cell), result=code)
        return made(cell, code, *first.issues, found)
    return made(cell, code, *first.issues)


def check_vat(cell: Cell, country: str, ctx: Context) -> Checked:
    """Check a VAT number; `country` is for one without prefix."""
    first = check_cell("vat_id", cell, ctx)
    if not isinstance(first.value.value, str):
        return first
    text = first.value.value
    if _ERASED.fullmatch(text):
        return EMPTY
    if cell[1] == "n":
        text = _number_as_text("vat_id", text)[0]
    vat = read_vat(text, country)
    if vat is None:
        found = issue("VAT_INVALID", "vat_id", value=masked(shown(cell)))
        return made(cell, None, *first.issues, found)
    return made(cell, vat, *first.issues)


_RULES: Final[dict[str, Rule]] = {
    "text": _text,
    "name": _text,
    "email": _email,
    "phone": _phone,
    "street": _place,
    "postcode": _later,
    "city": _place,
    "country": _country,
    "amount": _later,
    "date": _date,
    "currency": _currency,
    "number": _number,
    "vat": _later,
    "iban": _iban,
    "language": _language,
}
