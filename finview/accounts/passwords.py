"""Passwords: what one may be, and its Argon2id hash."""

import unicodedata
from functools import cache

from pwdlib import PasswordHash

from finview.errors import Invalid
from finview.i18n import N_, sentences

CODES = sentences({"PASSWORD_LENGTH": N_("A password has between {min} and {max} characters.")})

CHARS_MIN = 12
CHARS_MAX = 200
"""A longer text costs the server more than it adds."""


@cache
def _hasher() -> PasswordHash:
    return PasswordHash.recommended()


def hash_password(password: str) -> str:
    """Return the Argon2id hash; raises `Invalid` (PASSWORD_LENGTH). Slow: hold no session open.

    The same signs typed on another keyboard are the same password (NFC, RFC 8265).
    """
    normal = unicodedata.normalize("NFC", password)
    if not CHARS_MIN <= len(normal) <= CHARS_MAX:
        raise Invalid("PASSWORD_LENGTH", path=("password",), min=CHARS_MIN, max=CHARS_MAX)
    return _hasher().hash(normal)


def is_password(password: str, hashed: str | None) -> bool:
    """Tell whether a password is the one of a hash; slow, also when there is no hash."""
    normal = unicodedata.normalize("NFC", password)[:CHARS_MAX]
    if hashed is None:
        _hasher().hash(normal)  # takes as long, so that timing tells nothing
        return False
    return _hasher().verify(normal, hashed)
