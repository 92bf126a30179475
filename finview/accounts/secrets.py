"""Secrets handed to people: made once, kept as a hash, or encrypted where they are needed again."""

import base64
import hashlib
import hmac
import secrets

from finview.plugins.config import Vault

SECRET_BYTES = 32


def new_secret() -> str:
    """Return a new secret of 256 bits, fit for a cookie and an address."""
    return secrets.token_urlsafe(SECRET_BYTES)


def digest(secret: str) -> str:
    """Return the SHA-256 under which a secret is kept and found."""
    return hashlib.sha256(secret.encode()).hexdigest()


def mailed_secret(key: str, kind: str, number: int, nonce: str) -> str:
    """Return the secret of a link, the same each time its mail is written.

    `key` is the secret key of the installation: the secret stands in no row and no job.
    """
    made = hmac.new(key.encode(), f"{kind}:{number}:{nonce}".encode(), "sha256").digest()
    return base64.urlsafe_b64encode(made).decode().rstrip("=")


def locked(key: str, secret: str) -> str:
    """Return a secret encrypted with the installation's secret key."""
    return Vault(key).lock({"secret": secret}) or ""


def unlocked(key: str, token: str) -> str:
    """Return a secret that was encrypted; raises `PluginMisconfigured` after a change of the key."""
    return Vault(key).unlock(token)["secret"]
