"""Debtors: create, complete, revise, add and remove contact points, delete."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

from sqlalchemy import delete, select, update
from sqlalchemy.orm import Session

from finview import clock
from finview.cases.models import (
    Address,
    BankAccount,
    Case,
    Debtor,
    DebtorKind,
    EmailPoint,
    PhonePoint,
    PointState,
    TimelineEntry,
)
from finview.cases.numbers import reserve_numbers
from finview.cases.timeline import chunks, note_debtors
from finview.db import audit
from finview.db.base import Base, table_of
from finview.db.bulk import bulk_insert, reserve_ids
from finview.db.versions import advance
from finview.errors import Invalid, NotFound, State
from finview.i18n import N_, sentences

CODES = sentences(
    {
        "DEBTOR_FIELD": N_("A debtor has no field {field} that can be completed."),
        "DEBTOR_KIND_FIXED": N_("A debtor with cases stays a consumer or a business."),
    }
)

FIELDS = (
    "first_name",
    "last_name",
    "company_name",
    "date_of_birth",
    "vat_id",
    "register_no",
    "employment",
    "identity_no",
    "industry",
    "reference",
)
"""What `update_debtor` may complete."""

POINTS: Mapping[str, type[Base]] = {
    "address": Address,
    "email_point": EmailPoint,
    "phone_point": PhonePoint,
    "bank_account": BankAccount,
}
"""The tables of contact points by their name, as `Attached.entity` gives it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class NewAddress:
    """A postal address to store; `source` says where it was learnt (§ 13a RDG no. 7)."""

    street: str | None = None
    house_no: str | None = None
    postcode: str | None = None
    city: str | None = None
    country: str | None = None
    source: str = "CUSTOMER"


@dataclass(frozen=True, slots=True, kw_only=True)
class NewPhone:
    """A phone number: the text as given, and in E.164."""

    raw: str
    e164: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Contacts:
    """The contact points of one debtor; points the debtor has already are left out.

    `source` says where all but the addresses, which have their own, were learnt.
    """

    addresses: tuple[NewAddress, ...] = ()
    emails: tuple[str, ...] = ()
    phones: tuple[NewPhone, ...] = ()
    ibans: tuple[str, ...] = ()
    source: str = "CUSTOMER"


NO_CONTACTS = Contacts()


@dataclass(frozen=True, slots=True, kw_only=True)
class NewDebtor:
    """A debtor to create. Without `name` the display name is made of the others."""

    kind: DebtorKind
    locale: str
    name: str | None = None
    first_name: str | None = None
    last_name: str | None = None
    company_name: str | None = None
    date_of_birth: date | None = None
    vat_id: str | None = None
    register_no: str | None = None
    employment: str | None = None
    identity_no: str | None = None
    industry: str | None = None
    reference: str | None = None
    contacts: Contacts = NO_CONTACTS

    @property
    def display(self) -> str:
        """The name shown: the company's, or first and last name."""
        return self.name or display_name(self.company_name, self.first_name, self.last_name)


@dataclass(frozen=True, slots=True, kw_only=True)
class Attached:
    """One contact point that was added: table name, row id, and whose it is."""

    entity: str
    entity_id: int
    debtor_id: int


def display_name(company: str | None, first: str | None, last: str | None) -> str:
    """Return the name a debtor is shown by."""
    return company or " ".join(part for part in (first, last) if part)


def create_debtors(
    session: Session, debtors: Sequence[NewDebtor], *, by: int | None, import_id: int | None = None
) -> list[int]:
    """Create debtors with their contact points and return their ids in order.

    Every one gets a debtor number of its own; matching is asked to read them (`match_stale`). One
    made by hand gets a timeline entry; an import keeps its own account of what it made.
    """
    ids = list(reserve_ids(session, Debtor, len(debtors)))
    numbers = reserve_numbers(session, "debtor", len(debtors))
    at = clock.now()
    bulk_insert(
        session,
        Debtor,
        [
            {
                "id": key,
                "number": number,
                "kind": new.kind,
                "name": new.display,
                **{field: getattr(new, field) for field in FIELDS},
                "locale": new.locale,
                "match_stale": True,
                "import_id": import_id,
                "created_at": at,
                "lock_version": 1,
            }
            for key, number, new in zip(ids, numbers, debtors, strict=True)
        ],
    )
    rows = _Rows(at=at, import_id=import_id)
    for key, new in zip(ids, debtors, strict=True):
        rows.add(key, new.contacts, have=set())
    rows.write(session)
    if import_id is None:
        note_debtors(session, "TIMELINE_DEBTOR_CREATED", {key: {} for key in ids}, by=by)
    return ids


