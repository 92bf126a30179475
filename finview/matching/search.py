"""Searching the index: candidates by shared keys, debtors as parties, name counts; reads only."""

from collections import Counter
from collections.abc import Collection, Iterator, Sequence, Set
from itertools import islice
from typing import Any, TypeVar

import orjson
from sqlalchemy import bindparam, select, text
from sqlalchemy.orm import Session

from finview.db.base import table_of
from finview.db.lists import one_of
from finview.matching.keys import CANDIDATES_MAX, KEY_CAP, KEY_WEIGHT_MIN
from finview.matching.models import MatchContact, MatchCounter, MatchNameFreq, MatchProfile
from finview.matching.overlap import SHARE_MIN, Key, best_sums
from finview.plugins.contracts.matcher import Party, PartyAddress

CHUNK = 2_000
"""Rows a statement handles at most: bounds memory, and stays below every driver's limit."""

SEPARATOR = "\t"  # no normalised text holds one

T = TypeVar("T")
Name = tuple[str, str]
"""("given" | "family" | "town", the name normalised)."""

KEYS = 20_000
"""Keys a search statement carries at most."""

_PROFILE = table_of(MatchProfile)
_CONTACT = table_of(MatchContact)
_FREQ = table_of(MatchNameFreq)
_COUNTER = table_of(MatchCounter)

# One row per key with at most :n debtors of it: each key is one walk down the primary key, whether
# it is rare or hot, and the sums are cheaper outside than GROUP BY's temporary tree (measured).
FIND_SQLITE = """
SELECT k.value, (
  SELECT group_concat(debtor_id)
  FROM (SELECT debtor_id FROM match_key WHERE key = k.value ORDER BY debtor_id LIMIT :n))
FROM json_each(:keys) AS k"""
FIND_POSTGRES = """
SELECT k, ARRAY(SELECT debtor_id FROM match_key WHERE key = k ORDER BY debtor_id LIMIT :n)
FROM unnest(CAST(:keys AS bigint[])) AS k"""

NEW_SQLITE = """
SELECT m.key, m.debtor_id FROM json_each(:keys) AS k
CROSS JOIN match_key AS m ON m.key = k.value WHERE m.batch > :batch"""
NEW_POSTGRES = """
SELECT m.key, m.debtor_id FROM unnest(CAST(:keys AS bigint[])) AS k
JOIN match_key AS m ON m.key = k WHERE m.batch > :batch"""

_LOAD = select(
    *(
        _PROFILE.c[name]
        for name in [
            "debtor_id",
            "further",
            "kind",
            "display",
            "given",
            "given1",
            "family",
            "alt_family",
            "suffix",
            "company_core",
            "legal_form",
            "people",
            "street",
            "house_no",
            "postcode",
            "city",
            "country",
            "email",
            "phone",
            "dob",
            "register_id",
            "external_id",
        ]
    )
).where(one_of(_PROFILE.c.debtor_id, "ids"))
_FURTHER = (
    select(_CONTACT.c.debtor_id, _CONTACT.c.kind, _CONTACT.c.value)
    .where(one_of(_CONTACT.c.debtor_id, "ids"))
    .order_by(_CONTACT.c.debtor_id, _CONTACT.c.kind, _CONTACT.c.seq)
)

_NAMES = select(_FREQ.c.value, _FREQ.c.n).where(
    _FREQ.c.field == bindparam("field"),
    one_of(_FREQ.c.value, "values"),
    _FREQ.c.n > 0,
)


def chunks(rows: Sequence[T], size: int = CHUNK) -> Iterator[Sequence[T]]:
    """Yield slices of at most `size`."""
    for start in range(0, len(rows), size):
        yield rows[start : start + size]


def population(session: Session) -> int:
    """Return the number of debtors in the index."""
    return session.scalar(select(_COUNTER.c.population)) or 0


def batch_no(session: Session) -> int:
    """Return the number of the last committed write; see `keys_added_since`."""
    return session.scalar(select(_COUNTER.c.batch)) or 0


def counted_names(party: Party) -> Iterator[Name]:
    """Yield the names of a party that are counted: first given name, family names, town."""
    if party.given1:
        yield "given", party.given1
    if party.family:
        yield "family", party.family.replace(" ", "")
    if party.alt_family and not party.company_core:
        yield "family", party.alt_family.replace(" ", "")
    if party.addresses and party.addresses[0].city:
        yield "town", party.addresses[0].city


