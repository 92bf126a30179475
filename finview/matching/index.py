"""The index written: profiles, contacts, keys and name counts of debtors added, changed, removed."""

from array import array
from collections import Counter
from collections.abc import Collection, Iterable, Sequence
from dataclasses import replace
from typing import Any

from sqlalchemy import delete, select, text, update
from sqlalchemy.orm import Session

from finview.cases.models import Address, Debtor, DebtorKind, EmailPoint, PhonePoint, PointState
from finview.db.base import Base, table_of
from finview.db.bulk import bulk_insert
from finview.db.lists import one_of
from finview.matching.keys import party_keys
from finview.matching.models import MatchContact, MatchProfile
from finview.matching.normalise import NORM_VERSION, RawParty, addresses_of
from finview.matching.normalise import party as normalised
from finview.matching.overlap import Key
from finview.matching.search import CHUNK, SEPARATOR, batch_no, chunks, counted_names, load
from finview.plugins.contracts.matcher import Party, PartyAddress

NOWHERE = PartyAddress()

_PROFILE = table_of(MatchProfile)
_CONTACT = table_of(MatchContact)
_DEBTOR = table_of(Debtor)

_COUNT = text("""
INSERT INTO match_counter (one, population, batch) VALUES (1, :grown, 1)
ON CONFLICT (one) DO UPDATE SET population = match_counter.population + excluded.population,
                               batch = match_counter.batch + 1
RETURNING batch""")
_COUNT_NAMES = text("""
INSERT INTO match_name_freq (field, value, n) VALUES (:field, :value, :n)
ON CONFLICT (field, value) DO UPDATE SET n = match_name_freq.n + excluded.n""")
_DROP_NAMES = text("DELETE FROM match_name_freq WHERE field = :field AND value = :value AND n <= 0")
_DROP_KEYS = text("DELETE FROM match_key WHERE key = :key AND debtor_id = :debtor_id")

_FRESH = update(_DEBTOR).where(one_of(_DEBTOR.c.id, "ids")).values(match_stale=False)


def lock(session: Session) -> int:
    """Keep other writers of the index waiting until this transaction ends; return its new batch.

    On SQLite the writer's transaction does so already; on PostgreSQL the counter's row lock does.
    """
    return _begin(session, 0)


def _begin(session: Session, grown: int) -> int:
    batch: int = session.execute(_COUNT, {"grown": grown}).scalar_one()
    return batch


def add(
    session: Session,
    rows: Sequence[tuple[int, Party]],
    *,
    keys: Sequence[Sequence[Key]] | None = None,
) -> int:
    """Put new debtors into the index, as they were normalised before; return the batch number.

    `keys` are their keys where known (extra keys of a matcher included), else they are derived.
    The debtors must not be in the index yet.
    """
    if not rows:
        return batch_no(session)
    batch = _begin(session, len(rows))
    found = keys if keys is not None else [party_keys(party) for _, party in rows]
    for part, part_keys in zip(chunks(rows), chunks(found), strict=True):
        _write(session, part, part_keys, batch)
    _count_names(session, (party for _, party in rows), 1)
    _fresh(session, [debtor_id for debtor_id, _ in rows])
    return batch


def _fresh(session: Session, debtor_ids: Sequence[int]) -> None:
    for part in chunks(debtor_ids):
        session.execute(_FRESH, {"ids": part})


def _write(
    session: Session,
    rows: Sequence[tuple[int, Party]],
    keys: Sequence[Sequence[Key]],
    batch: int,
) -> None:
    profiles: list[dict[str, Any]] = []
    contacts: list[dict[str, Any]] = []
    entries: list[tuple[int, int]] = []
    for (debtor_id, party), pairs in zip(rows, keys, strict=True):
        hashes = sorted({key for key, _ in pairs})
        packed = array("q", hashes).tobytes()
        further = _contacts(debtor_id, party)
        contacts += further
        profile = _profile(debtor_id, party)
        profiles.append(profile | {"further": len(further), "batch": batch, "keys": packed})
        entries += [(key, debtor_id) for key in hashes]
    bulk_insert(session, _PROFILE, profiles)
    if contacts:
        bulk_insert(session, _CONTACT, contacts)
    entries.sort()  # neighbours in the tree are written together
    _put_keys(session, entries, batch)