def add_contact_points(
    session: Session,
    contacts: Mapping[int, Contacts],
    *,
    by: int | None,
    import_id: int | None = None,
) -> list[Attached]:
    """Add what each debtor (by id) doesn't have yet and return what was added.

    Points are the same when the e-mail is, ignoring case; the E.164 number; the IBAN; the address,
    ignoring case and blanks. Without an import the timeline of the debtor tells of it.
    """
    rows = _Rows(at=clock.now(), import_id=import_id)
    for chunk in chunks(sorted(contacts)):
        have = _points_of(session, chunk)
        for key in chunk:
            rows.add(key, contacts[key], have=have.setdefault(key, set()))
    attached = rows.write(session)
    added: dict[int, list[str]] = {}
    for one in attached:
        added.setdefault(one.debtor_id, []).append(f"POINT_{one.entity.upper()}")
    _stale(session, added)
    if import_id is None:
        told = {key: {"points": names} for key, names in added.items()}
        note_debtors(session, "TIMELINE_CONTACT_ADDED", told, by=by)
    return attached


def remove_contact_points(session: Session, points: Sequence[Attached]) -> None:
    """Delete contact points again (the revert of an import); missing ones are ignored."""
    for entity, model in POINTS.items():
        table = table_of(model)
        for chunk in chunks([p.entity_id for p in points if p.entity == entity]):
            session.execute(delete(table).where(table.c.id.in_(chunk)))
    _stale(session, {p.debtor_id for p in points})


def update_debtor(
    session: Session,
    debtor_id: int,
    values: Mapping[str, Any],
    *,
    by: int | None,
    import_id: int | None = None,
) -> dict[str, Any]:
    """Set the fields of a debtor that are empty, and return the old values of those set.

    A field that holds something is left as it is. Without an import the timeline of the debtor
    tells of it; an import keeps its own account, so that its revert leaves nothing. Raises `NotFound`, and `Invalid` (DEBTOR_FIELD)
    for what is not in `FIELDS`.
    """
    one = {debtor_id: values}
    return update_debtors(session, one, by=by, import_id=import_id).get(debtor_id, {})


def update_debtors(
    session: Session,
    values: Mapping[int, Mapping[str, Any]],
    *,
    by: int | None,
    import_id: int | None = None,
) -> dict[int, dict[str, Any]]:
    """Do the same for many debtors: old values by debtor id, only of those that changed."""
    if wrong := {name for fields in values.values() for name in fields} - set(FIELDS):
        raise Invalid("DEBTOR_FIELD", field=", ".join(sorted(wrong)))
    before: dict[int, dict[str, Any]] = {}
    for chunk in chunks(sorted(values)):
        rows = {r.id: r for r in session.execute(_plain().where(Debtor.id.in_(chunk)))}
        if len(rows) < len(chunk):
            raise NotFound
        for key, row in rows.items():
            new = {
                name: value
                for name, value in values[key].items()
                if value not in (None, "") and getattr(row, name) in (None, "")
            }
            if new:
                before[key] = {name: getattr(row, name) for name in new}
                _set(session, row, new)
    if import_id is None:
        told = {key: {"fields": [f"FIELD_{n.upper()}" for n in old]} for key, old in before.items()}
        note_debtors(session, "TIMELINE_DEBTOR_UPDATED", told, by=by)
    return before


def restore_debtor(
    session: Session, debtor_id: int, *, before: Mapping[str, Any], ours: Mapping[str, Any]
) -> list[str]:
    """Put back the old value of each field that still holds ours; return the fields left alone."""
    row = session.execute(_plain().where(Debtor.id == debtor_id)).one_or_none()
    if row is None:
        return []
    left = [name for name in before if getattr(row, name) != ours[name]]
    back = {name: value for name, value in before.items() if name not in left}
    if back:
        _set(session, row, back)
    return left


