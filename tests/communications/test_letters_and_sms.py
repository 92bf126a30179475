"""Letters and text messages: planned, rendered in the debtor's language, left in the outbox once."""

import io
from typing import Any

import pypdf
from sqlalchemy import select

from finview.cases.models import Address, Case, Debtor, PhonePoint
from finview.communications.facts import stored_point
from finview.communications.models import Channel, Outreach
from finview.communications.outreach import plan
from finview.testing.factories import Agency
from finview.testing.fixtures import At


def planned(
    agency: Agency,
    channel: Channel,
    *,
    locale: str = "de",
    template: str = "reminder",
    **params: Any,
) -> None:
    """Plan a message to the debtor of the first case, and let everything run that is due."""
    with agency.services.db.unit() as session:
        case = session.scalars(select(Case).order_by(Case.id)).first()
        assert case is not None
        session.get_one(Debtor, case.debtor_id).locale = locale
        plan(
            session,
            case,
            channel,
            run_id=-case.id,
            node="test",
            visit=1,
            template=template,
            params=params,
        )
    agency.client.drain()


def states(agency: Agency, channel: Channel) -> list[tuple[str, str | None]]:
    with agency.services.db.reading() as session:
        wanted = select(Outreach.state, Outreach.reason).where(Outreach.channel == channel)
        return [(row.state, row.reason) for row in session.execute(wanted)]


def letters(agency: Agency) -> list[str]:
    """Return the text of the letters in the outbox."""
    folder = agency.services.settings.outbox_dir / "letters"
    found = [pypdf.PdfReader(io.BytesIO(path.read_bytes())) for path in folder.glob("*.pdf")]
    return ["\n".join(page.extract_text() for page in pdf.pages) for pdf in found]


def give_address(agency: Agency) -> None:
    with agency.services.db.unit() as session:
        for address in session.scalars(select(Address)):
            address.street, address.house_no = "Hafenstraße", "1 #b"
            address.postcode, address.city, address.country = "20095", "Hamburg", "DE"


def test_a_letter_shows_the_address_and_what_is_owed_and_no_value_is_markup(at: At) -> None:
    agency = at("LAUNCHED").agency
    give_address(agency)
    planned(agency, Channel.LETTER)
    (text,) = letters(agency)
    assert "Hafenstraße 1 #b\n20095 Hamburg\nDE" in text
    assert "Mit freundlichen Grüßen" in text
    assert "€" in text
    assert states(agency, Channel.LETTER) == [("ACCEPTED", None)]


def test_a_letter_without_an_address_is_refused_and_says_why(at: At) -> None:
    agency = at("LAUNCHED").agency
    with agency.services.db.unit() as session:
        for address in session.scalars(select(Address)):
            address.state = "INVALID"
    planned(agency, Channel.LETTER)
    assert letters(agency) == []
    assert states(agency, Channel.LETTER) == [("REJECTED", "NO_ADDRESS")]


def test_an_sms_is_written_in_the_debtors_language_to_the_best_number(at: At) -> None:
    agency = at("LAUNCHED").agency
    with agency.services.db.unit() as session:
        case = session.scalars(select(Case).order_by(Case.id)).first()
        assert case is not None
        number = case.number
        known = {"debtor_id": case.debtor_id, "source": "test", "created_at": case.opened_at}
        session.add(PhonePoint(raw="1", e164="+4940000001", state="INVALID", **known))
        session.add(PhonePoint(raw="2", e164="+4940000002", state="CONFIRMED", **known))
    planned(agency, Channel.SMS, locale="en")
    (path,) = agency.services.settings.outbox_dir.glob("*.sms.txt")
    phone, _, text = path.read_text("utf-8").partition("\n\n")
    assert phone == "+4940000002"
    assert text.startswith(f"Inkasso Nord GmbH: please get in touch about your case {number}")


def test_a_closed_case_gets_no_letter(at: At) -> None:
    agency = at("LAUNCHED").agency
    give_address(agency)
    with agency.services.db.unit() as session:
        for case in session.scalars(select(Case)):
            case.status = "CLOSED"
    planned(agency, Channel.LETTER)
    assert letters(agency) == []
    assert {state for state, _ in states(agency, Channel.LETTER)} == {"CANCELLED"}


def test_a_traced_address_comes_before_a_silent_one_and_the_letter_says_so(at: At) -> None:
    agency = at("LAUNCHED").agency
    give_address(agency)
    with agency.services.db.unit() as session:
        case = session.scalars(select(Case).order_by(Case.id)).first()
        assert case is not None
        known = {"debtor_id": case.debtor_id, "created_at": case.opened_at}
        traced = {"street": "Neuer Wall", "house_no": "9", "postcode": "20354", "city": "Hamburg"}
        session.add(Address(**known, **traced, country="DE", source="enrichment:trace-http"))
    planned(agency, Channel.LETTER, template="first_demand")
    (text,) = letters(agency)
    assert "Neuer Wall 9\n20354 Hamburg" in text
    assert "nicht von Stadtwerke Nord mitgeteilt" in " ".join(text.split())


def test_a_letter_is_repeated_to_the_address_it_was_handed_over_for(at: At) -> None:
    agency = at("LAUNCHED").agency
    give_address(agency)
    with agency.services.db.unit() as session:
        address = session.scalars(select(Address).order_by(Address.id)).first()
        assert address is not None
        address.source = "enrichment:trace-http"
        session.flush()
        found = stored_point(session, Channel.LETTER, address.id)
    assert found is not None
    assert found.value == "Hafenstraße 1 #b\n20095 Hamburg\nDE"
    assert found.traced