def asked_names(party: Party) -> Iterator[Name]:
    """Yield every name a matcher may ask the frequency of; what is asked of one party must not
    depend on which others are in its batch.
    """
    yield from counted_names(party)
    if party.given:
        tokens = party.given.split()
        if len(tokens) > 1:
            yield "given", "".join(tokens)
            for token in tokens:
                yield "given", token
        yield "family", "".join(tokens)  # the names may be swapped
    if party.family:
        yield "given", party.family.partition(" ")[0]
    for token in party.company_core.split():
        yield "family", token
        yield "given", token
    for place in party.addresses[1:]:
        yield "town", place.city


def frequencies(session: Session, names: Collection[Name]) -> dict[Name, int]:
    """Return how many debtors of this database bear each (field, name); unknown names are left out."""
    found: dict[Name, int] = {}
    for field in ("given", "family", "town"):
        values = sorted(name for kind, name in names if kind == field)
        for part in chunks(values):
            rows = session.execute(_NAMES, {"field": field, "values": part}).all()
            found |= {(field, value): n for value, n in rows}
    return found


def candidates(
    session: Session,
    parties: Sequence[tuple[int, Sequence[Key]]],
    *,
    cap: int = KEY_CAP,
    min_sum: int = KEY_WEIGHT_MIN,
    top: int = CANDIDATES_MAX,
    share_min: float = SHARE_MIN,
    ignore: Set[int] = frozenset(),
) -> dict[int, list[tuple[int, int]]]:
    """Return for each (number, keys) the (debtor, sum of key weights) that share most, best first.

    Ties go to the older debtor, so the answer depends neither on order nor on batch size. Debtors
    with less than `share_min` of the best one's sum are left out, and those in `ignore` are before
    anything is counted or compared. Numbers without any candidate are left out.
    """
    wanted = sorted({key for _, keys in parties for key, _ in keys})
    found = bearers(session, wanted, cap=cap, ignore=ignore)
    result: dict[int, list[tuple[int, int]]] = {}
    for number, keys in parties:
        sums: dict[int, int] = {}
        for key, weight in keys:
            for debtor_id in found.get(key, ()):
                sums[debtor_id] = sums.get(debtor_id, 0) + weight
        best = best_sums(sums, min_sum=min_sum, top=top, share_min=share_min)
        if best:
            result[number] = best
    return result


def bearers(
    session: Session, keys: Sequence[int], *, cap: int = KEY_CAP, ignore: Set[int] = frozenset()
) -> dict[int, Sequence[int]]:
    """Return the debtors of each key that at most `cap` debtors share, but for those in `ignore`.

    Ignored ones are the newest (this import made them), so they come last and never hide others
    behind the limit.
    """
    connection = session.connection()
    sqlite = connection.dialect.name == "sqlite"
    statement = text(FIND_SQLITE if sqlite else FIND_POSTGRES)
    newest = min(ignore, default=None)
    found: dict[int, Sequence[int]] = {}
    for part in chunks(keys, KEYS):
        wanted = _json(part) if sqlite else list(part)
        for key, value in connection.execute(statement, {"keys": wanted, "n": cap + 1}).all():
            if not value:
                continue
            ids: list[int] = orjson.loads(f"[{value}]") if sqlite else value
            if newest is not None and ids[-1] >= newest:
                ids = [debtor_id for debtor_id in ids if debtor_id not in ignore]
            if 0 < len(ids) <= cap:
                found[key] = ids
    return found


def keys_added_since(
    session: Session, batch: int, keys: Sequence[int], *, ignore: Set[int] = frozenset()
) -> set[int]:
    """Return those of `keys` that a debtor got after `batch` (but for the debtors in `ignore`).

    Call `lock` first in the writing transaction: what was read before may have changed since.
    """
    connection = session.connection()
    sqlite = connection.dialect.name == "sqlite"
    statement = text(NEW_SQLITE if sqlite else NEW_POSTGRES)
    found: set[int] = set()
    for part in chunks(sorted(set(keys)), KEYS):
        wanted = _json(part) if sqlite else list(part)
        rows = connection.execute(statement, {"keys": wanted, "batch": batch})
        found |= {key for key, debtor_id in rows if debtor_id not in ignore}
    return found


def _json(keys: Sequence[int]) -> str:
    return orjson.dumps(list(keys)).decode()


