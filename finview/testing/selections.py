"""Random GraphQL queries over what the read path declares, for tests that compare answers."""

from collections.abc import Mapping
from typing import Any

from graphql import (
    GraphQLObjectType,
    GraphQLSchema,
    get_named_type,
    is_leaf_type,
    is_list_type,
    is_non_null_type,
)
from hypothesis import strategies as st

DEPTH_MAX = 5
WHERES: Mapping[str, tuple[str, ...]] = {
    "CaseWhere": (
        "{}",
        '{text: "A-3"}',
        "{status: [ACTIVE, CLOSED]}",
        "{status: []}",
        '{openedFrom: "2026-01-02", openedTo: "2026-01-09"}',
        '{customerId: "cus_1", portfolioId: "pf_1"}',
        '{debtorId: "cas_1"}',
        "{or: [{status: [NEW]}, {not: {status: [ACTIVE]}}], and: [{bucketId: $id}]}",
    ),
    "DebtorWhere": ("{}", '{text: "1"}', "{kind: BUSINESS}", '{text: "a", kind: CONSUMER}'),
    "CustomerWhere": ("{}", '{text: "kunde"}', '{text: "1001"}'),
    "ImportWhere": ("{}", "{state: [REVIEW]}", '{customerId: "cus_1"}'),
}
IDS = ("cas_1", "cas_2", "cas_59", "dbt_3", "inv_4", "cus_1", "cus_2", "pf_1", "bkt_1", "bu_1")


class Chooser:
    """Draws one query."""

    def __init__(
        self, draw: Any, schema: GraphQLSchema, sources: Mapping[str, Any], roots: Mapping[str, Any]
    ) -> None:
        self.draw = draw
        self.schema = schema
        self.sources = sources
        self.roots = roots

    def query(self) -> tuple[str, dict[str, Any]]:
        """Return a query and its variables."""
        query = self.schema.query_type
        assert query is not None
        known = [n for n, f in query.fields.items() if self._name(f) in self.roots]
        chosen = self.draw(st.lists(st.sampled_from(known), min_size=1, max_size=2))
        fields = [self._field(f"r{n}: ", query, name, 1) for n, name in enumerate(chosen)]
        variables = {
            "yes": self.draw(st.booleans()),
            "first": self.draw(st.integers(1, 9)),
            "id": self.draw(st.sampled_from(IDS)),
        }
        used = "$yes: Boolean = true, $first: Int = 3, $id: ID = null"
        keep = "__typename @include(if: $yes) i: case(id: $id) { id } j: cases(first: $first) { totalCount }"
        return f"query({used}) {{ {' '.join(fields)} {keep} }}", variables

    def _name(self, field: Any) -> str:
        name: str = field.extensions["strawberry-definition"].python_name
        return name

    def _selection(self, type_: GraphQLObjectType, depth: int) -> str:
        known = [name for name, field in type_.fields.items() if self._known(type_, field, depth)]
        chosen = self.draw(
            st.lists(st.sampled_from([*known, "__typename"]), min_size=1, max_size=6)
        )
        parts = []
        for n, name in enumerate(dict.fromkeys(chosen)):
            alias = f"a{n}: " if self.draw(st.integers(0, 5)) == 0 else ""
            shown = "__typename" if name == "__typename" else self._field(alias, type_, name, depth)
            wrap = self.draw(st.integers(0, 9))
            if wrap == 0:
                shown = f"... on {type_.name} {{ {shown} }}"
            elif wrap == 1:
                shown = f"... @skip(if: $yes) {{ {shown} }} __typename"
            parts.append(shown)
        return "{ " + " ".join(parts) + " }"

    def _known(self, type_: GraphQLObjectType, field: Any, depth: int) -> bool:
        source = self.sources.get(type_.name)
        definition = field.extensions["strawberry-definition"]
        if source is not None and definition.python_name not in source.fields:
            return False
        if source is None and definition.base_resolver and definition.python_name != "total_count":
            return False
        return is_leaf_type(get_named_type(field.type)) or depth < DEPTH_MAX

    def _field(self, alias: str, type_: GraphQLObjectType, name: str, depth: int) -> str:
        field = type_.fields[name]
        given = [
            f"{argument}: {value}"
            for argument, definition in field.args.items()
            if (value := self._argument(argument, definition.type)) is not None
        ]
        text = f"{alias}{name}" + (f"({', '.join(given)})" if given else "")
        inner = get_named_type(field.type)
        if is_leaf_type(inner):
            return text
        if not isinstance(inner, GraphQLObjectType):
            return f"{text} {{ id ... on Case {{ number status }} }}"
        return f"{text} {self._selection(inner, depth + 1)}"

    def _argument(self, name: str, type_: Any) -> str | None:
        needed = is_non_null_type(type_)
        kind = get_named_type(type_).name
        if not needed and self.draw(st.booleans()):
            return None
        if name == "first":
            return str(self.draw(st.sampled_from(["$first", "1", "2", "5"])))
        if name == "orderBy":
            fields = self.draw(
                st.lists(st.sampled_from(["OPENED_AT", "NUMBER", "STATUS"]), max_size=2)
            )
            way = self.draw(st.sampled_from(["ASC", "DESC"]))
            return "[" + ", ".join(f"{{field: {f}, direction: {way}}}" for f in fields) + "]"
        if kind in WHERES:
            return str(self.draw(st.sampled_from(WHERES[kind])))
        if kind == "ID":
            return f'"{self.draw(st.sampled_from(IDS))}"'
        if kind == "Date":
            return '"2026-10-01"'
        assert is_list_type(type_) or not needed
        return None


def operations(
    schema: GraphQLSchema, sources: Mapping[str, Any], roots: Mapping[str, Any]
) -> st.SearchStrategy[tuple[str, dict[str, Any]]]:
    """Return queries with their variables."""

    @st.composite
    def one(draw: Any) -> tuple[str, dict[str, Any]]:
        return Chooser(draw, schema, sources, roots).query()

    return one()


__all__ = ["operations"]
