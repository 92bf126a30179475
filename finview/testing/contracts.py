"""Contracts for plugin authors: pytest classes; subclass one and override its first fixture."""

import io
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from copy import deepcopy
from dataclasses import replace
from datetime import UTC, date, datetime
from itertools import islice
from typing import Any

import orjson
import pytest

from finview.customers.preferences import PREFERENCES
from finview.plugins import guard
from finview.plugins.contracts.email import Email, EmailSender, Mailbox, Refused
from finview.plugins.contracts.enricher import (
    Enricher,
    Guarantee,
    Pending,
    PostalAddress,
    TraceRequest,
)
from finview.plugins.contracts.matcher import MatchBatch, Matcher, Party, PartyAddress, Score
from finview.plugins.contracts.node import CaseView, Do, End, EventView, Go, Wait, WorkflowNode
from finview.plugins.contracts.provider import Provider
from finview.plugins.contracts.reader import ImportReader, ReaderOptions
from finview.plugins.contracts.statement import StatementReader, fault_of

THREADS = 4
CELL_TYPES = {"", "s", "n", "d", "b", "e", "f"}

PEOPLE = (
    Party(
        kind="person",
        display="Anna Berg",
        given="anna",
        given1="anna",
        family="berg",
        addresses=(
            PartyAddress(
                street="hauptstr", house_no="5", postcode="10115", city="berlin", country="DE"
            ),
        ),
        emails=("anna.berg@example.org",),
        phones=("+4930111111",),
        birth_date=date(1980, 5, 17),
    ),
    Party(
        kind="person",
        display="Ben Brandt",
        given="ben",
        given1="ben",
        family="brandt",
        emails=("ben@example.org",),
        birth_date=date(1991, 1, 2),
    ),
    Party(
        kind="company",
        display="Nordlicht Handels GmbH",
        company_core="nordlicht handels",
        legal_form="gmbh",
        register_id="hamburg hrb 1234",
        addresses=(PartyAddress(postcode="20095", city="hamburg", country="DE"),),
    ),
    Party(kind="person", display="Carla", given="carla", given1="carla"),
)
"""Invented parties: full, sparse, a company."""


class ProviderContract:
    """What holds for every provider of every slot."""

    @pytest.fixture
    def provider(self) -> Provider[Any]:
        """Return the provider under test; the contracts of the slots override this."""
        raise NotImplementedError

    def test_it_has_a_name_and_a_title(self, provider: Provider[Any]) -> None:
        """Bindings find it by its name, people by its title."""
        assert provider.name == provider.name.strip().lower()
        assert provider.title.strip()
        assert provider.deadline_s > 0

    def test_its_settings_make_a_form(self, provider: Provider[Any]) -> None:
        """The JSON Schema of its settings is the form; unknown fields must not pass unseen."""
        schema = provider.Settings.model_json_schema()
        assert orjson.dumps(schema)
        assert provider.Settings.model_config.get("extra") == "forbid"
        assert provider.Settings.model_config.get("frozen") is True


