"""Types every noun uses: the node interface, money, page info, files."""

from decimal import Decimal
from typing import Any

import strawberry

from finview.api.engine.paging import Page
from finview.api.engine.scalars import CurrencyCode
from finview.db.files import StoredFile as StoredFileRow
from finview.money import Money as MoneyValue

f = strawberry.field

KEY = "The same key with the same input has one effect and one answer; kept for a week."
VERSION = "The version that was read; a stale one is answered with CONFLICT. Null: whatever it is."


@strawberry.interface(description="Anything with an id that `node(id:)` can fetch again.")
class Node:
    """Anything with an id."""

    id: strawberry.ID = f(description="Opaque and stable.")


@strawberry.type(description="An amount with its currency.")
class Money:
    """An amount with its currency."""

    amount: Decimal = f(description="In major units, with the currency's decimals.")
    currency: CurrencyCode = f(description="The currency.")

    @classmethod
    def of(cls, value: MoneyValue) -> "Money":
        """Return money of the rooms as the API shows it."""
        return cls(amount=value.decimal, currency=CurrencyCode(value.currency))


@strawberry.type(description="Where a page stands in its list.")
class PageInfo:
    """Where a page stands in its list."""

    has_next_page: bool = f(description="Whether there is more behind this page.")
    has_previous_page: bool = f(description="Whether this page was asked for behind a cursor.")
    start_cursor: str | None = f(description="The cursor of the first node.")
    end_cursor: str | None = f(description="The cursor of the last node: ask `after` it.")

    @classmethod
    def of(cls, page: Page[Any]) -> "PageInfo":
        """Return the page info of a page."""
        return cls(
            has_next_page=page.has_next,
            has_previous_page=page.has_previous,
            start_cursor=page.cursors[0] if page.cursors else None,
            end_cursor=page.cursors[-1] if page.cursors else None,
        )


@strawberry.type(description="A stored file; `url` takes the same credentials as the API.")
class StoredFile:
    """A stored file."""

    filename: str = f(description="The name it came with.")
    size_bytes: int = f(description="Its size in bytes.")
    sha256: str = f(description="The SHA-256 of its bytes, hexadecimal.")
    url: str = f(description="Where to download it; empty once it was deleted.")

    @classmethod
    def of(cls, row: StoredFileRow) -> "StoredFile":
        """Return a stored file's row as the API shows it."""
        return cls(
            filename=row.filename,
            size_bytes=row.size_bytes,
            sha256=row.sha256,
            url=f"/files/{row.id}",
        )

    @classmethod
    def gone(cls) -> "StoredFile":
        """Return what is left of a file a revert deleted."""
        return cls(filename="", size_bytes=0, sha256="", url="")
