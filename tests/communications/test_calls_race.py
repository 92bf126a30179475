"""The same outcome from several senders at once counts once, on both databases."""

import threading
from pathlib import Path

import pytest
from sqlalchemy import func, select

from finview.communications.call_models import CallReport
from finview.communications.webhooks import take
from finview.db.events import EventInbox
from finview.plugins.bindings import bound_by
from finview.plugins.manager import Plugins
from finview.testing.call_centre import fake_centre, outcome, plan_call
from finview.testing.factories import Agency
from finview.testing.fixtures import small_file
from finview.testing.story import Story


@pytest.mark.both_databases
def test_an_outcome_told_by_four_at_once_counts_once(agency: Agency, tmp_path: Path) -> None:
    story = Story.reviewed(agency, small_file(tmp_path))
    story.complete()
    centre = fake_centre(agency.services)
    plan_call(agency.services)
    agency.client.drain()
    counted: list[int] = []
    together = threading.Barrier(4)

    def tell() -> None:
        together.wait(30)
        with agency.services.db.unit() as session:
            bound = bound_by(session, agency.services.get(Plugins), centre.binding_id)
            assert bound is not None
            counted.append(take(session, bound, [outcome(centre.key)]))

    threads = [threading.Thread(target=tell) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert sorted(counted) == [0, 0, 0, 1]
    with agency.services.db.reading() as session:
        told = select(func.count()).where(EventInbox.type == "CALL_OUTCOME")
        assert (session.scalar(told), session.scalar(select(func.count(CallReport.id)))) == (1, 1)