class MatcherContract(ProviderContract):
    """What every matcher keeps. Override `matcher`."""

    @pytest.fixture
    def matcher(self) -> Matcher[Any]:
        """Return the matcher under test."""
        raise NotImplementedError

    @pytest.fixture
    def provider(self, matcher: Matcher[Any]) -> Provider[Any]:
        """Return the matcher as a provider."""
        return matcher

    def test_nothing_in_nothing_out(self, matcher: Matcher[Any]) -> None:
        """An empty batch gives an empty list."""
        assert list(matcher.score(batch([], []))) == []
        assert list(matcher.keys([])) == []

    def test_one_score_for_each_pair(self, matcher: Matcher[Any]) -> None:
        """The guard checks length, types and ranges, so passing it is the contract."""
        everything = batch(PEOPLE, PEOPLE)
        assert len(guard.call(matcher, "score", everything)) == len(everything.pairs)
        assert len(guard.call(matcher, "keys", list(PEOPLE))) == len(PEOPLE)

    def test_the_same_party_scores_at_least_80(self, matcher: Matcher[Any]) -> None:
        """Percent runs from 0 to 100: a matcher that answers 0 to 1 is found here."""
        known = list(PEOPLE[:3])
        same = MatchBatch(
            incoming=known,
            existing=known,
            pairs=[(i, i) for i in range(len(known))],
            population=1000,
            frequencies={},
        )
        assert [score.percent >= 80 for score in guard.call(matcher, "score", same)] == [True] * 3

    def test_strangers_score_below_40(self, matcher: Matcher[Any]) -> None:
        """Two people with nothing in common must not reach the review."""
        strangers = batch(PEOPLE[:1], PEOPLE[1:2])
        assert guard.call(matcher, "score", strangers)[0].percent < 40

    def test_neighbours_and_order_do_not_matter(self, matcher: Matcher[Any]) -> None:
        """A pair's score is the same alone, in a batch, and in a batch turned round."""
        everything = batch(PEOPLE, PEOPLE)
        forward = _by_pair(matcher, everything)
        backward = _by_pair(matcher, replace(everything, pairs=list(everything.pairs)[::-1]))
        alone = {
            pair: _by_pair(matcher, replace(everything, pairs=[pair]))[pair]
            for pair in everything.pairs
        }
        assert forward == backward == alone

    def test_four_threads_get_the_same(self, matcher: Matcher[Any]) -> None:
        """One instance is called from several threads at once."""
        everything = batch(PEOPLE, PEOPLE)
        expected = list(matcher.score(everything))
        assert in_threads(lambda: list(matcher.score(everything))) == [expected] * THREADS

    def test_it_leaves_its_arguments_alone(self, matcher: Matcher[Any]) -> None:
        """What it is given belongs to the caller."""
        everything = batch(PEOPLE, PEOPLE)
        before = deepcopy(everything)
        matcher.score(everything)
        assert everything == before

    def test_a_full_batch_is_done_in_time(self, matcher: Matcher[Any]) -> None:
        """2,000 incoming parties with five candidates each, within the matcher's own deadline."""
        incoming = [PEOPLE[i % 4] for i in range(2000)]
        pairs = [(i, j % 4) for i in range(2000) for j in range(5)]
        full = MatchBatch(
            incoming=incoming,
            existing=list(PEOPLE),
            pairs=pairs,
            population=1000,
            frequencies={},
        )
        assert len(guard.call(matcher, "score", full)) == len(pairs)


class SenderContract(ProviderContract):
    """What every sender of e-mails keeps. Override `sender`; it must not reach real people."""

    @pytest.fixture
    def sender(self) -> EmailSender[Any]:
        """Return the sender under test."""
        raise NotImplementedError

    @pytest.fixture
    def provider(self, sender: EmailSender[Any]) -> Provider[Any]:
        """Return the sender as a provider."""
        return sender

    def test_nothing_in_nothing_out(self, sender: EmailSender[Any]) -> None:
        """An empty batch gives an empty list."""
        assert list(sender.send([])) == []

    def test_one_result_for_each_message(self, sender: EmailSender[Any]) -> None:
        """The guard checks length and types."""
        assert len(guard.call(sender, "send", [email("a"), email("b"), email("c")])) == 3

    def test_the_same_key_twice_is_one_answer(self, sender: EmailSender[Any]) -> None:
        """A retry carries the same key; a provider that promises so answers the same."""
        first = guard.call(sender, "send", [email("twice")])
        again = guard.call(sender, "send", [email("twice")])
        assert [type(result) for result in first] == [type(result) for result in again]

    @pytest.mark.parametrize("where", ["subject", "name", "address", "header"])
    def test_headers_can_not_be_smuggled_in(self, sender: EmailSender[Any], where: str) -> None:
        """A line break in a header is refused, and takes no other message along."""
        evil = "x\r\nBcc: victim@example.org"
        attacks = {
            "subject": email("evil", subject=evil),
            "name": email("evil", to=Mailbox(address="anna@example.org", name=evil)),
            "address": email("evil", to=Mailbox(address=f"anna@example.org{evil}")),
            "header": email("evil", headers={"X-Case": evil}),
        }
        bad, good = guard.call(sender, "send", [attacks[where], email("good")])
        assert isinstance(bad, Refused)
        assert not isinstance(good, Refused)

    def test_four_threads_may_send(self, sender: EmailSender[Any]) -> None:
        """One instance is called from several threads at once."""
        results = in_threads(lambda: [type(r) for r in sender.send([email("threads")])])
        assert results == [results[0]] * THREADS

    def test_it_leaves_its_arguments_alone(self, sender: EmailSender[Any]) -> None:
        """What it is given belongs to the caller."""
        emails = [email("mine")]
        before = deepcopy(emails)
        sender.send(emails)
        assert emails == before


