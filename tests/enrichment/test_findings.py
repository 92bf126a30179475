"""What was found becomes contact points with their source, an event, and nothing that is known."""

import pytest
from sqlalchemy import select

from finview.cases.models import Address, Debtor, EmailPoint, PhonePoint
from finview.enrichment.due import request_attempt
from finview.enrichment.models import AttemptState as S
from finview.money import Money
from finview.plugins.contracts.enricher import (
    Found,
    FoundContact,
    NotFound,
    PostalAddress,
    Refused,
)

COST = Money(250, "EUR")
MOVED = PostalAddress(
    street="Lindenweg", house_no="7", postcode="04109", city="Leipzig", country="DE"
)
# What the file of the import already told of Anna Schmidt, written otherwise.
KNOWN = PostalAddress(street="HAUPTSTR.", house_no="1", postcode="10115", city="Berlin")


def found(*contacts):
    return Found(contacts=tuple(FoundContact(kind=k, value=v) for k, v in contacts), cost=COST)


def points(tracing, model, case=0):
    """Return the points of a case's debtor that did not come with the file."""
    debtor = tracing.attempts(case)[0].case_id
    with tracing.agency.services.db.reading() as session:
        rows = session.scalars(select(model).where(model.source != "CUSTOMER").order_by(model.id))
        assert debtor
        return [(row, row.state, row.source) for row in rows]


def test_f9_a_hit_stores_contact_points_with_their_source_and_tells_the_workflows(tracing, service):
    service.answer = found(
        ("ADDRESS", MOVED), ("PHONE", "030 23125 123"), ("EMAIL", " Anna.Neu@EXAMPLE.net ")
    )
    tracing.go(days=30)
    first = tracing.attempts()[0]
    assert (first.state, first.found, first.added, first.cost_minor) == (S.FOUND, 3, 3, 250)
    told = ("NOT_CONFIRMED", "enrichment:fake")
    (address, *rest), (phone, *more), (email, *last) = (
        points(tracing, model)[0] for model in (Address, PhonePoint, EmailPoint)
    )
    assert (address.street, address.city, tuple(rest)) == ("Lindenweg", "Leipzig", told)
    assert (phone.e164, tuple(more)) == ("+493023125123", told)
    assert (email.address, tuple(last)) == ("Anna.Neu@example.net", told)
    assert tracing.told() == [("HIT", 1), ("HIT", 1)]
    assert any("found: postal address" in line for line in tracing.timeline())


def test_f9_a_hit_starts_the_retry_workflow_and_nothing_else_does(tracing, service):
    tracing.go(days=30)
    kinds = [[run["kind"] for run in case["runs"]] for case in tracing.story.cases()]
    assert "RETRY" not in kinds[0]
    service.answer = found(("PHONE", "030 23125 123"))
    tracing.go(days=30)
    assert "RETRY" in [run["kind"] for run in tracing.story.cases()[0]["runs"]]


def test_matching_reads_a_debtor_again_who_was_found(tracing, service):
    with tracing.agency.services.db.unit() as session:
        for debtor in session.scalars(select(Debtor)):
            debtor.match_stale = False
    service.answer = found(("PHONE", "030 23125 123"))
    tracing.go(days=30)
    with tracing.agency.services.db.reading() as session:
        assert set(session.scalars(select(Debtor.match_stale))) == {True}


def test_what_is_known_already_is_paid_but_no_hit(tracing, service):
    service.answer = found(("ADDRESS", KNOWN), ("EMAIL", "anna.schmidt@example.org"))
    tracing.go(days=30)
    first = tracing.attempts()[0]
    assert (first.state, first.found, first.added, first.cost_minor) == (S.FOUND, 2, 0, 250)
    assert ("NO_HIT", 1) in tracing.told()
    assert "Enrichment 1 by fake found nothing new. Cost: €2.50." in tracing.timeline()


NO_CONTACTS = (
    ("PHONE", "112233445566778899"),
    ("PHONE", "kein Anschluss"),
    ("EMAIL", "anna(at)example.net"),
    ("EMAIL", "evil@example.net\r\nBcc: victim@example.org"),
    ("ADDRESS", PostalAddress(city="Leipzig")),
    ("ADDRESS", PostalAddress(street="Lindenweg")),
)


def test_what_is_no_contact_point_is_not_kept(tracing, service):
    service.answer = found(*NO_CONTACTS)
    tracing.go(days=30)
    assert [points(tracing, model) for model in (Address, PhonePoint, EmailPoint)] == [[], [], []]
    first = tracing.attempts()[0]
    assert (first.found, first.added) == (len(NO_CONTACTS), 0)


