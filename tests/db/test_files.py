"""Bytes live and die with their row; names are for people and lead nowhere."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from finview.db.files import (
    FileStore,
    StoredFile,
    _shown,
    delete_file,
    open_file,
    path_of,
    put_file,
)
from finview.db.runtime import Services

SHA_HELLO = "2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824"


def put(services: Services, source: bytes | Path = b"hello", name: str = "a.csv") -> StoredFile:
    with services.db.unit() as session:
        return put_file(
            session, services.files, source, filename=name, content_type="text/csv", kind="test"
        )


def stored_bytes(services: Services) -> list[Path]:
    return [path for path in services.files.root.rglob("*") if path.is_file()]


def test_a_file_is_read_back_with_its_size_and_hash(services: Services, tmp_path: Path) -> None:
    source = tmp_path / "source"
    source.write_bytes(b"hello")
    stored = put(services, source)
    assert (stored.size_bytes, stored.sha256) == (5, SHA_HELLO)
    with open_file(services.files, stored) as file:
        assert file.read() == b"hello"


def test_an_undone_unit_leaves_no_bytes(services: Services) -> None:
    def fail() -> None:
        with services.db.unit() as session:
            put_file(
                session, services.files, b"x", filename="x", content_type="text/csv", kind="test"
            )
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fail()
    assert stored_bytes(services) == []


def test_bytes_are_deleted_after_the_commit_only(services: Services) -> None:
    stored = put(services)
    with services.db.unit() as session:
        delete_file(session, services.files, session.merge(stored))
        assert path_of(services.files, stored).exists()
    assert stored_bytes(services) == []


def test_an_undone_deletion_keeps_the_bytes(services: Services) -> None:
    stored = put(services)

    def fail() -> None:
        with services.db.unit() as session:
            delete_file(session, services.files, session.merge(stored))
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fail()
    assert path_of(services.files, stored).exists()


@pytest.mark.parametrize("place", ["../secret", "a/../../b", "/etc/passwd", "", "a//b"])
def test_a_place_we_did_not_make_is_refused(tmp_path: Path, place: str) -> None:
    with pytest.raises(ValueError, match="not a place"):
        FileStore(tmp_path).path(place)


@pytest.mark.parametrize(
    ("given_name", "shown"),
    [
        ("../../etc/passwd", "passwd"),
        ("C:\\Temp\\Liste.xlsx", "Liste.xlsx"),
        ("fdp.\u202excod.exe", "fdp.xcod.exe"),
        ("a\r\nSet-Cookie: x.csv", "aSet-Cookie: x.csv"),
        ("...", "file"),
        ("x" * 300 + ".xlsx", "x" * 195 + ".xlsx"),
    ],
)
def test_names_are_shown_without_what_could_mislead(given_name: str, shown: str) -> None:
    assert _shown(given_name) == shown


@given(st.text(max_size=400))
def test_any_name_can_be_shown(name: str) -> None:
    shown = _shown(name)
    assert 0 < len(shown) <= 200
    assert "/" not in shown
    assert "\\" not in shown