class EnricherContract(ProviderContract):
    """What every enricher keeps. Override `enricher`; it must not spend real money."""

    @pytest.fixture
    def enricher(self) -> Enricher[Any]:
        """Return the enricher under test."""
        raise NotImplementedError

    @pytest.fixture
    def provider(self, enricher: Enricher[Any]) -> Provider[Any]:
        """Return the enricher as a provider."""
        return enricher

    def test_nothing_in_nothing_out(self, enricher: Enricher[Any]) -> None:
        """An empty batch gives an empty list."""
        assert list(enricher.quote([])) == []
        assert list(enricher.trace([])) == []

    def test_one_price_and_one_result_for_each_request(self, enricher: Enricher[Any]) -> None:
        """The guard checks length, types, money and the kinds of contacts."""
        wanted = [trace_request("one"), trace_request("two"), trace_request("three")]
        assert len(guard.call(enricher, "quote", wanted)) == 3
        assert len(guard.call(enricher, "trace", wanted)) == 3

    def test_the_same_key_twice_is_one_answer(self, enricher: Enricher[Any]) -> None:
        """A retry carries the same key; whoever promises SAME_KEY answers the same."""
        first = guard.call(enricher, "trace", [trace_request("twice")])
        again = guard.call(enricher, "trace", [trace_request("twice")])
        if enricher.resend.guarantee is Guarantee.SAME_KEY:
            assert first == again

    def test_what_comes_later_can_be_asked_for(self, enricher: Enricher[Any]) -> None:
        """Whoever returns Pending answers to its reference."""
        wanted = [trace_request(f"later-{n}", case_number=f"C-{n}") for n in range(20)]
        results = guard.call(enricher, "trace", wanted)
        references = [r.reference for r in results if isinstance(r, Pending)]
        assert len(guard.call(enricher, "poll", references)) == len(references)

    def test_four_threads_may_ask(self, enricher: Enricher[Any]) -> None:
        """One instance is called from several threads at once."""
        results = in_threads(lambda: [type(r) for r in enricher.trace([trace_request("threads")])])
        assert results == [results[0]] * THREADS

    def test_it_leaves_its_arguments_alone(self, enricher: Enricher[Any]) -> None:
        """What it is given belongs to the caller."""
        wanted = [trace_request("mine")]
        before = deepcopy(wanted)
        enricher.quote(wanted)
        enricher.trace(wanted)
        assert wanted == before


class NodeContract(ProviderContract):
    """What every node type keeps. Override `node`, and `config` when its settings need values."""

    @pytest.fixture
    def node(self) -> WorkflowNode[Any]:
        """Return the node type under test."""
        raise NotImplementedError

    @pytest.fixture
    def config(self, node: WorkflowNode[Any]) -> Any:
        """Return valid settings of one node."""
        return node.Settings()

    @pytest.fixture
    def provider(self, node: WorkflowNode[Any]) -> Provider[Any]:
        """Return the node type as a provider."""
        return node

    def test_its_ports_are_distinct_names(self, node: WorkflowNode[Any], config: Any) -> None:
        """Edges of a graph name ports; those of one node may follow from its settings."""
        for ports in (node.ports, node.ports_of(config)):
            assert isinstance(ports, tuple)
            assert len(set(ports)) == len(ports)
            assert all(ports)

    def test_it_tells_what_the_check_of_a_graph_asks(
        self, node: WorkflowNode[Any], config: Any
    ) -> None:
        """Publishing asks for its ports, whether it waits, and what it sends."""
        ports = guard.call(node, "ports_of", config)
        assert set(node.ports) <= set(ports)
        assert isinstance(guard.call(node, "waits", config), bool)
        assert isinstance(guard.call(node, "messages", config), tuple)

    def test_it_says_what_shall_happen(self, node: WorkflowNode[Any], config: Any) -> None:
        """The guard checks effects, ports and instants."""
        step = guard.call(node, "run", (case(), config))
        assert isinstance(step, (Go, Wait, End, Do))

    @pytest.mark.parametrize("woken", ["TIMER", "RESUMED", "PAYMENT", "OUTREACH", "SURPRISE"])
    def test_whatever_wakes_it_it_goes_on(
        self, node: WorkflowNode[Any], config: Any, woken: str
    ) -> None:
        """Events may come twice, late, or be unknown: the guard checks what is made of them."""
        event = EventView(type=woken, at=case().now)
        step = guard.call(node, "run", (case(event=event), config))
        assert isinstance(step, (Go, Wait, End, Do))

    def test_it_is_pure(self, node: WorkflowNode[Any], config: Any) -> None:
        """Simulation and production call the same code: same case in, same step out."""
        first = node.run(case(), config)
        assert in_threads(lambda: node.run(case(), config)) == [first] * THREADS


