"""When a claim may be time-barred, by country: a warning for people, not a judgement."""

from datetime import date
from typing import Final

_YEARS: Final[dict[str, tuple[int, bool]]] = {
    "DE": (3, True),
    "AT": (3, False),
    "CH": (10, False),
    "GB": (6, False),
    "IE": (6, False),
    "NL": (5, False),
    "FR": (5, False),
    "ES": (5, False),
    "IT": (10, False),
    "PL": (3, True),
    "DK": (3, False),
}
"""Country → years after the due date, and whether they count from the end of its year."""


def limitation_end(due: date, country: str) -> date | None:
    """Return the last day before a claim due on `due` may be time-barred; None: not known.

    DE §§ 195, 199 BGB (three years from the end of the year) · AT § 1486 ABGB · CH art. 127 OR ·
    GB Limitation Act 1980 s. 5 (Scotland has five years: Prescription and Limitation Act 1973
    s. 6) · IE Statute of Limitations 1957 s. 11 · NL art. 3:307 BW · FR art. 2224 Code civil ·
    ES art. 1964 Código Civil · IT art. 2946 Codice civile · PL art. 118 Kodeks cywilny (business
    claims, end of the year) · DK forældelsesloven § 3. Acknowledgements, titles and suspension
    are not in the file, so this is "perhaps".
    """
    rule = _YEARS.get(country)
    if rule is None:
        return None
    years, to_the_end = rule
    if to_the_end:
        return date(due.year + years, 12, 31)
    try:
        return due.replace(year=due.year + years)
    except ValueError:  # 29 February
        return date(due.year + years, 2, 28)
