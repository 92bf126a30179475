"""The schema as a promise: described, sorted, printed alike, never broken in silence."""

import pytest
from graphql import build_schema, find_breaking_changes, lexicographic_sort_schema, print_schema

from finview.api.engine.documents import core_schema
from finview.api.schema import sdl
from finview.testing import evolution

OLD = """
type Query { case: Case old: Int @deprecated(reason: "until 2027-06: use case") }
type Case { id: ID! status: Status! }
enum Status { NEW CLOSED LOST @deprecated(reason: "until 2027-06: use CLOSED") }
"""


def test_everything_is_described() -> None:
    assert evolution.undescribed(core_schema()) == []


def test_what_has_no_description_is_found() -> None:
    found = evolution.undescribed(
        build_schema('"""q""" type Query { "a" a("x" x: Int, y: Int): Int b: E } enum E { A }')
    )
    assert found == ["E", "E.A", "Query.a(y)", "Query.b"]


def test_the_printed_schema_is_sorted_and_whole() -> None:
    again = build_schema(sdl())
    assert print_schema(lexicographic_sort_schema(again)) + "\n" == sdl()
    assert find_breaking_changes(core_schema(), again) == []


def test_every_scalar_says_which_standard_it_follows() -> None:
    own = {n: k for n, k in core_schema().type_map.items() if hasattr(k, "specified_by_url")}
    builtin = {"ID", "String", "Int", "Float", "Boolean"}
    assert {n for n, k in own.items() if not k.specified_by_url} - builtin == set()


def test_money_is_never_a_float() -> None:
    floats = {
        f"{name}.{key}"
        for name, kind in core_schema().type_map.items()
        for key, field in getattr(kind, "fields", {}).items()
        if str(field.type).strip("[]!") == "Float"
    }
    scores = {"confidence", "margin", "percent", "points", "threshold", "reviewFloor", "autoMatch"}
    assert {f.split(".")[1] for f in floats} <= scores, floats


def test_nothing_broke_since_the_last_release() -> None:
    assert evolution.broken_since_release(core_schema()) == []


@pytest.mark.parametrize(
    ("before", "after", "broken"),
    [
        ('old: Int @deprecated(reason: "until 2027-06: use case")', "", False),
        ('LOST @deprecated(reason: "until 2027-06: use CLOSED")', "", False),
        ("case: Case", "", True),
        ("status: Status!", "status: Status", True),
        ("NEW CLOSED", "CLOSED", True),
        ("NEW CLOSED", "NEW CLOSED HELD", False),
    ],
)  # fmt: skip
def test_only_what_was_deprecated_may_go(before: str, after: str, broken: bool) -> None:
    changed = build_schema(OLD.replace(before, after))
    assert bool(evolution.breaking(build_schema(OLD), changed)) is broken


def test_mutations_sort_by_their_noun_and_answer_with_errors() -> None:
    mutation = core_schema().mutation_type
    assert mutation
    secrets = {"email", "token", "password", "locale"}  # what a stranger has instead of an id
    for name, field in mutation.fields.items():
        payload = core_schema().type_map[str(field.type).strip("!")]
        assert str(payload.fields["errors"].type) == "[UserError!]!", name
        verb = {"id", "caseId", "reason", "input", "idempotencyKey", "where"}
        verb |= {"outcome", "port"}  # a choice, of a task and of a run
        verb |= {"scopeId", "channel"}  # what a general stop is about
        verb |= {"customerId", "from", "to", "currency"}  # with whom to settle which period
        assert set(field.args) <= verb | secrets, name
