"""The logo of a business unit: a small PNG or JPEG picture, whatever its name says."""

from finview.db.files import FileStore, StoredFile, open_file
from finview.errors import FileTooLarge, FileType
from finview.i18n import N_, sentences

sentences(
    {
        "LOGO_TOO_LARGE": N_("The logo has {bytes} bytes; at most {limit} are allowed."),
        "LOGO_TYPE": N_("A logo is a PNG or a JPEG picture."),
    }
)

_PATH = ("input", "logoUploadId")
_SIGNATURES = {b"\x89PNG\r\n\x1a\n": "image/png", b"\xff\xd8\xff": "image/jpeg"}


def checked_logo(store: FileStore, stored: StoredFile, *, bytes_max: int) -> StoredFile:
    """Return a stored file marked as a logo.

    Raises `FileTooLarge` (LOGO_TOO_LARGE) and `FileType` (LOGO_TYPE): vector pictures are refused,
    because they may carry scripts.
    """
    if stored.size_bytes > bytes_max:
        raise FileTooLarge("LOGO_TOO_LARGE", path=_PATH, bytes=stored.size_bytes, limit=bytes_max)
    with open_file(store, stored) as file:
        begin = file.read(8)
    kind = next((kind for sign, kind in _SIGNATURES.items() if begin.startswith(sign)), None)
    if kind is None:
        raise FileType("LOGO_TYPE", path=_PATH)
    stored.content_type, stored.kind = kind, "logo"
    return stored
