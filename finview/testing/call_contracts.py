"""The contract for call centres: a pytest class; subclass it and override its first fixture."""

from copy import deepcopy
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from finview.plugins import guard
from finview.plugins.contracts.call_centre import (
    CallCentre,
    CallOutcome,
    CallRequest,
    CallWindow,
    Guarantee,
    WebhookRequest,
)
from finview.plugins.contracts.provider import Provider
from finview.plugins.errors import BadSignature
from finview.testing.contracts import ProviderContract, in_threads


class CallCentreContract(ProviderContract):
    """What every call centre keeps. Override `centre`; it must not reach real people.

    A centre that reads webhooks overrides `genuine`, too: a request as it sends them itself, with
    the instant and the signature of now.
    """

    @pytest.fixture
    def centre(self) -> CallCentre[Any]:
        """Return the call centre under test."""
        raise NotImplementedError

    @pytest.fixture
    def genuine(self) -> WebhookRequest | None:
        """Return a signed request that tells at least one outcome; None: it reads no webhooks."""
        return None

    @pytest.fixture
    def provider(self, centre: CallCentre[Any]) -> Provider[Any]:
        """Return the call centre as a provider."""
        return centre

    def test_nothing_in_nothing_out(self, centre: CallCentre[Any]) -> None:
        """An empty batch gives an empty list."""
        assert list(centre.push([])) == []
        centre.withdraw([])

    def test_one_result_for_each_call(self, centre: CallCentre[Any]) -> None:
        """The guard checks length and types."""
        assert len(guard.call(centre, "push", [a_call("a"), a_call("b"), a_call("c")])) == 3

    def test_the_same_key_twice_is_one_answer(self, centre: CallCentre[Any]) -> None:
        """A retry carries the same key; a provider that promises so answers the same."""
        first = guard.call(centre, "push", [a_call("twice")])
        again = guard.call(centre, "push", [a_call("twice")])
        assert [type(result) for result in first] == [type(result) for result in again]

    def test_any_call_can_be_taken_back_at_any_time(self, centre: CallCentre[Any]) -> None:
        """One that waits, one that is taken back already, one that was never known."""
        guard.call(centre, "push", [a_call("back")])
        for _ in range(2):
            guard.call(centre, "withdraw", ["back", "never-known"])

    def test_it_can_be_asked_for_outcomes(self, centre: CallCentre[Any]) -> None:
        """Those that must be asked answer with outcomes, the others with nothing."""
        found = guard.call(centre, "collect", datetime(2026, 11, 2, tzinfo=UTC))
        assert all(isinstance(one, CallOutcome) for one in found)

    def test_a_look_up_answers_for_each_key(self, centre: CallCentre[Any]) -> None:
        """Only a centre that declares LOOKUP is asked."""
        if centre.resend.guarantee is Guarantee.LOOKUP:
            guard.call(centre, "push", [a_call("known")])
            assert guard.call(centre, "lookup", ["known", "never-known"])[1] is None

    def test_a_genuine_request_is_read_and_reads_the_same_again(
        self, centre: CallCentre[Any], genuine: WebhookRequest | None
    ) -> None:
        """What is told twice has the same ids, so that finview drops the second."""
        if genuine is None:
            assert type(centre).parse_webhook is CallCentre.parse_webhook
            return
        first = guard.call(centre, "parse_webhook", genuine)
        again = guard.call(centre, "parse_webhook", genuine)
        assert first
        assert first == again

    def test_a_forged_request_is_not_believed(
        self, centre: CallCentre[Any], genuine: WebhookRequest | None
    ) -> None:
        """Another body, no headers, or any header of the signature changed: BadSignature."""
        if genuine is None:
            return
        forged = [replace(genuine, body=genuine.body + b" "), replace(genuine, headers={})]
        forged += [replace(genuine, body=body) for body in (b"", b"{}", b"\xff" * 100)]
        forged += [replace(request, headers={}) for request in forged]
        for request in forged:
            with pytest.raises(BadSignature):
                guard.call(centre, "parse_webhook", request)

    def test_a_changed_header_is_believed_never_or_does_not_matter(
        self, centre: CallCentre[Any], genuine: WebhookRequest | None
    ) -> None:
        """Whatever part of the signature is changed, it does not fit any more."""
        if genuine is None:
            return
        believed = 0
        for name, value in genuine.headers.items():
            changed = {**genuine.headers, name: value[:-1] + ("0" if value[-1:] != "0" else "1")}
            try:
                guard.call(centre, "parse_webhook", replace(genuine, headers=changed))
                believed += 1
            except BadSignature:
                continue
        assert believed < len(genuine.headers)

    def test_four_threads_may_push(self, centre: CallCentre[Any]) -> None:
        """One instance is called from several threads at once."""
        results = in_threads(lambda: [type(r) for r in centre.push([a_call("threads")])])
        assert all(result == results[0] for result in results)

    def test_it_leaves_its_arguments_alone(self, centre: CallCentre[Any]) -> None:
        """What it is given belongs to the caller."""
        calls = [a_call("mine")]
        before = deepcopy(calls)
        centre.push(calls)
        assert calls == before


def a_call(key: str, **changes: Any) -> CallRequest:
    """Return a call to a number of the range for examples (0301 23125 xxx)."""
    opens = datetime(2026, 11, 2, 9, 0, tzinfo=UTC)
    whole: dict[str, Any] = {
        "key": key,
        "case_number": "C-1",
        "phone": "+493023125000",
        "attempt": 1,
        "max_attempts": 3,
        "locale": "de",
        "script": "Anrufversuch 1 von 3 · C-1",
        "window": CallWindow(opens=opens, closes=opens + timedelta(hours=8)),
        **changes,
    }
    return CallRequest(**whole)
