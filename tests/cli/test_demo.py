"""The demo: one document, every step, a folder of its own, safe to run twice."""

import json
from pathlib import Path

import pytest
from sqlalchemy import func, select

from finview.accounts.tokens import user_of
from finview.app import open_services
from finview.cases.models import Debtor
from finview.cli import main
from finview.cli.demo import Report, fresh, set_up
from finview.cli.opening import acting, opened
from finview.settings import Settings


@pytest.fixture(scope="module")
def demo(tmp_path_factory):
    """The demo's data folder and its document."""
    folder = tmp_path_factory.mktemp("demo")
    patched = pytest.MonkeyPatch()
    patched.setenv("FINVIEW_LOCALE", "en")
    printed: list[str] = []
    patched.setattr("sys.stdout.write", printed.append, raising=False)
    try:
        status = main(["demo", "--data", str(folder), "--no-serve", "--days", "24", "--json"])
    finally:
        patched.undo()
    assert status == 0
    return folder / "demo", json.loads("".join(printed))


def test_every_step_reports_counts_and_seconds(demo):
    steps = demo[1]["steps"]
    names = ["upload", "mapping", "review", "matching", "bucket", "launch"]
    assert [step["step"] for step in steps] == names
    assert all(step["counts"] and step["seconds"] >= 0 for step in steps)


def test_the_import_is_launched_and_adds_up(demo):
    found = demo[1]["import"]
    assert found["state"] == "LAUNCHED"
    assert sum(found["sections"].values()) == found["rows"]
    assert all(found["matches"].values())
    assert found["matches"]["new"] + found["matches"]["matched"] == found["cases"]


def test_the_effective_settings_come_with_their_sources(demo):
    workflow = demo[1]["settings"]["workflow"]
    assert workflow["breathing_space_days"] == {"value": 14, "source": "CUSTOMER"}
    assert workflow["max_call_attempts"] == {"value": 5, "source": "BUSINESS_UNIT"}
    assert workflow["payment_plan_reminder_days"] == {"value": 3, "source": "BUCKET"}
    assert demo[1]["settings"]["imports"]["review_percent"] == {"value": 40, "source": "SYSTEM"}


def test_the_breathing_space_is_seen_to_end(demo):
    before, after = demo[1]["case"]["before"], demo[1]["case"]["after"]
    assert (before["status"], after["status"]) == ("BREATHING_SPACE", "ACTIVE")
    assert before["balance"]["costs"]["amount"] == "0.00"
    assert float(after["balance"]["costs"]["amount"]) > 0


def test_calls_are_made_and_addresses_traced_each_once(demo):
    found = demo[1]["months"]
    assert found["sent"]["CALL"] == found["call_centre"]["keys"] == found["call_centre"]["rang"]
    assert sum(found["calls"].values()) == found["sent"]["CALL"] > 0
    searches = found["tracing_service"]
    assert found["traces"]["FOUND"] > 0
    ended = found["traces"]["FOUND"] + found["traces"].get("NOT_FOUND", 0)
    assert searches["charged"] == searches["asked"] == ended
    cents = round(float(found["trace_costs"]) * 100)
    assert cents == 120 * searches["charged"]


def test_the_story_of_a_case_is_told_in_order(demo):
    told = demo[1]["months"]["timeline"]
    assert [entry["on"] for entry in told] == sorted(entry["on"] for entry in told)
    assert any("A call was requested" in entry["text"] for entry in told)


def test_the_token_signs_in(demo):
    folder, document = demo
    services = open_services(Settings(data_dir=folder))
    with services.db.reading() as session:
        user = user_of(session, document["sign_in"]["token"])
        assert user is not None
        assert user.email == document["sign_in"]["email"]
    services.close()
    assert document["addresses"]["graphql"].endswith("/graphql")


def test_mails_lie_in_the_outbox(demo):
    folder, document = demo
    launch = document["steps"][-1]["counts"]
    assert launch["emails"] == launch["launched"]
    assert len(list((folder / "outbox").glob("*.eml"))) > launch["emails"]


def test_a_second_demo_starts_from_nothing_and_spares_other_files(tmp_path: Path):
    for _ in range(2):
        folder = fresh(tmp_path / "demo")
        (folder / "notes.txt").write_text("mine")
        with opened(Settings(data_dir=folder)) as services:
            set_up(services, acting(services), Report(as_json=True))
            with services.db.reading() as session:
                assert session.scalar(select(func.count(Debtor.id))) == 300
    assert (folder / "notes.txt").exists()
