"""pytest fixtures of tests that speak to the API: import them in a conftest.

They need `settings` and `sqlite_template`, which the repository's tests define.
"""

import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from finview import clock
from finview.app import open_services, prepare
from finview.db.runtime import Services
from finview.settings import Settings
from finview.testing import db as testing_db
from finview.testing.audited import audited
from finview.testing.client import client_for
from finview.testing.factories import LAUNCH_DAY, Agency, consumer, new_agency, workbook
from finview.testing.story import Story

STAGES = ("REVIEW", "CREATED", "LINKED", "LAUNCHED")

At = Callable[[str], Story]


@pytest.fixture(autouse=True)
def morning() -> Iterator[None]:
    """Let the clock stand still on the day of the examples; `clock_offset` still moves it."""
    with clock.standing_at(LAUNCH_DAY):
        yield


@pytest.fixture(autouse=True)
def watched(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Let every mutation that changes something leave an act in the audit log."""
    with audited(monkeypatch):
        yield


@pytest.fixture
def opened(settings: Settings) -> Iterator[Services]:
    """Open services with everything a server has, on an empty database."""
    services = open_services(settings)
    prepare(services)
    yield services
    services.close()


@pytest.fixture
def agency(opened: Services) -> Agency:
    """An agency that is set up and has imported nothing."""
    return new_agency(opened)


@pytest.fixture(scope="session")
def stages(
    sqlite_template: Path, tmp_path_factory: pytest.TempPathFactory
) -> Callable[[str], tuple[Path, Agency, str]]:
    """Return, by state, a folder with a small import that stands there; each is made once."""
    made: dict[str, tuple[Path, Agency, str]] = {}

    def folder_at(stage: str) -> tuple[Path, Agency, str]:
        if stage not in made:
            folder = tmp_path_factory.mktemp(stage.lower())
            with clock.standing_at(LAUNCH_DAY):
                made[stage] = _make(stage, folder)
        return made[stage]

    def _make(stage: str, folder: Path) -> tuple[Path, Agency, str]:
        if stage == STAGES[0]:
            services = open_services(testing_db.copy_template(sqlite_template, folder))
            prepare(services)
            story = Story.reviewed(new_agency(services), small_file(folder))
        else:
            earlier = folder_at(STAGES[STAGES.index(stage) - 1])
            story = copied(earlier, folder)
            {"CREATED": story.complete, "LINKED": story.link, "LAUNCHED": story.launch}[stage]()
        story.agency.services.close()
        return folder, story.agency, story.id

    return folder_at


@pytest.fixture
def at(stages: Callable[[str], tuple[Path, Agency, str]], tmp_path: Path) -> Iterator[At]:
    """Return a fresh copy of a small import that stands at a state: `at("CREATED")`.

    Every call makes another copy with a database of its own. It has three rows: two consumers with one invoice each, and one row without an amount.
    """
    opened: list[Services] = []

    def story_at(stage: str) -> Story:
        folder = tmp_path / f"{stage.lower()}-{len(opened)}"
        story = copied(stages(stage), folder)
        opened.append(story.agency.services)
        return story

    yield story_at
    for services in opened:
        services.close()


def small_file(folder: Path) -> Path:
    """Write the file of the small import that `at` copies."""
    return workbook(folder, [consumer(0), consumer(1), consumer(2, amount=None)])


def copied(stage: tuple[Path, Agency, str], folder: Path) -> Story:
    """Return a story that goes on, in another folder, where a closed one stands."""
    source, agency, import_id = stage
    shutil.copytree(
        source, folder, dirs_exist_ok=True, ignore=shutil.ignore_patterns("finview.db*")
    )
    services = open_services(testing_db.copy_template(source / "finview.db", folder))
    again = Agency(
        services=services,
        client=client_for(services),
        unit=agency.unit,
        customer=agency.customer,
        portfolio=agency.portfolio,
        bucket=agency.bucket,
    )
    return Story(agency=again, client=again.client, id=import_id)
