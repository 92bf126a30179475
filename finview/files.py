"""Where the files lie that belong to the code, and how a file is written whole."""

import os
import tempfile
from pathlib import Path

# An editable install may leave a stale copy in `_data`, so the repository beside the package wins.
_REPOSITORY = Path(__file__).resolve().parent.parent
_PACKAGED = Path(__file__).resolve().parent / "_data"


def shipped(name: str) -> Path:
    """Return the path of a shipped folder or file, in a checkout or in an installed wheel."""
    beside = _REPOSITORY / name
    in_checkout = (_REPOSITORY / "pyproject.toml").exists() and beside.exists()
    return beside if in_checkout else _PACKAGED / name


def locales() -> Path:
    """Return the folder of the message catalogues."""
    return shipped("locales")


def migrations() -> Path:
    """Return the folder of the database migrations."""
    return shipped("migrations")


def schema() -> Path:
    """Return the file of the printed GraphQL schema."""
    return shipped("schema.graphql")


def examples() -> Path:
    """Return the folder of sample workbooks and clients."""
    return shipped("examples")


def write_once(path: Path, content: bytes) -> None:
    """Write a file whole or not at all; one that is there already stays as it is."""
    if path.exists():
        return
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=".", suffix=".part")
    try:
        with os.fdopen(handle, "wb") as part:
            part.write(content)
            part.flush()
            os.fsync(part.fileno())
        Path(name).replace(path)
    finally:
        Path(name).unlink(missing_ok=True)