def _put_keys(session: Session, entries: Sequence[tuple[int, int]], batch: int) -> None:
    """Write rows of the key table: tuples, not dicts, for they are a dozen a debtor."""
    if not entries:
        return
    connection = session.connection()
    if connection.dialect.name == "sqlite":
        rows = [(key, debtor_id, batch) for key, debtor_id in entries]
        sql = "INSERT INTO match_key (key, debtor_id, batch) VALUES (?, ?, ?)"
        connection.exec_driver_sql(sql, rows)
    else:
        keys, debtors = zip(*entries, strict=True)
        connection.execute(
            text(
                "INSERT INTO match_key (key, debtor_id, batch) SELECT k, d, :batch"
                " FROM unnest(CAST(:keys AS bigint[]), CAST(:debtors AS bigint[])) AS t(k, d)"
            ),
            {"keys": list(keys), "debtors": list(debtors), "batch": batch},
        )


def _profile(debtor_id: int, party: Party) -> dict[str, Any]:
    address = party.addresses[0] if party.addresses else NOWHERE
    return {
        "debtor_id": debtor_id,
        "kind": party.kind,
        "display": party.display,
        "given": party.given,
        "given1": party.given1,
        "family": party.family,
        "alt_family": party.alt_family,
        "suffix": party.suffix,
        "company_core": party.company_core,
        "legal_form": party.legal_form,
        "people": party.people,
        "street": address.street,
        "house_no": address.house_no,
        "postcode": address.postcode,
        "city": address.city,
        "country": address.country,
        "email": party.emails[0] if party.emails else "",
        "phone": party.phones[0] if party.phones else "",
        "dob": party.birth_date,
        "register_id": party.register_id,
        "external_id": party.external_id,
        "norm_version": NORM_VERSION,
    }


def _contacts(debtor_id: int, party: Party) -> list[dict[str, Any]]:
    further = [
        *(("a", _flat(address)) for address in party.addresses[1:]),
        *(("e", email) for email in party.emails[1:]),
        *(("p", phone) for phone in party.phones[1:]),
    ]
    return [
        {"debtor_id": debtor_id, "kind": kind, "seq": seq, "value": value}
        for seq, (kind, value) in enumerate(further)
    ]


def _flat(address: PartyAddress) -> str:
    parts = (address.street, address.house_no, address.postcode, address.city, address.country)
    return SEPARATOR.join(parts)


def remove(session: Session, debtor_ids: Collection[int]) -> int:
    """Take debtors out of the index (deleted, erased, merged away); return how many were in it."""
    ids = sorted(set(debtor_ids))
    gone = 0
    for part in chunks(ids):
        parties = load(session, part)
        old = _keys_of(session, part)
        if not old:
            continue
        _begin(session, -len(old))
        entries = [(key, debtor_id) for debtor_id, keys in old.items() for key in keys]
        _drop_keys(session, entries)
        session.execute(delete(_CONTACT).where(_CONTACT.c.debtor_id.in_(part)))
        session.execute(delete(_PROFILE).where(_PROFILE.c.debtor_id.in_(part)))
        _count_names(session, parties.values(), -1)
        gone += len(old)
    return gone


def _keys_of(session: Session, debtor_ids: Sequence[int]) -> dict[int, list[int]]:
    statement = select(_PROFILE.c.debtor_id, _PROFILE.c["keys"]).where(
        one_of(_PROFILE.c.debtor_id, debtor_ids)
    )
    return {
        debtor_id: array("q", packed).tolist() for debtor_id, packed in session.execute(statement)
    }


