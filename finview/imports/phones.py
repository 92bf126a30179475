"""Phone numbers as written to E.164: a fast path by the numbering plan, else phonenumbers."""

import re
import unicodedata
from dataclasses import dataclass
from functools import cache, lru_cache
from typing import Final, Literal

import phonenumbers
from phonenumbers import PhoneNumberType
from phonenumbers.shortnumberinfo import is_valid_short_number_for_region

from finview.text import CACHE

State = Literal["VALID", "REPAIRED", "SPECIAL", "INVALID"]

_SPECIAL: Final = frozenset(
    {
        PhoneNumberType.PREMIUM_RATE,
        PhoneNumberType.SHARED_COST,
        PhoneNumberType.VOICEMAIL,
        PhoneNumberType.PAGER,
    }
)
_PLAIN = re.compile(r"\+?[\d\s()/.\-]+")
_NO_DIGIT = re.compile(r"[\s()/.\-+]+")
_LABEL = re.compile(
    r"(?:tel(?:efon)?|phone|fon|mob(?:il)?(?:e|nr|nummer)?|handy|cell|privat|dienstl(?:ich)?|"
    r"gesch(?:äftlich)?|home|work|office|[tmph])\.?(?:\s*-?\s*(?:nr|no|nummer|number)\.?)?\s*[.:]?\s*"
    r"(?=[+\d(])",
    re.IGNORECASE,
)
_REMARK = re.compile(r"\s*\(?\s*[^\W\d_][^\W\d_ .]*\.?\s*\)?$")
_APART = re.compile(r"\s*(?:[;|,\n]|\s/\s|\s(?:oder|or|und|and|bzw\.?)\s)\s*", re.IGNORECASE)
_TRUNK_ABROAD = re.compile(r"(\+\s*\d{1,3}|\b00\s?\d{1,3})[\s./\-]*\(\s*0\s*\)")
_DASHES = str.maketrans({"–": "-", "—": "-", "‐": "-", "‑": "-", "−": "-", "⁄": "/", "\\": "/"})
_LONG_ENOUGH = 11
"""From this many digits on, a number that starts with the country code lost its plus sign."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Phone:
    """One number in E.164, or none; `mobile` as far as the plan of its country tells."""

    state: State
    e164: str = ""
    mobile: bool = False


INVALID: Final = Phone(state="INVALID")


@lru_cache(CACHE)
def read_phones(text: str, country: str) -> tuple[Phone, ...]:
    """Read a phone cell: no number (only dashes), one, or two; `country` is for local numbers.

    Two numbers are told apart only when both are valid, so that "030/1234567" stays one.
    """
    plain = unicodedata.normalize("NFKC", text).translate(_DASHES).strip()
    if _NO_DIGIT.fullmatch(plain):
        return ()
    parts = [part for part in _APART.split(plain) if part]
    if len(parts) == 1 and plain.count("/") == 1:
        parts = plain.split("/")
        if (whole := _one(plain, country)).state != "INVALID":
            return (whole,)
    if len(parts) > 1:
        numbers = tuple(_one(part, country) for part in parts)
        if all(number.state in {"VALID", "REPAIRED"} for number in numbers):
            return tuple({number.e164: number for number in numbers}.values())
    return (_one(plain, country),)


def _one(text: str, country: str) -> Phone:
    bare = _LABEL.sub("", text, count=1) if text[:1].isalpha() else text
    if bare[-1:].isalpha() or bare[-1:] in ").":
        bare = _REMARK.sub("", bare) or bare
    repaired = bare != text
    if (trunk := _TRUNK_ABROAD.sub(r"\1 ", bare)) != bare:
        bare, repaired = trunk, True
    if _PLAIN.fullmatch(bare):
        phone = _by_plan("".join(c for c in bare if c in "+0123456789"), country)
        if phone is not None:
            return _marked(phone, repaired=repaired)
    phone = _by_library(bare, country)
    return _marked(phone, repaired=repaired)


def _marked(phone: Phone, *, repaired: bool) -> Phone:
    if not repaired or phone.state != "VALID":
        return phone
    return Phone(state="REPAIRED", e164=phone.e164, mobile=phone.mobile)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Plan:
    code: str
    fixed: re.Pattern[str]
    fixed_lengths: frozenset[int]
    mobile: re.Pattern[str]
    mobile_lengths: frozenset[int]


@cache
def _plan(country: str) -> _Plan | None:
    """Return the plan of a country with trunk prefix 0 and nothing special about it, else None."""
    data = phonenumbers.PhoneMetadata.metadata_for_region(country)
    if data is None or data.national_prefix != "0" or data.national_prefix_transform_rule:
        return None
    fixed, mobile, general = data.fixed_line, data.mobile, data.general_desc
    if not (fixed and mobile and general):
        return None
    if not fixed.national_number_pattern or not mobile.national_number_pattern:
        return None
    return _Plan(
        code=str(data.country_code),
        fixed=re.compile(fixed.national_number_pattern),
        fixed_lengths=frozenset(fixed.possible_length or general.possible_length),
        mobile=re.compile(mobile.national_number_pattern),
        mobile_lengths=frozenset(mobile.possible_length or general.possible_length),
    )


def _by_plan(digits: str, country: str) -> Phone | None:
    """Read 0… and +cc… by the plan; None when the library has to decide."""
    plan = _plan(country)
    if plan is None:
        return None
    if digits.startswith("+" + plan.code):
        national, repaired = digits[1 + len(plan.code) :], False
    elif digits.startswith("00" + plan.code):
        national, repaired = digits[2 + len(plan.code) :], True
    elif digits.startswith("0") and not digits.startswith("00"):
        national, repaired = digits[1:], False
    else:
        return None
    if national.startswith("0"):
        return None
    size = len(national)
    if size in plan.mobile_lengths and plan.mobile.fullmatch(national):
        mobile = True
    elif size in plan.fixed_lengths and plan.fixed.fullmatch(national):
        mobile = False
    else:
        return None
    return Phone(
        state="REPAIRED" if repaired else "VALID",
        e164=f"+{plan.code}{national}",
        mobile=mobile,
    )


def _by_library(text: str, country: str) -> Phone:
    digits = "".join(c for c in text if c.isdecimal())
    if len(digits) > 20 or not digits:
        return INVALID
    phone = _parsed(text, country)
    plus = text.lstrip().startswith(("+", "(+"))
    if plus or digits.startswith("00"):
        if phone.state == "INVALID" and plus and "+" in text:
            code = str(phonenumbers.country_code_for_region(country))
            if digits.startswith(code + "0"):  # +49 0171 …: the trunk zero stayed
                again = _parsed(f"+{code}{digits[len(code) + 1 :]}", country)
                return _marked(again, repaired=True)
        return phone if plus else _marked(phone, repaired=True)
    return _local(phone, digits, country)


def _local(phone: Phone, digits: str, country: str) -> Phone:
    """Decide about a number without plus: national, or one whose plus or zero was lost."""
    code = str(phonenumbers.country_code_for_region(country))
    lost_plus = digits.startswith(code) and len(digits) >= len(code) + 7
    if lost_plus and (phone.state == "INVALID" or len(digits) >= _LONG_ENOUGH):
        abroad = _parsed("+" + digits, country)
        if abroad.state == "VALID":
            return _marked(abroad, repaired=True)
    if phone.state == "VALID" and not digits.startswith("0"):
        data = phonenumbers.PhoneMetadata.metadata_for_region(country)
        return _marked(phone, repaired=bool(data and data.national_prefix == "0"))
    return phone


def _parsed(text: str, country: str) -> Phone:
    try:
        number = phonenumbers.parse(text, country)
    except phonenumbers.NumberParseException:
        return _short(text, country)
    kind = phonenumbers.number_type(number)
    if kind == PhoneNumberType.UNKNOWN:
        if is_valid_short_number_for_region(number, country):
            return Phone(state="SPECIAL")
        return INVALID
    e164 = phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.E164)
    if kind in _SPECIAL:
        return Phone(state="SPECIAL", e164=e164)
    mobile = kind == PhoneNumberType.MOBILE
    return Phone(state="VALID", e164=e164, mobile=mobile)


def _short(text: str, country: str) -> Phone:
    """Two-digit emergency numbers are too short for the parser."""
    digits = "".join(c for c in text if c.isdecimal())
    short = (
        phonenumbers.PhoneNumber(national_number=int(digits))
        if digits.isascii() and digits
        else None
    )
    if short is None:
        return INVALID
    short.country_code = phonenumbers.country_code_for_region(country)
    return Phone(state="SPECIAL") if is_valid_short_number_for_region(short, country) else INVALID
