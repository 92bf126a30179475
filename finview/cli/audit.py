"""`finview audit verify`: is the audit log whole?"""

from typing import Any

from finview.cli import show
from finview.cli.opening import opened
from finview.db.audit_chain import seal, verify
from finview.db.audit_heads import Head, noted_heads
from finview.db.runtime import Services
from finview.errors import Invalid
from finview.i18n import N_, sentences

sentences(
    {
        "AUDIT_HEAD": N_("A head is written as number:hash, as this command prints it: {head}."),
        "AUDIT_CHANGED": N_("Entry {seq} of the audit log was changed or moved."),
        "AUDIT_MISSING": N_("Entry {seq} of the audit log was removed."),
        "AUDIT_VALUE_CHANGED": N_("A value kept with entry {seq} of the audit log was changed."),
        "AUDIT_VALUE_MISSING": N_("A value kept with entry {seq} was removed, not erased."),
        "AUDIT_CUT": N_("The audit log ends before entry {seq}, which was noted earlier."),
        "AUDIT_REWRITTEN": N_("The audit log up to entry {seq} is not the one noted earlier."),
        "AUDIT_FORGED_HEAD": N_("The noted head of entry {seq} does not bear our signature."),
    }
)


def run_verify(heads: list[str]) -> dict[str, Any]:
    """Check the whole log against itself, the heads of the data folder and those given.

    What waits to be sealed is sealed first, so that the head printed covers all.
    """
    given = [_head(text) for text in heads]
    with opened() as services:
        noted = noted_heads(services.settings)
        while _sealed(services):
            pass
        with services.db.reading() as session:
            found = verify(session, [*noted, *given])
    head, broken = found.head, found.broken
    return {
        "ok": broken is None,
        "entries": found.sealed,
        "waiting": found.waiting,
        "heads": len(noted) + len(given),
        "head": f"{head.seq}:{head.hash}" if head else None,
        "broken": None
        if broken is None
        else {"fault": broken.fault, "entry": broken.seq, "id": broken.event_id},
    }


def show_verdict(found: dict[str, Any]) -> None:
    """Print what was found."""
    from finview.i18n import sentence

    if found["broken"]:
        broken = found["broken"]
        params = {"seq": broken["entry"]}
        show.line(sentence(f"AUDIT_{broken['fault']}", show.locale(), params))
        return
    whole = N_("The audit log is whole: {entries} entries; {waiting} wait to be sealed.")
    show.line(show.say(whole, entries=found["entries"], waiting=found["waiting"]))
    if found["head"]:
        show.line(show.say(N_("Head: {head}"), head=found["head"]))


def _sealed(services: Services) -> int:
    with services.db.unit() as session:
        return seal(session)


def _head(text: str) -> Head:
    seq, _, digest = text.partition(":")
    if not (seq.isascii() and seq.isdigit() and len(digest) == 64):
        raise Invalid("AUDIT_HEAD", path=("--head",), head=text)
    return Head(seq=int(seq), hash=digest.lower())