def load(session: Session, debtor_ids: Collection[int]) -> dict[int, Party]:
    """Return the debtors of the index by id; ids it doesn't know are left out."""
    found: dict[int, Party] = {}
    for part in chunks(sorted(debtor_ids)):
        rows = session.execute(_LOAD, {"ids": part}).all()
        further: dict[int, list[tuple[str, str]]] = {}
        many = [row[0] for row in rows if row[1]]
        for debtor_id, kind, value in session.execute(_FURTHER, {"ids": many}) if many else ():
            further.setdefault(debtor_id, []).append((kind, value))
        found |= {row[0]: _party(row, further.get(row[0], ())) for row in rows}
    return found


def _party(row: Sequence[Any], further: Sequence[tuple[str, str]]) -> Party:
    _, _, kind, display, given, given1, family, alt_family, suffix, core, form, people = row[:12]
    street, house_no, postcode, city, country, email, phone, born, register, external = row[12:]
    addresses: tuple[PartyAddress, ...] = ()
    if street or postcode or city or house_no or country:
        addresses = (
            PartyAddress(
                street=street, house_no=house_no, postcode=postcode, city=city, country=country
            ),
        )
    emails: tuple[str, ...] = (email,) if email else ()
    phones: tuple[str, ...] = (phone,) if phone else ()
    if further:
        addresses += tuple(_address(value) for what, value in further if what == "a")
        emails += tuple(value for what, value in further if what == "e")
        phones += tuple(value for what, value in further if what == "p")
    return Party(
        kind=kind,
        display=display,
        given=given,
        given1=given1,
        family=family,
        alt_family=alt_family,
        suffix=suffix,
        company_core=core,
        legal_form=form,
        people=people,
        addresses=addresses,
        emails=emails,
        phones=phones,
        birth_date=born,
        register_id=register,
        external_id=external,
    )


def _address(flat: str) -> PartyAddress:
    street, house_no, postcode, city, country = flat.split(SEPARATOR)
    return PartyAddress(
        street=street, house_no=house_no, postcode=postcode, city=city, country=country
    )


class Cache:
    """Debtors and name counts read before, for the chunks of one run: most come again.

    Kept right by the batch numbers: what was written since the last look is read again. At most
    `size` parties (about 2 KB each), the longest unused go first.
    """

    def __init__(self, size: int = 5_000) -> None:
        self.size = size
        self._batch = 0
        self._parties: dict[int, Party] = {}
        self._names: dict[Name, int] = {}
        self._ours: set[int] = set()
        self._our_names: Counter[Name] = Counter()

    def load(self, session: Session, debtor_ids: Collection[int]) -> dict[int, Party]:
        """Return the debtors by id like `load`, reading only those not at hand."""
        self._look(session)
        known = self._parties
        found = {debtor_id: known.pop(debtor_id) for debtor_id in debtor_ids if debtor_id in known}
        found |= load(session, [debtor_id for debtor_id in debtor_ids if debtor_id not in found])
        known |= found  # now the last ones, for a dict keeps the order of insertion
        for debtor_id in list(islice(known, max(0, len(known) - self.size))):
            del known[debtor_id]
        return found

    def counts(
        self, session: Session, names: Set[Name], *, ignore: Set[int] = frozenset()
    ) -> tuple[dict[Name, int], int]:
        """Return name frequencies and population as they are without the debtors in `ignore`.

        What an import has created itself must not change how its next rows are judged.
        """
        self._look(session)
        self._count_ours(session, ignore)
        if len(self._names) > 10 * self.size:
            self._names.clear()
        unknown = names - self._names.keys()  # names nobody bears are remembered too
        self._names |= dict.fromkeys(unknown, 0) | frequencies(session, unknown)
        left = {name: self._names[name] - self._our_names[name] for name in names}
        known = {name: n for name, n in left.items() if n > 0}
        return known, population(session) - len(self._ours)

    def _count_ours(self, session: Session, ignore: Set[int]) -> None:
        if not self._ours <= ignore:
            self._ours.clear()
            self._our_names.clear()
        ours = load(session, ignore - self._ours)
        self._ours |= ours.keys()
        self._our_names.update(name for party in ours.values() for name in counted_names(party))

    def _look(self, session: Session) -> None:
        batch = batch_no(session)
        if batch == self._batch:
            return
        self._names.clear()
        if self._parties:
            changed = select(_PROFILE.c.debtor_id).where(_PROFILE.c.batch > self._batch)
            for debtor_id in session.scalars(changed):
                self._parties.pop(debtor_id, None)
        self._batch = batch
