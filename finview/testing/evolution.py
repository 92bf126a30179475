"""How the schema may change: additions always, removals only after a deprecation."""

import subprocess
from pathlib import Path

from graphql import (
    BreakingChangeType,
    GraphQLEnumType,
    GraphQLInterfaceType,
    GraphQLObjectType,
    GraphQLSchema,
    build_schema,
    find_breaking_changes,
)

from finview import files


def undescribed(schema: GraphQLSchema) -> list[str]:
    """Return every type, field, argument, input field and enum value without a description."""
    found: list[str] = []
    for name, kind in sorted(schema.type_map.items()):
        if name.startswith("__"):
            continue
        parts = {name: kind.description}
        if isinstance(kind, GraphQLEnumType):
            parts |= {f"{name}.{key}": value.description for key, value in kind.values.items()}
        for key, field in getattr(kind, "fields", {}).items():
            parts[f"{name}.{key}"] = field.description
            for argument, given in getattr(field, "args", {}).items():
                parts[f"{name}.{key}({argument})"] = given.description
        found += [part for part, words in parts.items() if not words]
    return found


def released() -> str | None:
    """Return the schema of the last tag; without one, or without git, the committed file."""
    folder = files.schema().parent
    if (folder / ".git").exists():
        tag = _git(folder, "describe", "--tags", "--abbrev=0")
        text = _git(folder, "show", f"{tag.strip()}:schema.graphql") if tag else None
        if text:
            return text
    text = files.schema().read_text()
    return text or None


def breaking(old: GraphQLSchema, new: GraphQLSchema) -> list[str]:
    """Return what would break a client of the old schema; what was deprecated there may go."""
    removals = {BreakingChangeType.FIELD_REMOVED, BreakingChangeType.VALUE_REMOVED_FROM_ENUM}
    leaving = _deprecated(old)
    return [
        change.description
        for change in find_breaking_changes(old, new)
        if not change.description.startswith("Standard scalar")
        and (change.type not in removals or not leaving & set(change.description.split()))
    ]


def broken_since_release(new: GraphQLSchema) -> list[str]:
    """Return the breaking changes since the last release."""
    text = released()
    return breaking(build_schema(text), new) if text else []


def _deprecated(schema: GraphQLSchema) -> set[str]:
    """Return what is deprecated, in the words of graphql-core's descriptions."""
    found: set[str] = set()
    for name, kind in schema.type_map.items():
        if isinstance(kind, (GraphQLObjectType, GraphQLInterfaceType)):
            found |= {f"{name}.{key}" for key, f in kind.fields.items() if f.deprecation_reason}
        elif isinstance(kind, GraphQLEnumType):
            found |= {f"{name}.{key}" for key, v in kind.values.items() if v.deprecation_reason}
    return found


def _git(folder: Path, *words: str) -> str | None:
    try:
        done = subprocess.run(  # noqa: S603 -- our own words, no shell
            ["git", "-C", str(folder), *words],  # noqa: S607 -- the git of this machine
            capture_output=True,
            text=True,
            check=False,
        )
    except OSError:
        return None
    return done.stdout if done.returncode == 0 else None
