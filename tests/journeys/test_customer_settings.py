"""The German article "Kundeneinstellungen", S1 to S11, told in German through the API alone."""

from pathlib import Path
from typing import Any

import pytest

from finview.accounts.access import Role
from finview.testing.client import Client, client_for
from finview.testing.factories import Agency, consumer, table
from finview.testing.fixtures import At
from finview.testing.story import Story

ALL = """query($c: ID!) { customer(id: $c) { lockVersion settings {
  workflow { breathingSpaceEnabled { value source } breathingSpaceDays { value source }
             breathingSpaceInterest { value source }
             paymentPlanReminderDays { value source } maxCallAttempts { value source } }
  enrichment { granted enabled { value source } intervalDays { value source }
               attempts { value source } costPerAttempt { amount } }
  imports { casePerInvoice { value source } matchOnCustomerCaseNumber { value source }
            invoiceNumberRequired { value source } invoiceDateRequired { value source } }
  communication { paidInFullMail { value source } paidInFullTemplate { value source }
                  paidInSettlementMail { value source } paidInSettlementTemplate { value source }
                  linkedNotice { value source } }
  payments { planToleranceDays { value source } planToleranceAmount { value source }
             planInterest { value source } smallBalance { value source } } } } }"""


@pytest.fixture
def deutsch(agency: Agency) -> Client:
    """Eine Administratorin, die auf Deutsch arbeitet."""
    return client_for(agency.services, language="de")


def settings(agency: Agency) -> Any:
    return agency.client.ask(ALL, c=agency.customer)["customer"]["settings"]


def of_unit(agency: Agency, **values: Any) -> None:
    """Set what every customer of the agency's business unit inherits."""
    agency.client.do(
        "businessUnitSettingsUpdate", "businessUnit { id }", businessUnitId=agency.unit, **values
    )


def refused(payload: dict[str, Any]) -> tuple[str, str | None, list[str], str]:
    (error,) = payload["errors"]
    return error["code"], error["params"].get("reason"), error["path"], error["message"]


def test_s1_ein_mandant_erbt_alles_von_seiner_geschaeftseinheit(agency: Agency) -> None:
    of_unit(
        agency,
        workflow={"maxCallAttempts": 7},
        communication={"paidInFullMail": True, "paidInFullTemplate": "case_closed_paid"},
        payments={"smallBalance": "2.50", "planInterest": "WAIVED"},
    )
    found = settings(agency)
    assert found["workflow"]["maxCallAttempts"] == {"value": 7, "source": "BUSINESS_UNIT"}
    assert found["communication"]["paidInFullTemplate"] == {
        "value": "case_closed_paid", "source": "BUSINESS_UNIT"
    }  # fmt: skip
    assert found["payments"]["smallBalance"] == {"value": "2.50", "source": "BUSINESS_UNIT"}
    assert found["payments"]["planInterest"] == {"value": "WAIVED", "source": "BUSINESS_UNIT"}
    agency.set("workflow", maxCallAttempts=2)
    of_unit(agency, workflow={"maxCallAttempts": 9})
    assert settings(agency)["workflow"]["maxCallAttempts"]["value"] == 2
    agency.set("workflow", maxCallAttempts=None)
    assert settings(agency)["workflow"]["maxCallAttempts"]["value"] == 9


def test_s1_eine_inaktive_geschaeftseinheit_ist_nicht_waehlbar(
    agency: Agency, deutsch: Client
) -> None:
    deutsch.act("businessUnitDeactivate", agency.unit, "businessUnit { active }")
    payload = deutsch.attempt(
        "customerCreate", "customer { id }", name="Neu", businessUnitId=agency.unit
    )
    assert refused(payload) == (
        "INVALID",
        "BUSINESS_UNIT_INACTIVE",
        ["input", "businessUnitId"],
        "Diese Geschäftseinheit ist nicht aktiv.",
    )
    kept = "query($c: ID!) { customer(id: $c) { businessUnit { active } } }"
    assert deutsch.ask(kept, c=agency.customer)["customer"]["businessUnit"] == {"active": False}


def test_s1_eine_benutzte_geschaeftseinheit_ist_nicht_loeschbar(
    agency: Agency, deutsch: Client
) -> None:
    payload = deutsch.act("businessUnitDelete", agency.unit, "businessUnit { id }")
    assert refused(payload) == (
        "IN_USE", "BUSINESS_UNIT_IN_USE", ["id"], "1 Mandant(en) haben diese Geschäftseinheit."
    )  # fmt: skip
    free = deutsch.do("businessUnitCreate", "businessUnit { id }", name="Frei")["id"]
    assert deutsch.act("businessUnitDelete", free, "businessUnit { id }")["errors"] == []
    query = "query($i: ID!) { businessUnit(id: $i) { id } }"
    assert deutsch.ask(query, i=free) == {"businessUnit": None}


