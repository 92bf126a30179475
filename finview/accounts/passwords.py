"""Passwords: what one may be, and its Argon2id hash."""

import secrets
import unicodedata
from functools import cache

from pwdlib import PasswordHash
from pwdlib.hashers.argon2 import Argon2Hasher

from finview.errors import Invalid, Required
from finview.i18n import N_, sentences
from finview.settings import Settings

CODES = sentences(
    {
        "PASSWORD_LENGTH": N_("A password has between {min} and {max} characters."),
        "PASSWORD_WEAK": N_(
            "This password is too easy to guess. Please use more different characters."
        ),
    }
)

CHARS_MIN = 12
CHARS_MAX = 200
"""A longer text costs the server more than it adds."""
DIFFERENT_CHARS_MIN = 5
LANES = 4


@cache
def _hasher(memory_kib: int, passes: int) -> PasswordHash:
    lanes = min(LANES, memory_kib // 8)  # Argon2 wants 8 KiB for each lane
    return PasswordHash([Argon2Hasher(time_cost=passes, memory_cost=memory_kib, parallelism=lanes)])


@cache
def _of_nobody(memory_kib: int, passes: int) -> str:
    """Return the hash that is compared where there is none, so that both take as long."""
    return _hasher(memory_kib, passes).hash(secrets.token_urlsafe(32))


def hash_password(password: str, settings: Settings) -> str:
    """Return the Argon2id hash. Slow: hold no session open.

    Raises `Required` and `Invalid` (PASSWORD_LENGTH, PASSWORD_WEAK). The same signs typed on
    another keyboard are the same password (NFC, RFC 8265).
    """
    if not password:
        raise Required(path=("password",))
    normal = unicodedata.normalize("NFC", password)
    if not CHARS_MIN <= len(normal) <= CHARS_MAX:
        raise Invalid("PASSWORD_LENGTH", path=("password",), min=CHARS_MIN, max=CHARS_MAX)
    if len(set(normal)) < DIFFERENT_CHARS_MIN:
        raise Invalid("PASSWORD_WEAK", path=("password",))
    return _hasher(settings.password_memory_kib, settings.password_passes).hash(normal)


def checked_password(
    password: str, hashed: str | None, settings: Settings
) -> tuple[bool, str | None]:
    """Tell whether a password is the one of a hash, with a new hash where the old one is outdated.

    Exactly one hash is compared, also where there is none. Slow: hold no session open.
    """
    cost = settings.password_memory_kib, settings.password_passes
    of_nobody = _of_nobody(*cost)
    normal = unicodedata.normalize("NFC", password)[:CHARS_MAX]
    right, renewed = _hasher(*cost).verify_and_update(normal, hashed or of_nobody)
    return (right, renewed) if hashed is not None else (False, None)
