"""Debtor and case numbers: made once, reserved in blocks, never given a second time."""

import re

from sqlalchemy import select, update
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.orm import Session

from finview.cases.models import NumberSeries

FIRST = 100_001
"""The first number of a series: six digits from the start, so that all look alike."""

_PREFIXES = {"debtor": "D", "case": "C", "import": "I", "statement": "S"}
_NOISE = re.compile(r"[^0-9A-Z]+")


def reserve_numbers(session: Session, series: str, count: int) -> list[str]:
    """Return the next `count` numbers of a series, e.g. "C-1000017".

    The series are "debtor", "case", "import" and "statement".

    The last digit is a check digit (Luhn), so that a number with a typing error in a payment
    reference finds nobody instead of somebody else. Numbers of a transaction that is undone come
    again; numbers of records deleted by a revert never do.
    """
    if count <= 0:
        return []
    if not _advance(session, series, count):
        insert = postgresql.insert if _is_postgres(session) else sqlite.insert
        first = insert(NumberSeries).values(name=series, next_value=FIRST)
        session.execute(first.on_conflict_do_nothing())
        _advance(session, series, count)
    end = session.execute(
        select(NumberSeries.next_value).where(NumberSeries.name == series)
    ).scalar_one()
    prefix = _PREFIXES[series]
    return [f"{prefix}-{n}{_luhn(n)}" for n in range(end - count, end)]


def valid_number(number: str) -> bool:
    """Tell whether a debtor or case number has the right form and check digit."""
    head, _, rest = number.partition("-")
    return (
        head in _PREFIXES.values()
        and rest.isdecimal()
        and _luhn(int(rest[:-1] or 0)) == int(rest[-1])
    )


def normalised(reference: str | None) -> str | None:
    """Return a customer's reference as it is compared: letters and digits only, upper case."""
    return (_NOISE.sub("", reference.upper()) or None) if reference else None


def _advance(session: Session, series: str, count: int) -> bool:
    # The UPDATE holds the row until the end, so two transactions never reserve the same block.
    found = session.execute(
        update(NumberSeries)
        .where(NumberSeries.name == series)
        .values(next_value=NumberSeries.next_value + count)
        .execution_options(synchronize_session=False)
    )
    return bool(found.rowcount)  # type: ignore[attr-defined]  # an UPDATE gives a CursorResult


def _is_postgres(session: Session) -> bool:
    return session.get_bind().dialect.name == "postgresql"


def _luhn(number: int) -> int:
    total = 0
    for position, digit in enumerate(reversed(str(number))):
        value = int(digit) * (2 if position % 2 == 0 else 1)
        total += value - 9 if value > 9 else value
    return -total % 10
