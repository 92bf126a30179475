"""What a running process has at hand: settings, database, files, and what upper rooms put in."""

from typing import Any, Self, TypeVar

from finview.db import Database
from finview.db.files import FileStore
from finview.settings import Settings

T = TypeVar("T")


class Services:
    """Handed to every job and request; upper rooms keep their own things here by class."""

    def __init__(self, settings: Settings, db: Database, files: FileStore) -> None:
        self.settings = settings
        self.db = db
        self.files = files
        self._things: dict[type, Any] = {}

    @classmethod
    def open(cls, settings: Settings, *, role: str = "finview") -> Self:
        """Open the database and the file store of `settings`."""
        return cls(
            settings, Database.open(settings, role=role), FileStore(settings.data_dir / "files")
        )

    def put(self, thing: object, *, under: type | None = None) -> None:
        """Keep a thing under its class, or under a class it stands for."""
        self._things[under or type(thing)] = thing

    def get(self, kind: type[T]) -> T:
        """Return what was put under a class; raises LookupError when nobody did."""
        try:
            thing: T = self._things[kind]
        except KeyError:
            raise LookupError(f"nobody put a {kind.__name__} into the services") from None
        return thing

    def close(self) -> None:
        """Close the database."""
        self.db.close()
