"""What a provider sends by itself: one request to the address that belongs to a binding."""

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True, kw_only=True)
class WebhookRequest:
    """One HTTP request, as it came: nothing in it is checked yet.

    The names of `headers` are lower case. `path` is without the host, `query` holds the last value
    of each name. Check the signature over the raw `body` before anything else; raise `BadSignature`
    (finview.plugins.errors) when it is missing, wrong or too old.
    """

    body: bytes
    headers: Mapping[str, str] = field(default_factory=dict)
    path: str = "/"
    query: Mapping[str, str] = field(default_factory=dict)
