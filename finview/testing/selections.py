"""Random GraphQL queries over what the read path declares, for tests that compare answers."""

from collections.abc import Mapping
from random import Random
from typing import Any

from graphql import (
    GraphQLObjectType,
    GraphQLSchema,
    get_named_type,
    is_leaf_type,
    is_list_type,
    is_non_null_type,
)

from finview.api.engine.sources import Bulk, Calc

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
        self,
        random: Random,
        schema: GraphQLSchema,
        sources: Mapping[str, Any],
        roots: Mapping[str, Any],
    ) -> None:
        self.random = random
        self.schema = schema
        self.sources = sources
        self.roots = roots

    def query(self) -> str:
        """Return a query with the variables `yes`, `first` and `id`."""
        query = self.schema.query_type
        assert query is not None
        known = [n for n, f in query.fields.items() if self._name(f) in self.roots]
        chosen = self.random.sample(known, self.random.choice((1, 1, 2)))
        fields = [self._field(f"r{n}: ", query, name, 1) for n, name in enumerate(chosen)]
        used = "$yes: Boolean = true, $first: Int = 3, $id: ID = null"
        keep = "i: case(id: $id) { id } j: cases(first: $first) { totalCount }"
        return f"query({used}) {{ {' '.join(fields)} __typename @include(if: $yes) {keep} }}"

    def variables(self) -> dict[str, Any]:
        """Return values of the query's variables."""
        return {
            "yes": self.random.random() < 0.5,
            "first": self.random.randint(1, 9),
            "id": self.random.choice(IDS),
        }

    def _name(self, field: Any) -> str:
        name: str = field.extensions["strawberry-definition"].python_name
        return name

    def _selection(self, type_: GraphQLObjectType, depth: int, *, made: bool) -> str:
        """Return fields of an object; one that a function made has no sources."""
        source = None if made else self.sources.get(type_.name)
        known = [name for name, field in type_.fields.items() if self._known(source, field, depth)]
        chosen = self.random.choices([*known, "__typename"], k=self.random.randint(1, 6))
        parts = []
        for n, name in enumerate(dict.fromkeys(chosen)):
            alias = f"a{n}: " if self.random.random() < 1 / 6 else ""
            shown = (
                "__typename"
                if name == "__typename"
                else self._field(alias, type_, name, depth, made)
            )
            wrap = self.random.randrange(10)
            if wrap == 0:
                shown = f"... on {type_.name} {{ {shown} }}"
            elif wrap == 1:
                shown = f"... @skip(if: $yes) {{ {shown} }} __typename"
            parts.append(shown)
        return "{ " + " ".join(parts) + " }"

    def _known(self, source: Any, field: Any, depth: int) -> bool:
        definition = field.extensions["strawberry-definition"]
        if source is not None and definition.python_name not in source.fields:
            return False
        if source is None and definition.base_resolver and definition.python_name != "total_count":
            return False
        return is_leaf_type(get_named_type(field.type)) or depth < DEPTH_MAX

    def _field(
        self, alias: str, type_: GraphQLObjectType, name: str, depth: int, made: bool = False
    ) -> str:
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
        source = self.sources.get(type_.name)
        declared = source.fields.get(self._name(field)) if source else None
        made = made or isinstance(declared, (Bulk, Calc))
        return f"{text} {self._selection(inner, depth + 1, made=made)}"

    def _argument(self, name: str, type_: Any) -> str | None:
        needed = is_non_null_type(type_)
        kind = get_named_type(type_).name
        if not needed and self.random.random() < 0.5:
            return None
        if name == "first":
            return self.random.choice(("$first", "1", "2", "5"))
        if name == "orderBy":
            fields = self.random.sample(("OPENED_AT", "NUMBER", "STATUS"), self.random.randrange(3))
            way = self.random.choice(("ASC", "DESC"))
            return "[" + ", ".join(f"{{field: {f}, direction: {way}}}" for f in fields) + "]"
        if kind in WHERES:
            return self.random.choice(WHERES[kind])
        if kind == "ID":
            return f'"{self.random.choice(IDS)}"'
        if kind == "Date":
            return '"2026-10-01"'
        assert is_list_type(type_) or not needed
        return None


__all__ = ["Chooser"]
