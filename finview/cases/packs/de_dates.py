"""German reckoning of days: holidays, default, limitation, retention."""

from datetime import date, timedelta

from finview.cases.public_holidays import GERMANY, public_holidays
from finview.plugins.contracts.jurisdiction import ClaimFacts, DefaultStart, Rule

VERIFIED_ON = date(2026, 11, 22)
_LAW = "gesetze-im-internet.de"
DUE_DATE = Rule(
    id="de.default.due_date",
    citation="§§ 286(2) no. 1, 187(1), 188, 193 BGB",
    source=_LAW,
    verified_on=VERIFIED_ON,
)
THIRTY_DAYS = Rule(
    id="de.default.thirty_days",
    citation="§§ 286(3), 187(1), 188, 193 BGB",
    source=_LAW,
    verified_on=VERIFIED_ON,
)
LIMITATION_YEARS = 3
TITLE_YEARS = 30
RETENTION_YEARS = {"BOOK": 10, "VOUCHER": 8, "LETTER": 6}
"""Full years after the year of the record (§ 147 AO, § 257 HGB; vouchers since 2025)."""

_TERM_DAYS = 30


def holidays(year: int) -> frozenset[date]:
    """Return the holidays of the whole of Germany; those of single states are not among them."""
    return public_holidays(GERMANY, year)


def working_day(day: date) -> date:
    """Return the day itself or the next one that is no Saturday, Sunday or holiday (§ 193 BGB)."""
    while day.weekday() >= 5 or day in holidays(day.year):
        day += timedelta(days=1)
    return day


def default_start(claim: ClaimFacts) -> DefaultStart | None:
    """Return when a claim falls into default: after its due date, else 30 days after the invoice.

    The day of the event is not counted (§ 187(1)). A last day on a Saturday, Sunday or holiday
    moves to the next working day; that § 193 also moves the start of interest is the usual
    reading. Against a consumer the 30 days need a notice in the invoice (§ 286(3) sentence 1).
    """
    if claim.due_on is not None:
        return _after(claim.due_on, DUE_DATE)
    if claim.issued_on is not None:
        return _after(claim.issued_on + timedelta(days=_TERM_DAYS), THIRTY_DAYS)
    return None


def limitation(
    arisen_on: date | None = None,
    acknowledged_on: date | None = None,
    title_final_on: date | None = None,
) -> date | None:
    """Return the last day of the limitation period.

    A final title: 30 years (§ 197(1) no. 3 BGB). Else three years from the end of the year in which
    the claim arose (§§ 195, 199(1)); an acknowledgement or a part payment within that time starts
    three years anew at once (§ 212(1) no. 1).
    """
    if title_final_on is not None:
        return _years_later(title_final_on, TITLE_YEARS)
    if arisen_on is None:
        return None
    last = date(arisen_on.year + LIMITATION_YEARS, 12, 31)
    if acknowledged_on is not None and arisen_on <= acknowledged_on <= last:
        return _years_later(acknowledged_on, LIMITATION_YEARS)
    return last


def retention(document: str, dated: date) -> date | None:
    """Return the first day on which a record may be erased: BOOK, VOUCHER or LETTER."""
    years = RETENTION_YEARS.get(document)
    return None if years is None else date(dated.year + years + 1, 1, 1)


def _after(last: date, rule: Rule) -> DefaultStart:
    last = working_day(last)
    return DefaultStart(last_day_to_pay=last, default_from=last + timedelta(days=1), rule=rule)


def _years_later(day: date, years: int) -> date:
    """Return the same day of a later year; 29 February ends on the 28th (§ 188(3) BGB)."""
    try:
        return day.replace(year=day.year + years)
    except ValueError:
        return date(day.year + years, 2, 28)
