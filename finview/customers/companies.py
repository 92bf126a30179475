"""What may stand in the data of a company, its e-mail, its invoices, its footers and its bank.

These are open objects: an agency may keep more in them than finview reads. What finview reads is
checked when it is written, so that no message and no payment instruction carries nonsense.
"""

from collections.abc import Callable, Mapping
from decimal import Decimal, InvalidOperation
from typing import Any
from zoneinfo import ZoneInfo

import orjson
from babel import Locale
from stdnum import bic, iban
from stdnum.exceptions import ValidationError

from finview.accounts.users import known_locale, normal_email
from finview.errors import Invalid
from finview.i18n import N_, sentences

sentences(
    {
        "BLOCK_NOT_OBJECT": N_("This must be an object with named values."),
        "BLOCK_TOO_LARGE": N_("These data have more than {limit} bytes."),
        "TEXT_NOT_LINE": N_("This must be one line of text with at most {limit} characters."),
        "TEXT_OVER_LIMIT": N_("This must be a text with at most {limit} characters."),
        "COUNTRY_UNKNOWN_CODE": N_("This is not an ISO 3166-1 country code: {country}."),
        "TIME_ZONE_UNKNOWN": N_("This is not an IANA time zone: {zone}."),
        "LINK_NOT_WEB": N_("A link begins with https:// or http://."),
        "IBAN_NOT_VALID": N_("This IBAN is not valid."),
        "BIC_NOT_VALID": N_("This BIC is not valid."),
        "NUMBER_OUT_OF_RANGE": N_("This must be a number between {min} and {max}."),
    }
)

BLOCK_BYTES_MAX = 65_536
LINE_CHARS_MAX = 200
FOOTER_CHARS_MAX = 5_000

Path = tuple[str, ...]
Check = Callable[[Any, Path], Any]


def _line(value: Any, path: Path) -> str:
    """One line: a line break in a sender's name would write further headers of the e-mail."""
    if not isinstance(value, str) or len(value) > LINE_CHARS_MAX or not value.isprintable():
        raise Invalid("TEXT_NOT_LINE", path=path, limit=LINE_CHARS_MAX)
    return value.strip()


def _email(value: Any, path: Path) -> str:
    return normal_email(_line(value, path), path=path)


def _country(value: Any, path: Path) -> str:
    code = value.strip().upper() if isinstance(value, str) else ""
    if not (len(code) == 2 and code.isalpha() and code in Locale("en").territories):
        raise Invalid("COUNTRY_UNKNOWN_CODE", path=path, country=str(value)[:LINE_CHARS_MAX])
    return code


def _zone(value: Any, path: Path) -> str:
    try:
        return ZoneInfo(value).key if isinstance(value, str) else ZoneInfo("").key
    except (KeyError, ValueError, OSError):
        shown = str(value)[:LINE_CHARS_MAX]
        raise Invalid("TIME_ZONE_UNKNOWN", path=path, zone=shown) from None


def _link(value: Any, path: Path) -> str:
    link = _line(value, path)
    if not link.startswith(("https://", "http://")):
        raise Invalid("LINK_NOT_WEB", path=path)
    return link


def _iban(value: Any, path: Path) -> str:
    try:
        return str(iban.validate(str(value)))
    except ValidationError:
        raise Invalid("IBAN_NOT_VALID", path=path) from None


def _bic(value: Any, path: Path) -> str:
    try:
        return str(bic.validate(str(value)))
    except ValidationError:
        raise Invalid("BIC_NOT_VALID", path=path) from None


def _between(low: int, high: int) -> Check:
    def check(value: Any, path: Path) -> Any:
        try:
            number = None if isinstance(value, bool) else Decimal(str(value))
        except InvalidOperation:
            number = None
        if number is None or not number.is_finite() or not low <= number <= high:
            raise Invalid("NUMBER_OUT_OF_RANGE", path=path, min=low, max=high)
        return value

    return check


_COMPANY: Mapping[str, Check] = {
    **dict.fromkeys(("name", "street", "postcode", "city", "phone", "registerNumber"), _line),
    **dict.fromkeys(("website", "privacyLink"), _link),
    "email": _email,
    "country": _country,
    "timeZone": _zone,
    "iban": _iban,
}
_BLOCKS: Mapping[str, Mapping[str, Check]] = {
    "company": _COMPANY,
    "email_settings": {"senderName": _line, "sender": _email, "replyTo": _email},
    "invoice_settings": {
        "numberPrefix": _line,
        "paymentTermDays": _between(0, 365),
        "vatPercent": _between(0, 100),
    },
    "email_footers": {},
    "bank": {"holder": _line, "bankName": _line, "iban": _iban, "bic": _bic},
}


def checked_block(block: str, value: Any) -> dict[str, Any]:
    """Return one block as it is kept: an object whose known values make sense; null is empty.

    An empty known value counts as not given. Raises `Invalid` with the place of the value.
    """
    path = ("input", block)
    if value is None:
        return {}
    if not isinstance(value, Mapping):
        raise Invalid("BLOCK_NOT_OBJECT", path=path)
    if len(orjson.dumps(value)) > BLOCK_BYTES_MAX:
        raise Invalid("BLOCK_TOO_LARGE", path=path, limit=BLOCK_BYTES_MAX)
    kept = dict(value)
    if block == "email_footers":
        return {
            known_locale(name, path=(*path, name)): _footer(kept[name], (*path, name))
            for name in kept
        }
    for name, check in _BLOCKS[block].items():
        if kept.get(name) in (None, ""):
            kept.pop(name, None)
        else:
            kept[name] = check(kept[name], (*path, name))
    return kept


def _footer(value: Any, path: Path) -> str:
    if not isinstance(value, str) or len(value) > FOOTER_CHARS_MAX:
        raise Invalid("TEXT_OVER_LIMIT", path=path, limit=FOOTER_CHARS_MAX)
    return value