class ReaderContract(ProviderContract):
    """What every reader of spreadsheets keeps. Override `reader` and `sample`.

    `sample` is a small file of its format with a header and at least one row.
    """

    @pytest.fixture
    def reader(self) -> ImportReader[Any]:
        """Return the reader under test."""
        raise NotImplementedError

    @pytest.fixture
    def sample(self) -> tuple[bytes, str]:
        """Return the content and the name of a file it reads."""
        raise NotImplementedError

    @pytest.fixture
    def provider(self, reader: ImportReader[Any]) -> Provider[Any]:
        """Return the reader as a provider."""
        return reader

    def test_it_knows_its_own_files(
        self, reader: ImportReader[Any], sample: tuple[bytes, str]
    ) -> None:
        """`sniff` answers 0 to 1: more than half for its own format, little for noise."""
        content, name = sample
        own = reader.sniff(content[: 64 * 1024], name)
        noise = reader.sniff(bytes(range(256)) * 16, "noise.bin")
        assert 0.5 < own <= 1
        assert 0 <= noise < own

    def test_rows_are_typed_cells(
        self, reader: ImportReader[Any], sample: tuple[bytes, str]
    ) -> None:
        """Each cell is (text, type) with one of the types of the contract."""
        rows = list(islice(reader.rows(io.BytesIO(sample[0]), None), 1000))
        assert rows
        for row in rows:
            for text, kind in row:
                assert isinstance(text, str)
                assert kind in CELL_TYPES

    def test_lines_are_numbered_upwards(
        self, reader: ImportReader[Any], sample: tuple[bytes, str]
    ) -> None:
        """People find a row again by its number."""
        options = ReaderOptions()
        survey = reader.survey(io.BytesIO(sample[0]), options)
        sheet = survey.sheets[0]
        lines = islice(reader.lines(io.BytesIO(sample[0]), sheet, survey, options), 1000)
        numbers = [line.no for line in lines]
        assert numbers == sorted(set(numbers))

    def test_reading_twice_gives_the_same(
        self, reader: ImportReader[Any], sample: tuple[bytes, str]
    ) -> None:
        """A resumed import reads the file again."""
        first = [list(row) for row in reader.rows(io.BytesIO(sample[0]), None)]
        again = [list(row) for row in reader.rows(io.BytesIO(sample[0]), None)]
        assert first == again


