"""The address at which a binding's provider tells what happened: unguessable, kept nowhere."""

import base64
import hashlib
import hmac

from sqlalchemy.orm import Session

from finview.errors import NotFound
from finview.plugins.bindings import Bound, bound_by
from finview.plugins.manager import Plugins
from finview.plugins.slots import SLOTS

_MAC_BYTES = 18


def token_of(plugins: Plugins, binding_id: int, provider: str) -> str:
    """Return the token of a binding: its id, and proof that finview wrote it down.

    It follows from FINVIEW_SECRET_KEY, so it changes with the key, and with another provider.
    """
    what = f"webhook/{binding_id}/{provider}"
    mac = hmac.digest(plugins.webhook_key, what.encode(), hashlib.sha256)[:_MAC_BYTES]
    return f"{binding_id}-{base64.urlsafe_b64encode(mac).decode()}"


def path_of(plugins: Plugins, binding_id: int, slot: str, provider: str) -> str | None:
    """Return where a binding's provider calls in; None when it never does."""
    found = plugins.find(slot, provider) if slot in SLOTS else None
    if found is None or not plugins.calls_in(found):
        return None
    return f"/hooks/{provider}/{token_of(plugins, binding_id, provider)}"


def bound_at(session: Session, plugins: Plugins, provider: str, token: str) -> Bound:
    """Return the provider whose address this is; raises `NotFound` for any other.

    A binding that was switched off still hears of what it took before. Raises `Misconfigured` when
    the provider can't be used.
    """
    number = token.partition("-")[0]
    if not number.isascii() or not number.isdecimal() or len(number) > 18:
        raise NotFound
    # Without the right key nobody learns which bindings there are, not even by the time it takes.
    wanted = token_of(plugins, int(number), provider)
    if not hmac.compare_digest(token.encode(), wanted.encode()):
        raise NotFound
    bound = bound_by(session, plugins, int(number), provider)
    if bound is None or not plugins.calls_in(plugins.info(bound.slot, bound.name)):
        raise NotFound
    return bound
