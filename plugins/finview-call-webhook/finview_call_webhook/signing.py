"""The signature of a webhook: HMAC-SHA256 over instant and raw body, good for five minutes."""

import hashlib
import hmac
from collections.abc import Mapping

TIMESTAMP = "x-finview-timestamp"
SIGNATURE = "x-finview-signature"
TOLERANCE_S = 300


def signature(secret: str, timestamp: str, body: bytes) -> str:
    """Return the signature of a body sent at `timestamp`, whole seconds since 1970 as text."""
    signed = timestamp.encode() + b"." + body
    return "v1=" + hmac.digest(secret.encode(), signed, hashlib.sha256).hex()


def headers(secret: str, body: bytes, *, now: float) -> dict[str, str]:
    """Return the headers that prove who sent a body, and when."""
    timestamp = str(int(now))
    return {TIMESTAMP: timestamp, SIGNATURE: signature(secret, timestamp, body)}


def is_genuine(secret: str, given: Mapping[str, str], body: bytes, *, now: float) -> bool:
    """Tell whether a request is signed with the secret and at most five minutes old or ahead."""
    timestamp, signed = given.get(TIMESTAMP, ""), given.get(SIGNATURE, "")
    if not timestamp.isascii() or not timestamp.isdecimal() or len(timestamp) > 12:
        return False
    # The signature first, so that the time it takes tells nothing about the instant.
    matches = hmac.compare_digest(signature(secret, timestamp, body).encode(), signed.encode())
    return matches and abs(now - int(timestamp)) <= TOLERANCE_S