class StatementContract(ProviderContract):
    """What every reader of bank statements keeps. Override `reader` and `sample`.

    `sample` is a file of its format with at least two booked lines of different amounts.
    """

    @pytest.fixture
    def reader(self) -> StatementReader[Any]:
        """Return the reader under test."""
        raise NotImplementedError

    @pytest.fixture
    def sample(self) -> tuple[bytes, str]:
        """Return the content and the name of a file it reads."""
        raise NotImplementedError

    @pytest.fixture
    def provider(self, reader: StatementReader[Any]) -> Provider[Any]:
        """Return the reader as a provider."""
        return reader

    def test_it_knows_its_own_files(
        self, reader: StatementReader[Any], sample: tuple[bytes, str]
    ) -> None:
        """`sniff` answers 0 to 1: more than half for its own format, nothing for noise."""
        content, name = sample
        assert 0.5 < reader.sniff(content[: 64 * 1024], name) <= 1
        assert reader.sniff(bytes(range(256)) * 16, "noise.bin") == 0

    def test_its_lines_are_right(
        self, reader: StatementReader[Any], sample: tuple[bytes, str]
    ) -> None:
        """Days are dates, amounts whole minor units, texts of bounded length."""
        lines = list(reader.lines(io.BytesIO(sample[0])))
        assert len({line.amount_minor for line in lines}) > 1
        assert [fault_of(line) for line in lines] == [None] * len(lines)

    def test_keys_name_one_line_each(
        self, reader: StatementReader[Any], sample: tuple[bytes, str]
    ) -> None:
        """Two lines of one key would be taken for one; a line without a key is fine."""
        keys = [line.key for line in reader.lines(io.BytesIO(sample[0])) if line.key]
        assert len(keys) == len(set(keys))

    def test_reading_twice_gives_the_same(
        self, reader: StatementReader[Any], sample: tuple[bytes, str]
    ) -> None:
        """The same line exported again is known by its key, so that nothing is booked twice."""
        first = list(reader.lines(io.BytesIO(sample[0])))
        assert list(reader.lines(io.BytesIO(sample[0]))) == first

    def test_a_file_cut_off_is_refused_or_read_to_a_line(
        self, reader: StatementReader[Any], sample: tuple[bytes, str]
    ) -> None:
        """Half a file must never give a line that the whole one does not have."""
        whole = list(reader.lines(io.BytesIO(sample[0])))
        cut = sample[0][: len(sample[0]) // 2]
        half = guard.attempt(lambda: list(reader.lines(io.BytesIO(cut))))
        assert half.error is not None or half.result == whole[: len(half.result)]


def batch(incoming: Sequence[Party], existing: Sequence[Party]) -> MatchBatch:
    """Return a batch of every pair of the two lists."""
    pairs = [(i, j) for i in range(len(incoming)) for j in range(len(existing))]
    return MatchBatch(
        incoming=list(incoming),
        existing=list(existing),
        pairs=pairs,
        population=1000,
        frequencies={},
    )


def email(key: str, **changes: Any) -> Email:
    """Return an e-mail to an invented person; the body has umlauts and a long line."""
    whole: dict[str, Any] = {
        "key": key,
        "to": Mailbox(address="anna.berg@example.org", name="Anna Bärg"),
        "sender": Mailbox(address="inkasso@example.com", name="Müller Inkasso"),
        "subject": "Ihr Vorgang 4711",
        "text": "Guten Tag,\n\n" + "Größe " * 300 + "\n.\nEnde\n",
        **changes,
    }
    return Email(**whole)


def trace_request(key: str, **changes: Any) -> TraceRequest:
    """Return a request to look for an invented person."""
    lived = PostalAddress(
        street="Hauptstraße", house_no="5", postcode="10115", city="Berlin", country="DE"
    )
    whole: dict[str, Any] = {
        "key": key,
        "case_number": "C-1",
        "kind": "CONSUMER",
        "first_name": "Anna",
        "last_name": "Bärg",
        "birth_date": date(1980, 5, 17),
        "addresses": (lived,),
        "country": "DE",
        **changes,
    }
    return TraceRequest(**whole)


def case(**changes: Any) -> CaseView:
    """Return an invented open case of 1,000.00 EUR."""
    now = datetime(2026, 11, 2, 9, 0, tzinfo=UTC)
    whole: dict[str, Any] = {
        "id": 1,
        "number": "C-1",
        "now": now,
        "currency": "EUR",
        "open_minor": 100_000,
        "balances": {"PRINCIPAL": 100_000},
        "entered_at": now,
        "has_email": True,
        "settings": {name: one.default for name, one in PREFERENCES.items()},
        **changes,
    }
    return CaseView(**whole)


def _by_pair(matcher: Matcher[Any], given: MatchBatch) -> dict[tuple[int, int], Score]:
    return dict(zip(given.pairs, guard.call(matcher, "score", given), strict=True))


def in_threads(run: Callable[[], Any]) -> list[Any]:
    """Return what a function answers in each of several threads at once."""
    with ThreadPoolExecutor(THREADS) as pool:
        return [done.result() for done in [pool.submit(run) for _ in range(THREADS)]]
