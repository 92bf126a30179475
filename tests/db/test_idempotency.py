"""The same request sent twice has one answer; another input under the same key has none."""

from typing import Any

import pytest

from finview.db import Database
from finview.db.idempotency import Answer, claim, store
from finview.errors import IdempotencyMismatch

pytestmark = pytest.mark.both_databases


def ask(database: Database, given: dict[str, Any], *, viewer: int = 1) -> Answer:
    with database.unit() as session:
        answer = claim(session, viewer_id=viewer, mutation="importCreate", key="k", given=given)
        if answer.payload is None:
            store(session, answer, {"import": {"id": "7"}})
        return answer


def test_the_second_request_gets_the_first_answer(database: Database) -> None:
    assert ask(database, {"a": 1, "b": 2}).payload is None
    assert ask(database, {"b": 2, "a": 1}).payload == {"import": {"id": "7"}}


def test_another_input_under_the_same_key_is_refused(database: Database) -> None:
    ask(database, {"a": 1})
    with pytest.raises(IdempotencyMismatch):
        ask(database, {"a": 2})


def test_keys_belong_to_their_viewer(database: Database) -> None:
    ask(database, {"a": 1})
    assert ask(database, {"a": 2}, viewer=2).payload is None