def test_texts_of_a_provider_are_cut_to_their_columns(tracing, service):
    long = PostalAddress(street="S" * 300, house_no="9" * 300, city="C" * 300, country="Atlantis")
    service.answer = found(("ADDRESS", long))
    tracing.go(days=30)
    row = points(tracing, Address)[0][0]
    assert (len(row.street), len(row.house_no), len(row.city), row.country) == (200, 30, 120, "DE")


def test_what_is_found_for_a_customer_is_not_seen_by_others(tracing, service):
    service.answer = found(("PHONE", "030 23125 123"))
    tracing.go(days=30)
    row = points(tracing, PhonePoint)[0][0]
    assert row.import_id is not None


@pytest.mark.parametrize(("cost", "kept"), [(None, None), (COST, 250)])
def test_a_refusal_costs_only_what_the_provider_says(tracing, service, cost, kept):
    service.answer = Refused(why="Person objects.", cost=cost)
    tracing.go(days=30)
    first = tracing.attempts()[0]
    assert (first.state, first.reason, first.cost_minor) == (S.REFUSED, "PROVIDER", kept)
    assert tracing.told() == [("FAILED", 1)] * 2
    line = next(line for line in tracing.timeline() if "refused" in line)
    assert ("Cost" in line) is (kept is not None)


def test_a_search_may_be_free(tracing, service):
    service.answer = NotFound(cost=Money(0, "EUR"))
    tracing.go(days=30)
    assert (tracing.attempts()[0].cost_minor, tracing.told()[0]) == (0, ("NO_HIT", 1))


def test_the_api_shows_attempts_with_cost_counts_and_settings(tracing, service):
    service.answer = found(("PHONE", "030 23125 123"))
    tracing.go(days=30)
    asked = "n provider state reason cost { amount currency } quoted { amount } found added"
    (case, _) = tracing.story.cases(f"enrichmentAttempts {{ {asked} dueAt at settings }}")
    first, second = case["enrichmentAttempts"]
    assert first["settings"]["interval_days"] == {"value": 30, "source": "CUSTOMER"}
    assert (first["n"], first["provider"], first["state"]) == (1, "fake", "FOUND")
    assert first["cost"] == {"amount": "2.50", "currency": "EUR"}
    assert (first["quoted"], first["found"], first["added"]) == ({"amount": "1.20"}, 1, 1)
    assert (second["state"], second["cost"], second["at"]) == ("PLANNED", None, None)
    assert second["dueAt"] == "2026-12-31T23:00:00.000000Z"


def cost_shown(tracing):
    query = """query($c: ID!, $b: ID!) {
      customer(id: $c) { settings { enrichment { costPerAttempt { amount currency } } } }
      node(id: $b) { ... on Bucket { enrichment { costPerAttempt { amount } } } } }"""
    ids = {"c": tracing.agency.customer, "b": tracing.agency.bucket}
    data = tracing.agency.client.ask(query, **ids)
    return (
        data["customer"]["settings"]["enrichment"]["costPerAttempt"],
        data["node"]["enrichment"]["costPerAttempt"],
    )


def test_the_settings_show_what_the_bound_provider_quotes(linked, service):
    assert cost_shown(linked) == (None, None)
    linked.bind()
    linked.go()
    assert cost_shown(linked) == ({"amount": "1.20", "currency": "EUR"}, {"amount": "1.20"})
    linked.bind(scopeId=linked.agency.bucket, enabled=False)
    linked.go()
    assert cost_shown(linked)[1] is None


def test_a_provider_that_does_not_tell_its_price_shows_none(linked, service):
    service.quote_error = ValueError("no prices today")
    linked.bind()
    linked.go()
    assert cost_shown(linked) == (None, None)


def ask(tracing):
    return tracing.act(lambda session, key, by: request_attempt(session, _case(session, key)))


def _case(session, key):
    from finview.cases.lifecycle import locked

    return locked(session, key)


def test_a_workflow_asks_for_an_attempt_and_hears_how_it_ends(tracing, service):
    assert ask(tracing) == "PLANNED"
    tracing.set(enabled=False)
    tracing.go(days=30)
    assert tracing.told() == [("SKIPPED", 1)]
    assert ask(tracing) == "OFF"
    tracing.set(enabled=True)
    assert ask(tracing) == "PLANNED"
    tracing.go()
    assert tracing.told() == [("SKIPPED", 1), ("NO_HIT", 1)]


def test_a_workflow_is_told_why_there_is_no_attempt(tracing, service):
    tracing.set(granted=False)
    assert ask(tracing) == "NOT_GRANTED"
    tracing.set(granted=True)
    tracing.go(30, 31)
    assert ask(tracing) == "EXHAUSTED"


def test_a_grant_that_is_taken_back_reaches_a_workflow_that_waits(tracing, service):
    assert ask(tracing) == "PLANNED"
    tracing.set(granted=False)
    tracing.go(days=30)
    assert tracing.told() == [("NOT_GRANTED", 1)]
