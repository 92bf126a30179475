"""Webhooks: the address names the binding, the signature proves the sender, nothing else is believed."""

from collections.abc import Callable
from typing import Any

import pytest
from httpx import Response
from sqlalchemy import select

from finview.communications.call_models import CallReport
from finview.communications.models import Channel, Outreach
from finview.db.cascade import SYSTEM
from finview.jobs.process import process_of
from finview.plugins.bindings import draft, save, unbind
from finview.plugins.guard import line_of
from finview.plugins.manager import Plugins
from finview.plugins.webhooks import path_of
from finview.testing.call_centre import SIGNED, Centre, fake_centre, outcome, plan_call, told
from finview.testing.factories import Agency
from finview.testing.fixtures import At
from finview.testing.tables import contents, differences

Post = Callable[..., Response]


@pytest.fixture
def agency(at: At) -> Agency:
    return at("LAUNCHED").agency


@pytest.fixture
def centre(agency: Agency) -> Centre:
    """A call centre that has one call of the first case."""
    centre = fake_centre(agency.services)
    plan_call(agency.services)
    agency.client.drain()
    return centre


@pytest.fixture
def post(agency: Agency, centre: Centre) -> Post:
    """Send a webhook without any sign of being signed in."""

    def send(body: bytes, path: str = centre.path, headers: Any = SIGNED) -> Response:
        sent: Response = agency.client.http.post(
            path, content=body, headers={"authorization": "", **headers}
        )
        return sent

    return send


def outcome_of(agency: Agency) -> Any:
    with agency.services.db.reading() as session:
        return session.scalar(select(Outreach.outcome).where(Outreach.channel == Channel.CALL))


def test_an_outcome_is_taken_once(agency: Agency, centre: Centre, post: Post) -> None:
    assert post(told(outcome(centre.key, "PROMISE"))).status_code == 200
    assert outcome_of(agency) == "PROMISE"
    before = contents(agency.services.db)
    assert post(told(outcome(centre.key, "PROMISE"))).status_code == 200
    assert differences(before, contents(agency.services.db)) == {}


def test_a_late_one_is_kept_and_changes_nothing(agency: Agency, centre: Centre, post: Post) -> None:
    post(told(outcome(centre.key)))
    post(told(outcome(centre.key, "WRONG_NUMBER", "o2")))
    assert outcome_of(agency) == "REACHED"
    with agency.services.db.reading() as session:
        wanted = select(CallReport.counted).order_by(CallReport.id)
        assert list(session.scalars(wanted)) == [True, False]


def test_a_forged_request_is_counted_and_nothing_is_stored(
    agency: Agency, centre: Centre, post: Post
) -> None:
    before = contents(agency.services.db, without=())
    for headers in (*[{"x-signature": "forged"}] * 6, {}):
        assert post(told(outcome(centre.key)), headers=headers).status_code == 401
    assert differences(before, contents(agency.services.db, without=())) == {}
    assert process_of(agency.services).counts["webhook_bad_signature"] == 7
    text = agency.client.http.get("/metrics").text
    assert "finview_webhook_bad_signatures_total 7.0" in text
    # No forger can keep finview from its provider: the breaker is as it was.
    assert post(told(outcome(centre.key))).status_code == 200


def test_an_unknown_key_is_answered_like_any_other(
    agency: Agency, centre: Centre, post: Post
) -> None:
    known, unknown = post(told(outcome(centre.key))), post(told(outcome("nobody")))
    assert (known.status_code, known.text) == (unknown.status_code, unknown.text)
    with agency.services.db.reading() as session:
        assert len(list(session.scalars(select(CallReport)))) == 1


def test_any_other_address_is_not_there(agency: Agency, centre: Centre, post: Post) -> None:
    token = centre.path.rpartition("/")[2]
    other = token[:-2] + ("AA" if not token.endswith("AA") else "BB")
    paths = [f"/hooks/fake/{t}" for t in (other, "1-", "1", "nonsense", f"{10**20}-x", "%C3%BC-x")]
    paths += [f"/hooks/{name}/{token}" for name in ("task-list", "nobody", "fake%2Fx")]
    answers = {path: post(told(outcome(centre.key)), path=path).status_code for path in paths}
    assert answers == dict.fromkeys(paths, 404)
    assert outcome_of(agency) is None


def test_the_default_listens_to_nobody(agency: Agency) -> None:
    plugins = agency.services.get(Plugins)
    assert path_of(plugins, 1, "call_centre", "task-list") is None
    assert path_of(plugins, 1, "call_centre", "gone") is None
    assert path_of(plugins, 1, "gone", "gone") is None


def test_only_post_is_answered(agency: Agency, centre: Centre) -> None:
    assert agency.client.http.get(centre.path).status_code == 405


def test_a_body_has_a_limit(agency: Agency, post: Post) -> None:
    most = agency.services.settings.json_body_bytes_max
    assert post(b"x" * (most + 1)).status_code == 413


def test_what_a_provider_can_not_read_is_asked_for_again(
    agency: Agency, centre: Centre, post: Post
) -> None:
    bodies = (b"", b"{", b"[1]", b'[{"key": "k"}]', b"null", b"7")
    answers = [post(body) for body in bodies]
    assert {answer.status_code for answer in answers} == {503}
    assert answers[0].headers["retry-after"] == "60"
    plugins = agency.services.get(Plugins)
    assert {health.breaker for health in plugins.health() if health.name == "fake"} == {"CLOSED"}
    assert post(told(outcome(centre.key))).status_code == 200


def test_a_binding_that_is_switched_off_hears_of_its_calls(
    agency: Agency, centre: Centre, post: Post
) -> None:
    plugins = agency.services.get(Plugins)
    with agency.services.db.unit() as session:
        off = draft(session, plugins, SYSTEM, "call_centre", "fake", {}, enabled=False)
        save(session, plugins, off, by=None)
    assert post(told(outcome(centre.key))).status_code == 200
    assert outcome_of(agency) == "REACHED"


def test_a_binding_that_is_gone_has_no_address(agency: Agency, centre: Centre, post: Post) -> None:
    with agency.services.db.unit() as session:
        unbind(session, SYSTEM, "call_centre", by=None)
    assert post(told(outcome(centre.key))).status_code == 404


def test_a_provider_that_is_not_installed_any_more_is_asked_again(
    agency: Agency, centre: Centre, post: Post
) -> None:
    plugins = Plugins.load(agency.services.settings)
    agency.services.put(plugins)
    assert post(told(outcome(centre.key))).status_code == 503
    assert outcome_of(agency) is None


def test_the_signature_is_checked_before_the_health_of_the_provider(
    agency: Agency, centre: Centre, post: Post
) -> None:
    plugins = agency.services.get(Plugins)
    bound = next(
        provider
        for _, provider in plugins._bound.values()  # the instance in use
        if provider.name == "fake"
    )
    for _ in range(5):
        line_of(bound).breaker.failed()
    assert post(told(outcome(centre.key))).status_code == 200
    assert outcome_of(agency) == "REACHED"
