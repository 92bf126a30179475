"""The rules that are kept: one row for each version of a country, on both databases."""

import pytest
from sqlalchemy import select

from finview.cases import law
from finview.cases.packs.us import call_refused
from finview.communications.policy_models import ContactPolicy
from finview.communications.rules import STRICTEST, rules_for
from finview.db import Database

pytestmark = pytest.mark.usefixtures("morning")


@pytest.mark.both_databases
def test_a_version_is_kept_once_and_read_as_it_was(database: Database) -> None:
    with database.unit() as session:
        first = rules_for(session, "DE", "CONSUMER")
    with database.unit() as session:
        again = rules_for(session, "DE", "CONSUMER")
        rules_for(session, "AT", "CONSUMER")
        rules_for(session, "CH", "CONSUMER")
        kept = session.execute(
            select(ContactPolicy.country, ContactPolicy.version, ContactPolicy.tz)
        ).all()
    assert (again.limits.hours, again.version) == (first.limits.hours, first.version)
    assert {tuple(row) for row in kept} == {
        ("DE", "de/2026.2", "Europe/Berlin"),
        ("", STRICTEST, None),
    }


def test_looking_alone_writes_nothing(database: Database) -> None:
    with database.reading() as session:
        assert rules_for(session, "US", "CONSUMER", keep=False).version == "us/2026.1"
        assert session.scalars(select(ContactPolicy)).all() == []


@pytest.mark.parametrize("code", ["de", "nl", "uk", "us"])
def test_every_shipped_pack_says_where_its_rules_stand(code: str) -> None:
    for kind in ("CONSUMER", "BUSINESS"):
        rules = law.SHIPPED[code].contact_rules(kind)
        assert rules is not None
        assert all(rule.citation and rule.source and rule.verified_on for rule in rules.rules)
        assert {"CALL", "SMS"} <= set(rules.hours)
        assert all(len(week) == 7 for week in rules.hours.values())


def test_the_caps_of_a_pack_are_the_pack_s_own() -> None:
    limits = law.SHIPPED["us"].contact_rules("CONSUMER")
    assert limits is not None
    assert call_refused([1] * 7, [], 7, limits=limits) == "SEVEN_ATTEMPTS_IN_7_DAYS"
    assert call_refused([1] * 7, [], 8, limits=limits) is None
