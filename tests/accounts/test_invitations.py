"""Invitations: one link, used once, expired after a week; of its token only a hash is kept."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import select, text
from sqlalchemy.orm import Session

from finview import clock
from finview.accounts.invitations import (
    InvitationState,
    accept,
    begin_sending,
    invite,
    newest,
    opened,
    state_of,
    void,
)
from finview.accounts.models import AccountUser, Invitation
from finview.accounts.passwords import checked_password, hash_password
from finview.accounts.users import create_user
from finview.db import Database
from finview.errors import FinviewError, Invalid, TokenInvalid
from finview.settings import Settings

pytestmark = pytest.mark.both_databases
NOW = datetime(2026, 11, 2, 9, tzinfo=UTC)
KEY = "a secret key of the installation"
CHEAP = Settings(password_memory_kib=8, password_passes=1)


def is_password(password: str, hashed: str | None) -> bool:
    return checked_password(password, hashed, CHEAP)[0]


@pytest.fixture(autouse=True)
def _morning() -> Iterator[None]:
    with clock.standing_at(NOW):
        yield


def invited(session: Session, contact_id: int = 7) -> Invitation:
    user = session.scalars(select(AccountUser)).first() or create_user(
        session, email="ada@example.org", name="Ada Roth"
    )
    return invite(session, contact_id=contact_id, customer_id=1, user_id=user.id, by=None)


def refused(session: Session, token: str) -> str | None:
    with pytest.raises(FinviewError) as failure:
        opened(session, token)
    assert failure.value.message("de") != failure.value.message("en")
    return failure.value.reason


def test_the_link_sets_the_password_once(database: Database) -> None:
    with database.unit() as session:
        row = invited(session)
        assert state_of(row, NOW) == InvitationState.PENDING
        token = begin_sending(row, KEY)
        row.sent_at = NOW
        session.flush()
        assert (token, state_of(row, NOW)) == (begin_sending(row, KEY), InvitationState.SENT)
        hashed = hash_password("correct horse battery", CHEAP)
        user = accept(session, token, hashed)
        assert is_password("correct horse battery", user.password_hash)
        assert not is_password("correct horse batterY", user.password_hash)
        assert state_of(row, NOW) == InvitationState.ACCEPTED
        with pytest.raises(TokenInvalid, match="INVITATION_USED"):
            accept(session, token, hashed)


def test_after_a_week_the_link_is_dead(database: Database) -> None:
    with database.unit() as session:
        row = invited(session)
        token = begin_sending(row, KEY)
        session.flush()
        with clock.standing_at(NOW + timedelta(days=7, milliseconds=-1)):
            assert opened(session, token).id == row.id
        with clock.standing_at(NOW + timedelta(days=7)):
            assert refused(session, token) == "INVITATION_EXPIRED"
            assert state_of(row, clock.now()) == InvitationState.EXPIRED


def test_a_new_invitation_makes_the_old_link_void(database: Database) -> None:
    with database.unit() as session:
        old = begin_sending(invited(session), KEY)
        row = invited(session)
        new = begin_sending(row, KEY)
        session.flush()
        assert old != new
        assert refused(session, old) == "INVITATION_USED"
        assert opened(session, new).id == row.id
        assert newest(session, [7, 8]) == {7: row}
        void(session, 7)
        assert refused(session, new) == "INVITATION_USED"


def test_accepting_one_link_voids_the_persons_others(database: Database) -> None:
    with database.unit() as session:
        tokens = [begin_sending(invited(session, contact), KEY) for contact in (7, 8)]
        session.flush()
        accept(session, tokens[0], hash_password("abcdefghijkl", CHEAP))
        session.expire_all()
        assert refused(session, tokens[1]) == "INVITATION_USED"


def test_unknown_links_and_those_of_the_inactive_read_alike(database: Database) -> None:
    with database.unit() as session:
        row = invited(session)
        token = begin_sending(row, KEY)
        session.get_one(AccountUser, row.user_id).active = False
        session.flush()
        for one in (token, "nothing", "", "ü" * 50):
            with pytest.raises(TokenInvalid, match="INVITATION_UNKNOWN"):
                opened(session, one)


def test_no_table_holds_the_token(database: Database) -> None:
    with database.unit() as session:
        token = begin_sending(invited(session), KEY)
        session.flush()
        for table in ("invitation", "job", "audit_event"):
            for row in session.execute(text(f"SELECT * FROM {table}")):
                assert token not in str(tuple(row))


@pytest.mark.parametrize("password", ["abcdefghijk", "abcde" * 41])
def test_a_password_has_at_least_twelve_characters(password: str) -> None:
    with pytest.raises(Invalid, match="PASSWORD_LENGTH"):
        hash_password(password, CHEAP)


def test_the_same_signs_are_the_same_password() -> None:
    composed, apart = "Mülheimer Brücke", "Mu\u0308lheimer Bru\u0308cke"
    hashed = hash_password(apart, CHEAP)
    assert hashed.startswith("$argon2id$")
    assert is_password(composed, hashed)
    assert not is_password(composed, None)
