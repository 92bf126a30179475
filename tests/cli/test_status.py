"""Exit status, streams and languages of the `finview` command."""

import subprocess
import sys

import pytest

from finview import __version__


def test_help_names_every_command_and_ends_well(run):
    answer = run("--help")
    assert answer.status == 0
    names = "demo serve worker migrate import columns match user token plugins jobs clock case"
    assert all(f"\n  {name} " in answer.out for name in [*names.split(), "schema", "doctor"])


def test_help_imports_nothing_heavy():
    heavy = "sqlalchemy", "strawberry", "phonenumbers", "openpyxl", "uvicorn"
    code = f"import sys, finview.cli; sys.exit([m for m in {heavy!r} if m in sys.modules] or 0)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


@pytest.mark.parametrize(
    "words",
    [
        ("import", "file.xlsx"),
        ("nonsense",),
        ("clock", "advance", "-1"),
        ("import", "f.xlsx", "--customer", "C", "--portfolio", "P", "--kind", "alien"),
        ("import", "f.xlsx", "--customer", "C", "--portfolio", "P", "--launch"),
    ],
)
def test_wrong_usage_is_status_2_and_prints_no_result(run, words):
    answer = run(*words)
    assert (answer.status, answer.out) == (2, "")
    assert answer.err


def test_a_failure_is_a_sentence_on_stderr_and_status_1(run, data):
    answer = run("token", "create", "--email", "nobody@example.org")
    assert (answer.status, answer.out) == (1, "")
    assert answer.err == "There is no user with this e-mail address: nobody@example.org.\n"


def test_a_failure_speaks_the_language_of_the_terminal(run, data, monkeypatch):
    monkeypatch.setenv("FINVIEW_LOCALE", "")
    monkeypatch.setenv("LC_ALL", "de_DE.UTF-8")
    answer = run("case", "show", "C-0")
    assert answer.err == "Es gibt keine Akte mit der Nummer C-0.\n"


def test_a_failure_is_json_too(run, data):
    answer = run("case", "show", "C-0", "--json")
    assert answer.status == 1
    assert answer.json["error"]["code"] == "NOT_FOUND"
    assert answer.json["error"]["reason"] == "CASE_NOT_FOUND"


def test_a_wrong_setting_is_named(run, fresh, monkeypatch):
    monkeypatch.setenv("FINVIEW_WORKER_THREADS", "many")
    answer = run("jobs", "list")
    assert answer.status == 1
    assert "FINVIEW_WORKER_THREADS" in answer.err


def test_production_is_not_migrated_by_the_way(run, fresh, monkeypatch):
    monkeypatch.setenv("FINVIEW_ENV", "production")
    monkeypatch.setenv("FINVIEW_SECRET_KEY", "x" * 32)
    answer = run("jobs", "list", "--json")
    assert answer.json["error"]["reason"] == "DATABASE_OUTDATED"
    assert run("migrate").status == 0
    assert run("jobs", "list", "--json").json == {"jobs": []}


def test_python_m_finview_is_the_same_command():
    command = [sys.executable, "-m", "finview", "--version"]
    answer = subprocess.run(command, capture_output=True, text=True, check=True)
    assert answer.stdout.strip() == __version__
