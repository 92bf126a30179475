"""The house rules of CONTRIBUTING.md that a linter can't say; each failure says why and where."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

import finview
from finview.db.base import Base
from finview.db.models import load_models

ROOT = Path(finview.__file__).parent
FILES = sorted(ROOT.rglob("*.py"))
EDGES = {
    "plugins/guard.py",
    "plugins/pool.py",
    "plugins/discovery.py",
    "plugins/manager.py",
    "jobs/runner.py",
    "jobs/ticker.py",
    "jobs/failures.py",
    "api/engine/view.py",
    "web/threads.py",  # carries over to another thread whatever is raised
    "cli/__init__.py",
}


def name_of(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


def nodes(kind: type[ast.AST], *rooms: str) -> Iterator[tuple[str, ast.AST]]:
    for path in FILES:
        if not rooms or name_of(path).startswith(rooms):
            for node in ast.walk(ast.parse(path.read_text())):
                if isinstance(node, kind):
                    yield f"{name_of(path)}:{getattr(node, 'lineno', 0)}", node


def calls(*names: str, outside: tuple[str, ...] = ()) -> list[str]:
    return [
        where
        for where, node in nodes(ast.Call)
        if ast.unparse(node.func) in names and not where.startswith(outside)  # type: ignore[attr-defined]
    ]


def test_h1_the_api_selects_guarded_tables_through_visible_only() -> None:
    load_models()
    guarded = {m.class_.__name__ for m in Base.registry.mappers if m.class_.__scope__ is not None}
    assert {"Case", "Import", "Customer"} <= guarded
    bare = []
    for path in [p for p in FILES if name_of(p).startswith(("api/", "web/"))]:
        text = path.read_text()
        aliases = {
            alias.asname or alias.name: alias.name
            for node in ast.walk(ast.parse(text))
            if isinstance(node, ast.ImportFrom)
            for alias in node.names
        }
        tree = ast.parse(text)
        inside = {
            id(inner)
            for node in ast.walk(tree)
            if isinstance(node, ast.Call) and ast.unparse(node.func) == "visible"
            for inner in ast.walk(node)
        }
        bare += [
            f"{name_of(path)}:{node.lineno}"
            for node in ast.walk(tree)
            if isinstance(node, ast.Call)
            and ast.unparse(node.func) == "select"
            and len(node.args) == 1
            and aliases.get(ast.unparse(node.args[0])) in guarded - _READ_THROUGH_A_PARENT
            and id(node) not in inside
        ]
    assert not bare, f"select() of a guarded table without visible(): {bare}"


# Read by the key of a parent that was checked already.
_READ_THROUGH_A_PARENT = {"AccountUser", "Invoice", "StoredFile"}


def test_h2_only_the_database_and_the_job_runner_commit() -> None:
    found = [
        where
        for where, node in nodes(ast.Attribute)
        if node.attr in {"commit", "rollback"}  # type: ignore[attr-defined]
        and not where.startswith(("db/", "jobs/runner.py"))
    ]
    assert not found, f"rooms never commit, the edge does: {found}"


def test_h3_domain_code_is_synchronous() -> None:
    found = [
        w
        for w, _ in nodes(ast.AsyncFunctionDef)
        if not w.startswith(("api/engine", "web/", "testing/"))
    ]
    assert not found, f"async only at the edge: {found}"


def test_h4_money_is_never_a_float() -> None:
    found = [
        where
        for where, node in nodes(ast.Name, "money.py", "cases/")
        if node.id == "float"  # type: ignore[attr-defined]
    ]
    found += [
        where
        for where, node in nodes(ast.Constant, "money.py", "cases/")
        if isinstance(node.value, float)  # type: ignore[attr-defined]
    ]
    assert not found, f"no float in money: {found}"


def test_h5_nobody_else_asks_the_system_for_the_time() -> None:
    wanted = ("datetime.now", "datetime.utcnow", "date.today", "time.time", "datetime.today")
    assert not calls(*wanted, outside=("clock.py",))


def test_h6_no_print_outside_the_command_line_no_eval_no_pickle() -> None:
    assert not calls("print", outside=("cli/",))
    assert not calls("eval", "exec", "pickle.loads", "pickle.load")
    imports = [w for w, n in nodes(ast.Import) if any(a.name == "pickle" for a in n.names)]  # type: ignore[attr-defined]
    assert not imports


def test_h8_broad_excepts_stand_at_the_edges_only() -> None:
    found = [
        where
        for where, node in nodes(ast.ExceptHandler)
        if (node.type is None or ast.unparse(node.type) in {"Exception", "BaseException"})  # type: ignore[attr-defined]
        and where.rsplit(":", 1)[0] not in EDGES
        and not _raises_again(node)  # type: ignore[arg-type]
    ]
    assert not found, f"a broad except hides bugs: {found}"


def _raises_again(handler: ast.ExceptHandler) -> bool:
    last = handler.body[-1]
    return isinstance(last, ast.Raise) and last.exc is None


def test_h12_one_database_is_one_agency_and_every_table_says_whose_rows_are() -> None:
    load_models()
    assert not [name_of(p) for p in FILES if "tenant" in p.read_text().lower()]
    unscoped = [
        m.class_.__name__
        for m in Base.registry.mappers
        if "customer_id" in m.columns and m.class_.__scope__ is None
    ]
    assert not unscoped


def test_h13_nothing_is_loaded_behind_the_back() -> None:
    load_models()
    lazy = [r.key for m in Base.registry.mappers for r in m.relationships if r.lazy != "raise"]
    assert not lazy


@pytest.mark.parametrize("path", FILES, ids=name_of)
def test_h14_files_and_functions_stay_small(path: Path) -> None:
    text = path.read_text()
    assert len(text.splitlines()) <= 600
    long = [
        f"{node.name}:{node.lineno}"
        for node in ast.walk(ast.parse(text))
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef))
        and (node.end_lineno or 0) - node.lineno >= 70
    ]
    assert not long


def test_h14_most_files_are_short() -> None:
    sizes = sorted(len(p.read_text().splitlines()) for p in FILES)
    assert sizes[len(sizes) // 2] <= 150
    assert sizes[int(len(sizes) * 0.9)] <= 400


def test_only_jobs_knows_dramatiq_and_only_plugins_knows_pluggy() -> None:
    homes = {
        "dramatiq": "jobs/",
        "pluggy": "plugins/",
        "openpyxl": ("imports/", "testing/", "cli/"),
        "strawberry": ("api/", "app.py", "testing/"),
    }
    found = []
    for where, node in [*nodes(ast.Import), *nodes(ast.ImportFrom)]:
        module = node.module or "" if isinstance(node, ast.ImportFrom) else node.names[0].name  # type: ignore[attr-defined]
        home = homes.get(module.split(".")[0])
        if home and not where.startswith(home):
            found.append(where)
    assert not found, f"a library is at home in one room: {found}"


def test_lock_files_name_no_index() -> None:
    locks = sorted(ROOT.parent.glob("*.lock"))
    assert len(locks) == 3
    assert not [
        lock.name for lock in locks if "://" in lock.read_text() or "--index" in lock.read_text()
    ]


def test_the_catalogues_are_complete_and_formal() -> None:
    from finview.i18n import LOCALES
    from finview.testing import locales

    messages = locales.template()
    assert {locale: locales.faults(locale, messages) for locale in LOCALES} == {"en": [], "de": []}
