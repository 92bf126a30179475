"""The files of imports, for all imports of a page at once."""

from collections.abc import Sequence

from sqlalchemy import select

from finview.api.common import StoredFile
from finview.api.engine.context import Context
from finview.db.files import StoredFile as FileRow
from finview.imports.models import ImportFile

INVOICE_FILES_MAX = 1000


def files(ctx: Context, keys: Sequence[int]) -> dict[int, StoredFile]:
    """Return files by their keys."""
    wanted = select(FileRow).where(FileRow.id.in_(keys))
    return {row.id: StoredFile.of(row) for row in ctx.session.scalars(wanted)}


def originals(ctx: Context, keys: Sequence[int]) -> dict[int, StoredFile]:
    """Return original files by their keys; a revert leaves an import without one."""
    found = files(ctx, keys)
    return {key: found.get(key) or StoredFile.gone() for key in keys}


def invoice_files(ctx: Context, keys: Sequence[int]) -> dict[int, list[StoredFile]]:
    """Return the invoice files by import, at most 1,000 of each."""
    found: dict[int, list[StoredFile]] = {key: [] for key in keys}
    wanted = (
        select(ImportFile.import_id, FileRow)
        .join(FileRow, ImportFile.file_id == FileRow.id)
        .where(ImportFile.import_id.in_(keys))
        .order_by(FileRow.id)
    )
    for key, row in ctx.session.execute(wanted):
        if len(found[key]) < INVOICE_FILES_MAX:
            found[key].append(StoredFile.of(row))
    return found


__all__ = ["files", "invoice_files", "originals"]
