"""Business units whole: data, bank, logo, base rates, what customers inherit, their life."""

from pathlib import Path
from typing import Any

import pytest

from finview.accounts.access import Role
from finview.db.files import StoredFile
from finview.testing.client import Client, client_for
from finview.testing.factories import Agency

PNG = b"\x89PNG\r\n\x1a\n" + bytes(20)
JPEG = b"\xff\xd8\xff\xe0" + bytes(20)
LOGO = "businessUnit { id lockVersion logo { filename sizeBytes url } }"
WHOLE = """businessUnit { id active lockVersion company emailSettings invoiceSettings emailFooters
  bank baseRateSource missing settings { communication { linkedNotice { value source } } } }"""


def refused(payload: dict[str, Any]) -> tuple[str, str | None, list[str]]:
    (error,) = payload["errors"]
    assert error["message"]
    return error["code"], error["params"].get("reason"), error["path"]


def picture(client: Client, folder: Path, content: bytes = PNG, name: str = "logo.png") -> str:
    path = folder / name
    path.write_bytes(content)
    return client.upload(path)


def test_a_unit_is_created_saved_and_activated_with_everything_it_has(agency: Agency) -> None:
    client = agency.client
    made = client.do("businessUnitCreate", WHOLE, name="Süd", company={"name": "Süd GmbH"})
    assert (made["active"], made["lockVersion"]) == (False, 1)
    assert {"company.street", "emailSettings.sender", "bank.iban"} <= set(made["missing"])
    saved = client.update(
        "businessUnitUpdate",
        made["id"],
        WHOLE,
        company={"name": "Süd GmbH", "street": "Weg 1", "postcode": "80331", "city": "München",
                 "country": "de", "registerNumber": "HRB 1", "authority": "Amt"},
        emailSettings={"sender": "Post@Sued.Example", "senderName": "Forderungen Süd"},
        invoiceSettings={"paymentTermDays": 14},
        emailFooters={"de": "Süd GmbH", "en": "Süd Ltd"},
        bank={"holder": "Süd GmbH", "iban": "DE89 3704 0044 0532 0130 00", "bic": "COBADEFFXXX"},
        baseRateSource="de",
        lockVersion=1,
    )  # fmt: skip
    assert saved["errors"] == []
    unit = saved["businessUnit"]
    assert (unit["company"]["country"], unit["baseRateSource"]) == ("DE", "de")
    assert unit["bank"]["iban"] == "DE89370400440532013000"
    assert unit["emailSettings"]["sender"] == "post@sued.example"
    assert (unit["missing"], unit["lockVersion"]) == ([], 2)
    active = client.act("businessUnitActivate", unit["id"], "businessUnit { active }")
    assert active["businessUnit"] == {"active": True}
    query = "query($i: ID!) { businessUnit(id: $i) { active invoiceSettings } }"
    assert client.ask(query, i=unit["id"])["businessUnit"] == {
        "active": True, "invoiceSettings": {"paymentTermDays": 14}
    }  # fmt: skip


@pytest.mark.parametrize(("content", "name"), [(PNG, "logo.png"), (JPEG, "bild.bin")])
def test_a_logo_is_taken_from_an_upload_and_replaced(
    agency: Agency, tmp_path: Path, content: bytes, name: str
) -> None:
    client = agency.client
    first, second = (picture(client, tmp_path, content, f"{n}-{name}") for n in (1, 2))
    shown = [
        client.update("businessUnitUpdate", agency.unit, LOGO, logoUploadId=upload)["businessUnit"]
        for upload in (first, second)
    ]
    assert [unit["logo"]["filename"] for unit in shown] == [f"1-{name}", f"2-{name}"]
    urls = [unit["logo"]["url"] for unit in shown]
    assert [client.http.get(url).status_code for url in urls] == [404, 200]
    assert client.http.get(urls[1]).content == content
    gone = client.update("businessUnitUpdate", agency.unit, LOGO, logoUploadId=None)
    assert gone["businessUnit"]["logo"] is None
    with agency.services.db.reading() as session:
        assert session.query(StoredFile).count() == 0