def delete_debtors(session: Session, debtor_ids: Sequence[int]) -> list[int]:
    """Delete debtors for good with their contact points; return those kept, as cases use them."""
    kept: set[int] = set()
    for chunk in chunks(debtor_ids):
        used = set(session.scalars(select(Case.debtor_id).where(Case.debtor_id.in_(chunk))))
        gone = [key for key in chunk if key not in used]
        kept |= used
        for table in (*(table_of(model) for model in POINTS.values()), table_of(TimelineEntry)):
            session.execute(delete(table).where(table.c.debtor_id.in_(gone)))
        table = table_of(Debtor)
        session.execute(delete(table).where(table.c.id.in_(gone)))
    return sorted(kept)


def _plain() -> Any:
    return select(*table_of(Debtor).c)


def _set(session: Session, row: Any, values: Mapping[str, Any]) -> None:
    named = {n: values.get(n, getattr(row, n)) for n in ("company_name", "first_name", "last_name")}
    shown = {"name": display_name(*named.values())} if named.keys() & values.keys() else {}
    if shown and not shown["name"]:
        shown = {}
    session.execute(
        update(Debtor)
        .where(Debtor.id == row.id)
        .values(**values, **shown, match_stale=True, lock_version=Debtor.lock_version + 1)
        .execution_options(synchronize_session=False)
    )


def _stale(session: Session, debtor_ids: Iterable[int]) -> None:
    for chunk in chunks(sorted(debtor_ids)):
        session.execute(
            update(Debtor)
            .where(Debtor.id.in_(chunk))
            .values(match_stale=True, lock_version=Debtor.lock_version + 1)
            .execution_options(synchronize_session=False)
        )


class _Rows:
    """Collects rows of the four contact tables, then writes each table at once."""

    def __init__(self, *, at: datetime, import_id: int | None) -> None:
        self._common = {"state": PointState.NOT_CONFIRMED, "import_id": import_id, "created_at": at}
        self._rows: dict[str, list[dict[str, Any]]] = {name: [] for name in POINTS}

    def add(self, debtor_id: int, new: Contacts, *, have: set[tuple[str, str]]) -> None:
        """Take what is not in `have`, which grows with it."""
        for address in new.addresses:
            values = {name: getattr(address, name) for name in _ADDRESS}
            self._take("address", debtor_id, _address_key(values), have, values, address.source)
        for email in new.emails:
            given = {"address": email}
            self._take("email_point", debtor_id, email.lower(), have, given, new.source)
        for phone in new.phones:
            values = {"raw": phone.raw, "e164": phone.e164}
            self._take("phone_point", debtor_id, phone.e164, have, values, new.source)
        for iban in new.ibans:
            self._take("bank_account", debtor_id, iban, have, {"iban": iban}, new.source)

    def write(self, session: Session) -> list[Attached]:
        """Insert everything taken and return it."""
        attached: list[Attached] = []
        for entity, rows in self._rows.items():
            ids = reserve_ids(session, POINTS[entity], len(rows))
            for key, row in zip(ids, rows, strict=True):
                row["id"] = key
                attached.append(Attached(entity=entity, entity_id=key, debtor_id=row["debtor_id"]))
            bulk_insert(session, POINTS[entity], rows)
        return attached

    def _take(
        self,
        entity: str,
        debtor_id: int,
        key: str,
        have: set[tuple[str, str]],
        values: Mapping[str, Any],
        source: str = "CUSTOMER",
    ) -> None:
        if not key or (entity, key) in have:
            return
        have.add((entity, key))
        self._rows[entity].append(
            {"debtor_id": debtor_id, **values, "source": source, **self._common}
        )


_ADDRESS = ("street", "house_no", "postcode", "city", "country")
_VALUE_OF = {"email_point": "address", "phone_point": "e164", "bank_account": "iban"}
_WORDS = {entity: f"POINT_{entity.upper()}" for entity in POINTS}


def _address_key(values: Mapping[str, Any]) -> str:
    parts = ["".join((values[name] or "").casefold().split()) for name in _ADDRESS]
    return "|".join(parts) if any(parts) else ""