def test_s2_s3_abstand_und_anzahl_der_anreicherung(agency: Agency, deutsch: Client) -> None:
    given = {"customerId": agency.customer}
    deutsch.do(
        "customerSettingsUpdate",
        "customer { id }",
        enrichment={"granted": True, "enabled": True, "intervalDays": 0, "attempts": 3},
        **given,
    )
    found = settings(agency)["enrichment"]
    assert (found["intervalDays"]["value"], found["attempts"]["value"]) == (0, 3)
    # What an attempt costs is known once a provider quotes.
    assert found["costPerAttempt"] is None
    wrong = deutsch.attempt(
        "customerSettingsUpdate", "customer { id }", enrichment={"attempts": -1}, **given
    )
    assert refused(wrong) == (
        "INVALID",
        "SETTING_OUT_OF_RANGE",
        ["input", "enrichment", "attempts"],
        "Diese Einstellung muss zwischen 0 und 10 liegen.",
    )


def test_s4_nur_administratoren_geben_die_anreicherung_frei(agency: Agency) -> None:
    operator = client_for(agency.services, "op@inkasso.example", role=Role.OPERATOR, language="de")
    given = {"customerId": agency.customer}
    update = "customerSettingsUpdate"
    payload = operator.attempt(update, "customer { id }", enrichment={"granted": True}, **given)
    assert refused(payload)[0] == "FORBIDDEN"
    payload = operator.attempt(update, "customer { id }", enrichment={"attempts": 2}, **given)
    assert refused(payload)[0::3] == (
        "ENRICHMENT_NOT_GRANTED",
        "Die Adressermittlung ist für diesen Mandanten nicht freigegeben.",
    )
    agency.client.do(update, "customer { id }", enrichment={"granted": True}, **given)
    operator.do(update, "customer { id }", enrichment={"attempts": 2}, **given)
    agency.client.do(update, "customer { id }", enrichment={"granted": False}, **given)
    assert settings(agency)["enrichment"]["granted"] is False


def test_s5_eine_akte_je_rechnung_gilt_fuer_spaetere_importe(
    agency: Agency, tmp_path: Path
) -> None:
    again = consumer(0, invoice_number="R-2", amount=7)
    one = Story.reviewed(agency, table(tmp_path, [consumer(0), again], name="eins.csv"))
    agency.set("imports", casePerInvoice=True)
    assert len(one.complete().cases()) == 1
    later = [consumer(1), consumer(1, invoice_number="R-3", amount=8)]
    two = Story.created(agency, table(tmp_path, later, name="zwei.csv"))
    assert len(two.cases()) == 2
    assert len({case["debtor"]["id"] for case in two.cases()}) == 1


def test_s6_das_aktenzeichen_des_mandanten_entscheidet_wenn_es_soll(
    agency: Agency, tmp_path: Path
) -> None:
    first = Story.created(agency, table(tmp_path, [consumer(0)], name="eins.csv"))
    agency.set("imports", matchOnCustomerCaseNumber=True)
    row = consumer(0, street="Umzugsweg", city="Köln", postcode="50667", email=None)
    row |= {"invoice_number": "R-77"}
    second = Story.created(agency, table(tmp_path, [row], name="zwei.csv"))
    assert second.matches == (0, 1, 0)
    assert second.cases()[0]["debtor"] == first.cases()[0]["debtor"]


def test_s6_pflichtangaben_gelten_fuer_spaetere_importe(agency: Agency, tmp_path: Path) -> None:
    rows = [consumer(0, invoice_number=None), consumer(1, invoice_date=None)]
    before = Story.reviewed(agency, table(tmp_path, rows, name="eins.csv"))
    assert [before.rows()[n]["section"] for n in (2, 3)] == ["NEEDS_CLEANSING", "FAULTY"]
    agency.set("imports", invoiceNumberRequired=True, invoiceDateRequired=False)
    # An amendment checks the row again, by the terms the import began with.
    before.amend(2, first_name="Anne")
    assert before.rows()[2]["section"] == "NEEDS_CLEANSING"
    after = Story.reviewed(agency, table(tmp_path, rows, name="zwei.csv"))
    assert [after.rows()[n]["section"] for n in (2, 3)] == ["FAULTY", "READY"]
    undated = [consumer(n) for n in (4, 5)]
    for row in undated:
        del row["invoice_date"]
    assert Story.reviewed(agency, table(tmp_path, undated, name="drei.csv")).state == "REVIEW"


