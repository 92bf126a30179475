"""The scalars of the schema, each with the standard it follows."""

from collections.abc import Mapping
from datetime import UTC, date, datetime
from decimal import Decimal, InvalidOperation
from typing import Any, NewType

import phonenumbers
import strawberry
from strawberry.scalars import JSON
from strawberry.types.scalar import ScalarDefinition

from finview.errors import Invalid

CurrencyCode = NewType("CurrencyCode", str)
CountryCode = NewType("CountryCode", str)
PhoneNumber = NewType("PhoneNumber", str)
LocaleCode = NewType("LocaleCode", str)


def _instant(value: datetime) -> str:
    return value.astimezone(UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")


def _parse_instant(value: str) -> datetime:
    parsed = datetime.fromisoformat(value)
    if parsed.tzinfo is None:
        raise ValueError("a DateTime needs a time zone")
    return parsed.astimezone(UTC)


def _parse_decimal(value: Any) -> Decimal:
    if not isinstance(value, str):
        raise TypeError("a Decimal is a string such as 1234.50")
    try:
        parsed = Decimal(value)
    except InvalidOperation:
        raise ValueError(f"not a Decimal: {value!r}") from None
    if not parsed.is_finite():
        raise ValueError(f"not a Decimal: {value!r}")
    return parsed


def _code(length: int, what: str) -> Any:
    def parse(value: Any) -> str:
        if not isinstance(value, str) or len(value) != length or not value.isascii():
            raise ValueError(f"not {what}: {value!r}")
        if not value.isalpha() or value.upper() != value:
            raise ValueError(f"not {what}: {value!r}")
        return value

    return parse


def _parse_phone(value: Any) -> str:
    try:
        number = phonenumbers.parse(str(value))
    except phonenumbers.NumberParseException:
        raise ValueError(f"not an E.164 number: {value!r}") from None
    return str(phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.E164))


SCALARS: Mapping[object, ScalarDefinition] = {
    Decimal: strawberry.scalar(
        name="Decimal",
        description='Decimal as a string, e.g. "1234.50".',
        serialize=str,
        parse_value=_parse_decimal,
        specified_by_url="https://speleotrove.com/decimal/daconvs.html",
    ),
    date: strawberry.scalar(
        name="Date",
        description="A calendar day, ISO 8601: 2026-11-22.",
        serialize=date.isoformat,
        parse_value=date.fromisoformat,
        specified_by_url="https://www.rfc-editor.org/rfc/rfc3339#section-5.6",
    ),
    datetime: strawberry.scalar(
        name="DateTime",
        description="An instant in UTC, ISO 8601 with Z.",
        serialize=_instant,
        parse_value=_parse_instant,
        specified_by_url="https://www.rfc-editor.org/rfc/rfc3339#section-5.6",
    ),
    CurrencyCode: strawberry.scalar(
        name="CurrencyCode",
        description="ISO 4217.",
        serialize=str,
        parse_value=_code(3, "an ISO 4217 code"),
        specified_by_url="https://www.iso.org/iso-4217-currency-codes.html",
    ),
    CountryCode: strawberry.scalar(
        name="CountryCode",
        description="ISO 3166-1 alpha-2.",
        serialize=str,
        parse_value=_code(2, "an ISO 3166-1 alpha-2 code"),
        specified_by_url="https://www.iso.org/iso-3166-country-codes.html",
    ),
    PhoneNumber: strawberry.scalar(
        name="PhoneNumber",
        description="E.164.",
        serialize=str,
        parse_value=_parse_phone,
        specified_by_url="https://www.itu.int/rec/T-REC-E.164",
    ),
    LocaleCode: strawberry.scalar(
        name="LocaleCode",
        description="A BCP 47 tag; de and en ship.",
        serialize=str,
        parse_value=str,
        specified_by_url="https://www.rfc-editor.org/rfc/rfc5646",
    ),
    JSON: strawberry.scalar(
        name="JSON",
        description="Any JSON value; only where the shape depends on a plugin or a person.",
        serialize=lambda value: value,
        parse_value=lambda value: value,
        specified_by_url="https://www.rfc-editor.org/rfc/rfc8259",
    ),
}


def as_object(value: Any, *path: str) -> dict[str, Any]:
    """Return a JSON object; null is empty; raises `Invalid` for any other JSON value."""
    if value is None or isinstance(value, dict):
        return value or {}
    raise Invalid(path=path)


__all__ = [
    "JSON",
    "SCALARS",
    "CountryCode",
    "CurrencyCode",
    "LocaleCode",
    "PhoneNumber",
    "as_object",
]