def _points_of(session: Session, debtor_ids: Sequence[int]) -> dict[int, set[tuple[str, str]]]:
    have: dict[int, set[tuple[str, str]]] = {}
    for entity, model in POINTS.items():
        table = table_of(model)
        for row in session.execute(select(table).where(table.c.debtor_id.in_(debtor_ids))):
            have.setdefault(row.debtor_id, set()).add((entity, _KEYS[entity](row)))
    return have


_KEYS: Mapping[str, Any] = {
    "address": lambda row: _address_key(row._mapping),  # noqa: SLF001  # the row's public mapping
    "email_point": lambda row: row.address.lower(),
    "phone_point": lambda row: row.e164,
    "bank_account": lambda row: row.iban,
}


def create_debtor(session: Session, new: NewDebtor, *, by: int | None) -> Debtor:
    """Create one debtor by hand, with the act in the audit log."""
    (key,) = create_debtors(session, [new], by=by)
    debtor = session.get_one(Debtor, key)
    after = described(session, debtor)
    audit.record(session, "debtor.create", actor_id=by, subject=("debtor", key), after=after)
    return debtor


def revise_debtor(
    session: Session,
    debtor: Debtor,
    values: Mapping[str, Any],
    *,
    contacts: Contacts = NO_CONTACTS,
    replace: Collection[str] = (),
    by: int | None,
    read: int | None = None,
) -> Debtor:
    """Set fields of a debtor, emptying those that are None, and its whole lists of contact points.

    `replace` names the tables of contact points that shall be what `contacts` says; a point that
    stays keeps what is known of it. `read` is the version the caller has seen. Raises `Conflict`
    (VERSION_STALE), `State` (DEBTOR_KIND_FIXED) for another kind once there are cases.
    """
    advance(session, debtor, read)
    before = described(session, debtor)
    if values.get("kind", debtor.kind) != debtor.kind and _has_cases(session, debtor.id):
        raise State("DEBTOR_KIND_FIXED", path=("input", "kind"))
    for name, value in values.items():
        setattr(debtor, name, value)
    shown = display_name(debtor.company_name, debtor.first_name, debtor.last_name)
    debtor.name = shown or debtor.name
    debtor.match_stale = True
    session.flush()
    _replace_points(session, debtor.id, contacts, replace)
    after = described(session, debtor)
    if changed := [name for name in after if after[name] != before[name]]:
        told = {"fields": [_WORDS.get(name, f"FIELD_{name.upper()}") for name in changed]}
        note_debtors(session, "TIMELINE_DEBTOR_REVISED", {debtor.id: told}, by=by)
        audit.record(
            session,
            "debtor.update",
            actor_id=by,
            subject=("debtor", debtor.id),
            before=before,
            after=after,
        )
    return debtor


def described(session: Session, debtor: Debtor) -> dict[str, Any]:
    """Return what a person can change of a debtor, as the audit log keeps it."""
    points: dict[str, list[Any]] = {}
    for entity, model in POINTS.items():
        table = table_of(model)
        rows = session.execute(select(table).where(table.c.debtor_id == debtor.id).order_by("id"))
        points[entity] = [_shown(entity, row) for row in rows]
    return {name: getattr(debtor, name) for name in ("kind", "locale", *FIELDS)} | points


def _shown(entity: str, row: Any) -> Any:
    if entity == "address":
        return {name: getattr(row, name) for name in _ADDRESS}
    return getattr(row, _VALUE_OF[entity])


def _has_cases(session: Session, debtor_id: int) -> bool:
    found = session.scalar(select(Case.id).where(Case.debtor_id == debtor_id).limit(1))
    return found is not None


def _replace_points(
    session: Session, debtor_id: int, contacts: Contacts, replace: Collection[str]
) -> None:
    rows, wanted = _Rows(at=clock.now(), import_id=None), set[tuple[str, str]]()
    _Rows(at=clock.now(), import_id=None).add(debtor_id, contacts, have=wanted)
    for entity in replace:
        table = table_of(POINTS[entity])
        for row in session.execute(select(table).where(table.c.debtor_id == debtor_id)).all():
            if (entity, _KEYS[entity](row)) not in wanted:
                session.execute(delete(table).where(table.c.id == row.id))
    rows.add(debtor_id, contacts, have=_points_of(session, [debtor_id]).get(debtor_id, set()))
    rows.write(session)
