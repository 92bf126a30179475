"""The import fields: names, kinds, what a file must have, labels in both languages."""

import pytest

from finview.i18n import LOCALES, translate
from finview.imports.fields import FIELDS, fields_for, missing_required


def test_every_field_is_known_by_its_own_name() -> None:
    assert all(name == field.name for name, field in FIELDS.items())


def test_a_file_needs_a_debtor_name_an_amount_and_an_invoice_date() -> None:
    assert missing_required(set(), "CONSUMER") == ["full_name", "invoice_date", "amount"]
    assert missing_required(set(), "BUSINESS") == ["company", "invoice_date", "amount"]


@pytest.mark.parametrize("name", ["company", "full_name", "last_name"])
@pytest.mark.parametrize("kind", ["CONSUMER", "BUSINESS"])
def test_any_of_the_debtor_names_is_enough(name: str, kind: str) -> None:
    assert missing_required({name, "amount", "invoice_date"}, kind) == []


def test_a_first_name_alone_names_no_debtor() -> None:
    assert missing_required({"first_name", "amount", "invoice_date"}, "CONSUMER") == ["full_name"]


def test_business_files_have_a_register_number_and_consumer_files_an_employment() -> None:
    business = {field.name for field in fields_for("BUSINESS")}
    consumer = {field.name for field in fields_for("CONSUMER")}
    assert business - consumer == {"register_no", "industry"}
    assert consumer - business == {"employment", "identity_no"}


@pytest.mark.parametrize("locale", LOCALES)
def test_labels_differ_from_each_other_in_every_language(locale: str) -> None:
    labels = {translate(field.label, locale) for field in FIELDS.values()}
    assert len(labels) == len(FIELDS)


def test_german_labels_are_translated() -> None:
    same = {field.name for field in FIELDS.values() if translate(field.label, "de") == field.label}
    assert same == {"iban"}