def test_a_logo_is_a_small_picture_of_the_one_who_sent_it(agency: Agency, tmp_path: Path) -> None:
    client = agency.client
    place = ["input", "logoUploadId"]

    def attempt(upload: str, by: Client = client) -> tuple[str, str | None, list[str]]:
        return refused(by.update("businessUnitUpdate", agency.unit, LOGO, logoUploadId=upload))

    drawing = picture(client, tmp_path, b"<svg onload='x'/>", "logo.svg")
    assert attempt(drawing) == ("IMPORT_FILE_TYPE", "LOGO_TYPE", place)
    large = picture(client, tmp_path, PNG + bytes(1024 * 1024))
    assert attempt(large) == ("IMPORT_FILE_TOO_LARGE", "LOGO_TOO_LARGE", place)
    waiting = client.do("uploadCreate", "upload { id }", filename="a.png", sizeBytes=3)["id"]
    assert attempt(waiting) == ("STATE", "UPLOAD_NOT_RECEIVED", place)
    mine = picture(client, tmp_path)
    other = client_for(agency.services, "andere@inkasso.example")
    assert attempt(mine, other) == ("NOT_FOUND", None, place)
    assert client.update("businessUnitUpdate", agency.unit, LOGO, logoUploadId=mine)["errors"] == []
    assert attempt(mine) == ("NOT_FOUND", None, place)


def test_what_a_unit_sets_its_customers_inherit_and_it_goes_with_the_unit(agency: Agency) -> None:
    client = agency.client
    given = {"businessUnitId": agency.unit, "communication": {"linkedNotice": True}}
    unit = client.do("businessUnitSettingsUpdate", WHOLE, **given)
    own = {"value": True, "source": "BUSINESS_UNIT"}
    assert unit["settings"]["communication"]["linkedNotice"] == own
    query = """query($c: ID!) { customer(id: $c) {
      settings { communication { linkedNotice { value source } } } } }"""
    found = client.ask(query, c=agency.customer)["customer"]["settings"]
    assert found["communication"]["linkedNotice"] == own
    # Enrichment may be prepared for all; each customer still needs the entitlement.
    client.do("businessUnitSettingsUpdate", WHOLE, businessUnitId=agency.unit, enrichment={"attempts": 3})  # fmt: skip


def test_a_unit_is_deactivated_and_deleted_once_nobody_has_it(agency: Agency) -> None:
    client = agency.client
    two = [client.do("businessUnitCreate", WHOLE, name=name)["id"] for name in ("Ost", "West")]
    for mutation in ("businessUnitActivate", "businessUnitActivate", "businessUnitDeactivate"):
        assert client.act(mutation, two[0], "businessUnit { active }")["errors"] == []
    given = {"businessUnitId": two[1], "workflow": {"maxCallAttempts": 1}}
    client.do("businessUnitSettingsUpdate", WHOLE, **given)
    used = client.act("businessUnitDelete", agency.unit, "businessUnit { id }")
    assert refused(used) == ("IN_USE", "BUSINESS_UNIT_IN_USE", ["id"])
    assert used["errors"][0]["params"]["count"] == 1
    for unit in two:
        gone = client.act("businessUnitDelete", unit, "businessUnit { id }")
        assert gone == {"businessUnit": None, "errors": []}
    again = client.act("businessUnitDelete", two[0], "businessUnit { id }")
    assert refused(again) == ("NOT_FOUND", None, ["id"])
    listed = client.ask("{ businessUnits { totalCount } }")
    assert listed == {"businessUnits": {"totalCount": 1}}


def test_a_call_centre_or_a_sender_is_chosen_for_a_unit_by_a_binding(agency: Agency) -> None:
    given = {"slot": "matcher", "provider": "exact", "settings": {}, "scopeId": agency.unit}
    assert agency.client.do("pluginBind", "plugin { name }", **given)


def test_a_customers_person_reads_the_unit_without_its_logo(agency: Agency, tmp_path: Path) -> None:
    upload = picture(agency.client, tmp_path)
    agency.client.update("businessUnitUpdate", agency.unit, LOGO, logoUploadId=upload)
    agency.client.do(
        "contactCreate",
        "contact { id }",
        customerId=agency.customer,
        firstName="Nora",
        lastName="Nord",
        email="nora@nord.example",
        isCommercial=True,
        isOperational=False,
        hasAccess=True,
    )
    nora = client_for(agency.services, "nora@nord.example", role=None)
    query = "query($i: ID!) { businessUnit(id: $i) { name logo { url } } }"
    assert nora.ask(query, i=agency.unit) == {
        "businessUnit": {"name": "Inkasso Nord", "logo": None}
    }
    for mutation in ("businessUnitDeactivate", "businessUnitDelete"):
        assert refused(nora.act(mutation, agency.unit, "__typename"))[0] == "FORBIDDEN"


def test_an_operator_sets_units_up(agency: Agency) -> None:
    operator = client_for(agency.services, "op@inkasso.example", role=Role.OPERATOR)
    assert operator.do("businessUnitCreate", "businessUnit { id }", name="Neu")
