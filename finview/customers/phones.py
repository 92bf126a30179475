"""Phone numbers of people: typed with or without a prefix, kept in E.164."""

import phonenumbers

from finview.errors import Invalid
from finview.i18n import N_, sentences

sentences(
    {
        "PHONE_COUNTRY_UNKNOWN": N_("This is not a country code: {country}."),
        "PHONE_NOT_VALID": N_("This phone number is not valid: {phone}."),
    }
)


def e164(phone: str | None, country: str | None) -> str | None:
    """Return a number in E.164; `country` (ISO 3166-1) serves numbers without a prefix."""
    if not (phone or "").strip():
        return None
    if country is not None and country not in phonenumbers.SUPPORTED_REGIONS:
        path = ("input", "phoneCountry")
        raise Invalid("PHONE_COUNTRY_UNKNOWN", path=path, country=country)
    try:
        parsed = phonenumbers.parse(str(phone), country)
    except phonenumbers.NumberParseException:
        raise Invalid("PHONE_NOT_VALID", path=("input", "phone"), phone=phone) from None
    if not phonenumbers.is_valid_number(parsed):
        raise Invalid("PHONE_NOT_VALID", path=("input", "phone"), phone=phone)
    return str(phonenumbers.format_number(parsed, phonenumbers.PhoneNumberFormat.E164))


def region_of(phone: str | None) -> str | None:
    """Return the country of a number in E.164, for a new one without a prefix."""
    if phone is None:
        return None
    return phonenumbers.region_code_for_number(phonenumbers.parse(phone))