def test_s7_s8_s9_die_arbeitsablaeufe_eines_mandanten(agency: Agency, deutsch: Client) -> None:
    given = {"breathingSpaceEnabled": True, "breathingSpaceDays": 21, "maxCallAttempts": 0}
    agency.set("workflow", paymentPlanReminderDays=0, breathingSpaceInterest="FROM_END", **given)
    found = settings(agency)["workflow"]
    assert {name: one["value"] for name, one in found.items()} == {
        **given, "paymentPlanReminderDays": 0, "breathingSpaceInterest": "FROM_END"
    }  # fmt: skip
    wrong = deutsch.attempt(
        "customerSettingsUpdate",
        "customer { id }",
        customerId=agency.customer,
        workflow={"breathingSpaceDays": 0},
    )
    assert refused(wrong)[:3] == (
        "INVALID", "SETTING_OUT_OF_RANGE", ["input", "workflow", "breathingSpaceDays"]
    )  # fmt: skip


def test_s10_ein_bucket_ueberschreibt_und_erbt_wieder(agency: Agency) -> None:
    query = """query($b: ID!) { node(id: $b) { ... on Bucket {
      settings { maxCallAttempts { value source } } enrichment { attempts { value source } }
      communication { paidInFullMail { value source } } workflow { name kind } } } }"""

    def override(**values: Any) -> Any:
        agency.client.do("bucketSettingsUpdate", "bucket { id }", bucketId=agency.bucket, **values)
        return agency.client.ask(query, b=agency.bucket)["node"]

    agency.set("enrichment", granted=True, attempts=4)
    found = override(
        workflow={"maxCallAttempts": 1},
        enrichment={"attempts": 2},
        communication={"paidInFullMail": True},
    )
    assert found["settings"]["maxCallAttempts"] == {"value": 1, "source": "BUCKET"}
    assert found["enrichment"]["attempts"] == {"value": 2, "source": "BUCKET"}
    assert found["communication"]["paidInFullMail"] == {"value": True, "source": "BUCKET"}
    assert found["workflow"] == {"name": "Main workflow", "kind": "MAIN"}
    again = override(workflow={"maxCallAttempts": None}, enrichment={"attempts": None})
    assert again["settings"]["maxCallAttempts"] == {"value": 3, "source": "SYSTEM"}
    assert again["enrichment"]["attempts"] == {"value": 4, "source": "CUSTOMER"}


def test_s11_die_nachrichten_zum_abschluss_sind_zwei_schalter_mit_je_einer_vorlage(
    agency: Agency, deutsch: Client
) -> None:
    agency.set("communication", paidInFullMail=True, paidInSettlementTemplate="case_closed_settled")
    found = settings(agency)["communication"]
    assert found["paidInFullMail"] == {"value": True, "source": "CUSTOMER"}
    assert found["paidInFullTemplate"] == {"value": None, "source": "SYSTEM"}
    assert found["paidInSettlementMail"] == {"value": False, "source": "SYSTEM"}
    assert found["paidInSettlementTemplate"]["value"] == "case_closed_settled"
    wrong = deutsch.attempt(
        "customerSettingsUpdate",
        "customer { id }",
        customerId=agency.customer,
        communication={"paidInFullTemplate": "unbekannt"},
    )
    assert refused(wrong) == (
        "INVALID",
        "SETTING_CHOICE",
        ["input", "communication", "paidInFullTemplate"],
        "Diese Einstellung muss einer dieser Werte sein: case_closed_paid, case_closed_settled.",
    )


def test_s10_eine_aenderung_steht_mit_vorher_und_nachher_im_protokoll(at: At) -> None:
    agency = at("REVIEW").agency
    agency.set("imports", reviewPercent=45)
    agency.set("imports", reviewPercent=50)
    query = """query($c: ID!) { auditEvents(first: 1, where: {subjectId: $c}) {
      nodes { action before after } } }"""
    (event,) = agency.client.ask(query, c=agency.customer)["auditEvents"]["nodes"]
    assert event == {
        "action": "settings.update",
        "before": {"review_percent": 45},
        "after": {"review_percent": 50},
    }
