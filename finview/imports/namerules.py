"""The rules about a row's debtor name: missing, order, capitals, split, person or company."""

from dataclasses import replace
from typing import Final

from finview.imports.checked import AUTO_FIX, Value, issue
from finview.imports.people import (
    has_legal_form,
    in_capitals,
    is_blank_name,
    looks_like_person,
    recased,
    split_name,
)
from finview.imports.row import Row
from finview.imports.rulebook import FAULTY

_FIELDS: Final = ("company", "full_name", "last_name", "first_name")
_DECIDING: Final = ("company", "full_name", "last_name")
_SHOWN = 200


def check_names(row: Row) -> None:
    """Check and repair the debtor's name; a row without one is FAULTY."""
    for name in _FIELDS:
        text = row.text(name)
        if text and is_blank_name(text):
            row.values[name] = replace(row.values[name], value=None)
    if not any(row.text(name) for name in _DECIDING):
        _missing(row)
        return
    with_form = next((name for name in _FIELDS if has_legal_form(row.text(name))), None)
    if row.ctx.debtor_kind == "BUSINESS":
        _business(row, with_form)
    elif with_form:
        _mismatch(row, with_form)
    else:
        _person(row)


def _missing(row: Row) -> None:
    """Report the missing name, or make the error cell that hides it a reason to be FAULTY."""
    hidden = False
    for at, found in enumerate(row.issues):
        if found.field in _DECIDING and found.code in {"CELL_ERROR", "FORMULA_NOT_CALCULATED"}:
            row.issues[at] = replace(found, section=FAULTY)
            hidden = True
    if not hidden:
        usual = "company" if row.ctx.debtor_kind == "BUSINESS" else "last_name"
        mapped = [name for name in _DECIDING if name in row.cells]
        field = usual if usual in mapped or not mapped else mapped[0]
        row.issues.append(issue("DEBTOR_NAME_MISSING", field))


def _mismatch(row: Row, name: str) -> None:
    if name not in row.confirmed:
        row.issues.append(issue("DEBTOR_KIND_MISMATCH", name, value=row.text(name)[:_SHOWN]))


def _business(row: Row, with_form: str | None) -> None:
    """A company may stand in a name column; a person alone is not a business."""
    if not row.text("company"):
        full = row.text("full_name")
        name = with_form or ("full_name" if full and not looks_like_person(full) else None)
        if name is None:
            _mismatch(row, "full_name" if full else "last_name")
            return
        row.values["company"] = Value(value=row.text(name), source=AUTO_FIX)
        if with_form != "first_name":
            return
    if with_form in {None, "company"}:
        _recase(row, "first_name", "last_name")


def _person(row: Row) -> None:
    """Put capitals and order right, and split a full name into first and last name."""
    _recase(row, "first_name", "last_name")
    _recase(row, "full_name")
    last = row.text("last_name")
    if last and "," in last and not row.text("first_name"):
        _split(row, "last_name")
    elif not last and row.text("full_name"):
        _split(row, "full_name")


def _recase(row: Row, *names: str) -> None:
    texts = {name: row.text(name) for name in names if row.text(name)}
    together = in_capitals(*texts.values()) if texts else False
    for name, text in texts.items():
        if together or in_capitals(text):
            written = recased(text)
            if written != text:
                row.change(
                    name, written, issue("AUTOFIX_NAME_CASE", name, value=text, result=written)
                )


def _split(row: Row, name: str) -> None:
    text = row.text(name)
    parts = split_name(text)
    found = issue("AUTOFIX_NAME_ORDER", name, value=text) if parts.swapped else None
    if name == "last_name":
        row.change(name, parts.last, found)
    else:
        if parts.swapped:
            row.change(name, f"{parts.first} {parts.last}", found)
        row.values["last_name"] = Value(value=parts.last, source=AUTO_FIX)
    if parts.first:
        row.values["first_name"] = Value(value=parts.first, source=AUTO_FIX)
    if not parts.sure and name not in row.confirmed:
        turned = f"{parts.last}, {parts.first}"
        row.issues.append(issue("NAME_SPLIT_UNSURE", name, value=text, suggestion=turned))