def _drop_keys(session: Session, entries: Sequence[tuple[int, int]]) -> None:
    if entries:
        rows = [{"key": key, "debtor_id": debtor_id} for key, debtor_id in sorted(entries)]
        session.execute(_DROP_KEYS, rows)


def _count_names(session: Session, parties: Iterable[Party], sign: int) -> None:
    counts = Counter(name for party in parties for name in counted_names(party))
    rows = [{"field": field, "value": value, "n": sign * n} for (field, value), n in counts.items()]
    for part in chunks(rows):
        session.execute(_COUNT_NAMES, list(part))
        if sign < 0:  # a name nobody bears any more is personal data without a reason
            session.execute(_DROP_NAMES, [{"field": r["field"], "value": r["value"]} for r in part])


_STATES = {
    state: rank
    for rank, state in enumerate(
        (
            PointState.CONFIRMED,
            PointState.VALID,
            PointState.NOT_CONFIRMED,
            PointState.NON_RESPONSIVE,
            PointState.INVALID,
        )
    )
}


def refresh(session: Session, *, limit: int = CHUNK) -> int:
    """Bring debtors whose data changed (`match_stale`) up to date; return how many, at most `limit`.

    Call it in units of their own until it returns 0: before an import is matched, and from a job.
    """
    stale = select(_DEBTOR.c.id).where(_DEBTOR.c.match_stale).order_by(_DEBTOR.c.id).limit(limit)
    ids = list(session.scalars(stale))
    for part in chunks(ids):
        remove(session, part)
        add(session, sorted(parties_of(session, part).items()))
    return len(ids)


def parties_of(session: Session, debtor_ids: Sequence[int]) -> dict[int, Party]:
    """Return debtors as parties, normalised from their rows: the slow way that fills the index."""
    places = _points(session, Address, debtor_ids)
    mails = _points(session, EmailPoint, debtor_ids, usable=True)
    phones = _points(session, PhonePoint, debtor_ids, usable=True)
    found: dict[int, Party] = {}
    for row in session.execute(select(*_DEBTOR.c).where(one_of(_DEBTOR.c.id, debtor_ids))):
        own = [_raw(row, place) for place in places.get(row.id, ())] or [_raw(row, None)]
        first = replace(
            own[0],
            emails=tuple(point.address for point in mails.get(row.id, ())),
            phones=tuple(point.e164 or point.raw for point in phones.get(row.id, ())),
        )
        party = normalised(first)
        if len(own) > 1:
            every = (place for raw in own for place in addresses_of(raw))
            party = replace(party, addresses=tuple(dict.fromkeys(every)))
        found[row.id] = party
    return found


def _raw(row: Any, place: Any) -> RawParty:
    named = row.company_name or row.first_name or row.last_name
    return RawParty(
        kind="company" if row.kind == DebtorKind.BUSINESS else "person",
        company=row.company_name or "",
        name="" if named else row.name,
        first_name=row.first_name or "",
        last_name=row.last_name or "",
        street=(place and place.street) or "",
        house_no=(place and place.house_no) or "",
        postcode=(place and place.postcode) or "",
        city=(place and place.city) or "",
        country=(place and place.country) or "",
        dob=row.date_of_birth,
        register_id=row.vat_id or row.register_no or row.identity_no or "",
    )


def _points(
    session: Session, model: type[Base], debtor_ids: Sequence[int], *, usable: bool = False
) -> dict[int, list[Any]]:
    """Return contact points by debtor, the best known first, then the newest.

    A phone or mailbox known to be wrong (`usable`) belongs to a stranger and is left out; an old
    address stays, for the next creditor will name it too.
    """
    table = table_of(model)
    found: dict[int, list[Any]] = {}
    for row in session.execute(select(table).where(one_of(table.c.debtor_id, debtor_ids))):
        if not usable or row.state != PointState.INVALID:
            found.setdefault(row.debtor_id, []).append(row)
    for points in found.values():
        points.sort(key=lambda point: (_STATES[PointState(point.state)], -point.id))
    return found
