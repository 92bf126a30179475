"""Signed heads of the audit chain, kept outside the database.

A chain tells of everything but its own end: whoever cuts off the last rows leaves a shorter chain
that holds. So the head is written once a day, signed, to a file of the data folder, from where a
backup can fetch it; it may be noted anywhere else by hand.
"""

import hmac
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime

import orjson

from finview.settings import Settings

HEADS_FILE = "audit-heads.jsonl"


@dataclass(frozen=True, slots=True, kw_only=True)
class Head:
    """The end of the chain at an instant; `genuine` tells whether its signature is ours."""

    seq: int
    hash: str
    at: datetime | None = None
    genuine: bool = True


def note_head(settings: Settings, head: Head) -> None:
    """Append a head to the file of heads, signed with the installation's key."""
    at = head.at.isoformat() if head.at else ""
    line = {"seq": head.seq, "hash": head.hash, "at": at}
    line["signature"] = _signature(settings, head.seq, head.hash, at)
    with (settings.data_dir / HEADS_FILE).open("ab") as file:
        file.write(orjson.dumps(line) + b"\n")


def noted_heads(settings: Settings) -> list[Head]:
    """Return the heads of the file; a line that a full disk left half written is none."""
    path = settings.data_dir / HEADS_FILE
    found = []
    for line in path.read_bytes().splitlines() if path.exists() else ():
        with suppress(orjson.JSONDecodeError, KeyError, TypeError, ValueError):
            found.append(_read(settings, orjson.loads(line)))
    return found


def _read(settings: Settings, given: dict[str, str]) -> Head:
    seq, digest, at = int(given["seq"]), given["hash"], given["at"]
    return Head(
        seq=seq,
        hash=digest,
        at=datetime.fromisoformat(at) if at else None,
        genuine=hmac.compare_digest(_signature(settings, seq, digest, at), given["signature"]),
    )


def _signature(settings: Settings, seq: int, digest: str, at: str) -> str:
    said = f"audit-head:{seq}:{digest}:{at}"
    return hmac.new(settings.key.encode(), said.encode(), "sha256").hexdigest()
