"""Checks one row: every cell by its field's rules, then what the cells mean for each other."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import timedelta
from typing import Any, Final, cast

from finview.imports.cells import BLANK, Cell, visible
from finview.imports.checked import (
    AUTO_FIX,
    USER,
    Context,
    Issue,
    RowKeys,
    RowResult,
    Value,
    issue,
)
from finview.imports.currencies import read_currency
from finview.imports.fieldrules import (
    EMPTY,
    NO_VALUE,
    Checked,
    check_amount,
    check_cell,
    check_postcode,
    check_vat,
    kind_of,
    read_amount,
)
from finview.imports.identity import debtor_key, number_key, short, who_key
from finview.imports.limitation import limitation_end
from finview.imports.namerules import check_names
from finview.imports.phones import read_phones
from finview.imports.row import NOTHING_TYPED, Overrides, Row
from finview.imports.rulebook import FAULTY, READY, RULES, WEIGHT, Section

__all__ = ["Context", "Issue", "RowKeys", "RowResult", "Value", "check_row"]

Marks = Sequence[str | tuple[str, Mapping[str, Any]] | list[Any]]
_MEMO_MAX = 5_000
"""Cells remembered per field (350 bytes each): files repeat towns, dates and codes all over, and
what only the rows of one debtor share stands close together."""

_CONFIRMABLE: Final = frozenset({"TEXT_MOJIBAKE", "EMAIL_DOMAIN_TYPO", "PHONE_SPECIAL"})
"""Doubts that a person settles by typing the same value again."""

_REACHED_BY: Final = ("street", "postcode", "city", "phone", "mobile", "email")
_ADULT_YEARS, _OLDEST_YEARS = 18, 110
_INVOICE_KEY_MAX = 200
_CLIENT_NUMBER_MAX = 100


def check_row(
    row_no: int,
    cells: Sequence[Cell],
    marks: Marks,
    ctx: Context,
    overrides: Overrides = NOTHING_TYPED,
) -> RowResult:
    """Check a row by every rule that needs no other row.

    `marks` are what reading noted: codes, or (code, params). `overrides` are values typed by a
    person, by field, None = cleared; they pass the same rules, and raw keeps the file's text.
    """
    row = Row(_by_field(cells, ctx), ctx, overrides)
    shape = _take_marks(row, marks)
    _check_cells(row)
    check_names(row)
    _check_contact(row)
    _check_dates(row)
    if not row.text("invoice_number") and not _broken(row, "invoice_number"):
        required = ctx.invoice_number_required
        row.issues.append(issue("INVOICE_NUMBER_MISSING", "invoice_number", required=required))
    if shape is not None:
        row.issues = [shape]
    return RowResult(
        row_no=row_no,
        values=row.values,
        issues=row.issues,
        section=worst(row.issues),
        keys=_keys(row),
    )


def worst(issues: Sequence[Issue]) -> Section:
    """Return the section of a row with these issues: that of the worst one."""
    section: Section = READY
    for found in issues:
        if WEIGHT[found.section] > WEIGHT[section]:
            section = found.section
    return section


def _by_field(cells: Sequence[Cell], ctx: Context) -> dict[str, Cell]:
    plan = ctx.memo.get("plan")
    if plan is None:
        plan = [(index, name) for index, name in enumerate(ctx.fields) if name]
        ctx.memo["plan"] = plan
        ctx.memo["early"] = [(name, {}) for _, name in plan if kind_of(name) not in _LATE]
        ctx.memo["late"] = [name for _, name in plan if kind_of(name) in _LATE]
    size = len(cells)
    return {name: tuple(cells[index]) if index < size else BLANK for index, name in plan}


def _take_marks(row: Row, marks: Marks) -> Issue | None:
    """Note what reading noted; return the issue of a row whose cells may stand in wrong columns.

    Amending all three required values by hand settles such a row.
    """
    shape: Issue | None = None
    for mark in marks:
        code, params = (mark, {}) if isinstance(mark, str) else (mark[0], mark[1])
        if code == "ROW_SHAPE":
            names = {"company", "full_name", "last_name"} & row.overrides.keys()
            if not names or not {"amount", "invoice_date"} <= row.overrides.keys():
                shape = Issue(code=code, section=FAULTY, params=params)
        elif code in RULES:
            column = params.get("column")
            fields = row.ctx.fields
            known = isinstance(column, int) and 0 <= column < len(fields)
            field = fields[cast("int", column)] if known else None
            if not known or field:
                row.issues.append(
                    Issue(code=code, field=field, section=RULES[code].section, params=params)
                )
    return shape


def _check_cells(row: Row) -> None:
    """Check every cell, first those that others depend on: currency and country."""
    ctx, cells, overrides = row.ctx, row.cells, row.overrides
    known: dict[Cell, Checked]
    for name, known in ctx.memo["early"]:
        if name in overrides:
            continue
        cell = cells[name]
        checked = known.get(cell)
        if checked is None:
            if len(known) >= _MEMO_MAX:
                known.clear()
            checked = known[cell] = check_cell(name, cell, ctx)
        row.take(name, checked)
    later = [name for name in overrides if kind_of(name) in _LATE]
    for name in overrides:
        if name not in later:
            _take_amended(row, name)
    _settle_currency(row)
    for name in later:
        _take_amended(row, name)
    for name in ctx.memo["late"]:
        if name not in overrides:
            row.take(name, _late(row, name, cells[name]))
    if "amount" not in row.values:
        row.values["amount"] = NO_VALUE
    if row.values["amount"].value is None and not any(i.field == "amount" for i in row.issues):
        row.issues.append(issue("AMOUNT_MISSING", "amount"))


_LATE: Final = frozenset({"amount", "postcode", "vat"})


def _late(row: Row, name: str, cell: Cell) -> Checked:
    """Check a cell that depends on currency or country, remembering it with them."""
    if cell[0] == "" and cell[1] == "":
        return EMPTY
    kind, ctx = kind_of(name), row.ctx
    if kind == "amount":
        on = row.text("currency") or ctx.currency
        key: tuple[Any, ...] = (cell, on)
    else:
        stated = row.text("country")
        on = stated or ctx.phone_country
        key = (cell, on, bool(stated), row.text("city") if kind == "postcode" else "")
    known = ctx.memo.setdefault(name, {})
    checked: Checked | None = known.get(key)
    if checked is None:
        if len(known) >= _MEMO_MAX:
            known.clear()
        if kind == "amount":
            checked = check_amount(name, cell, on, ctx)
        elif kind == "vat":
            checked = check_vat(cell, on, ctx)
        elif row.values.get("country", NO_VALUE).raw and not stated:
            return check_cell(name, cell, ctx)  # an unknown country has no known postcodes
        else:
            checked = check_postcode(cell, on, row.text("city"), ctx, stated=bool(stated))
        known[key] = checked
    return checked


def _take_amended(row: Row, name: str) -> None:
    """Check what a person typed; what the file says stays as raw."""
    typed = row.overrides[name]
    cell: Cell = (typed or "", "s" if typed else "")
    of_file = row.cells.get(name, BLANK)
    late = kind_of(name) in _LATE
    checked = _late(row, name, cell) if late else check_cell(name, cell, row.ctx)
    before = _late(row, name, of_file) if late else check_cell(name, of_file, row.ctx)
    value = checked.value.value
    if value is not None and value == before.value.value:
        row.confirmed.add(name)
    dropped = _CONFIRMABLE if name in row.confirmed else frozenset()
    row.issues += [i for i in checked.issues if i.section != READY and i.code not in dropped]
    if checked.second:
        row.seconds[name] = checked.second
    raw = visible(of_file[0]) if of_file[0] else None
    row.values[name] = Value(raw=raw, value=value, source=USER)


def _broken(row: Row, name: str) -> bool:
    """Tell whether the cell is an error that is reported already."""
    return row.cells.get(name, BLANK)[1] in {"e", "f"} and not row.amended(name)


# Currency ---------------------------------------------------------------------------------------


def _settle_currency(row: Row) -> None:
    """A currency is in its own column, else beside the amount, else the customer's."""
    ctx = row.ctx
    typed = row.overrides.get("amount")
    cell = (typed or "", "s") if row.amended("amount") else row.cells.get("amount", BLANK)
    token = read_amount("amount", cell, ctx).token if cell[1] == "s" and cell[0] else ""
    own = row.text("currency")
    if not token:
        if not own and not _troubled(row, "currency"):
            _set_currency(row, ctx.currency, "AUTOFIX_CURRENCY_DEFAULT", "")
        return
    beside = read_currency(token, own or ctx.currency)
    if own and beside.code not in {None, own}:
        found = issue(
            "CURRENCY_AMBIGUOUS", "currency", value=f"{token} / {own}", possible=[own, beside.code]
        )
        row.issues.append(found)
    elif own or _troubled(row, "currency"):
        return
    elif beside.code:
        _set_currency(row, beside.code, "AUTOFIX_CURRENCY_SYMBOL", token)
    elif beside.possible:
        possible = list(beside.possible)
        row.issues.append(
            issue(
                "CURRENCY_AMBIGUOUS",
                "currency",
                value=token,
                possible=possible,
                suggestion=possible[0],
            )
        )


def _set_currency(row: Row, code: str, rule: str, written: str) -> None:
    raw = row.values.get("currency", NO_VALUE).raw
    found = (
        issue(rule, "currency", value=written, result=code)
        if written
        else issue(rule, "currency", result=code)
    )
    row.values["currency"] = Value(raw=raw, value=code, source=AUTO_FIX, codes=(rule,))
    row.issues.append(found)


def _troubled(row: Row, name: str) -> bool:
    return any(i.field == name and i.section != READY for i in row.issues)


# Contact ----------------------------------------------------------------------------------------


def _check_contact(row: Row) -> None:
    """Without any way to reach the debtor nothing can be collected; a second number has a place."""
    _suggest_phones(row)
    if not any(
        row.values.get(name, NO_VALUE).value is not None or _troubled(row, name)
        for name in _REACHED_BY
    ):
        row.issues.append(issue("CONTACT_MISSING"))
    for name, second in row.seconds.items():
        other = "mobile" if name == "phone" else "phone"
        taken = row.values.get(other, NO_VALUE)
        if taken.value is None and not _troubled(row, other) and not row.amended(other):
            row.values[other] = Value(
                raw=taken.raw, value=second, source=AUTO_FIX, codes=("AUTOFIX_PHONE_SPLIT",)
            )


def _suggest_phones(row: Row) -> None:
    """A number that is none in the import's country may be one in the debtor's."""
    country = row.text("country")
    if not country or country == row.ctx.phone_country:
        return
    for at, found in enumerate(row.issues):
        if found.code == "PHONE_INVALID":
            (phone, *_) = read_phones(str(found.params["value"]), country)
            if phone.state in {"VALID", "REPAIRED"}:
                row.issues[at] = replace(found, suggestion=phone.e164)


# Dates ------------------------------------------------------------------------------------------


def _check_dates(row: Row) -> None:
    ctx = row.ctx
    issued = row.day("invoice_date")
    if issued is None:
        if ctx.invoice_date_required and not _troubled(row, "invoice_date"):
            row.issues.append(issue("DATE_MISSING", "invoice_date"))
    elif issued > ctx.today:
        row.issues.append(issue("DATE_IN_FUTURE", "invoice_date", value=issued.isoformat()))
    due = row.day("due_date")
    if due is None and issued and not _troubled(row, "due_date"):
        due = issued + timedelta(days=ctx.payment_term_days)
        raw = row.values.get("due_date", NO_VALUE).raw
        row.values["due_date"] = Value(
            raw=raw, value=due.isoformat(), source=AUTO_FIX, codes=("AUTOFIX_DUE_DATE",)
        )
        row.issues.append(issue("AUTOFIX_DUE_DATE", "due_date", days=ctx.payment_term_days))
    elif due and issued and due < issued:
        row.issues.append(
            issue(
                "DUE_BEFORE_INVOICE",
                "due_date",
                value=due.isoformat(),
                invoice_date=issued.isoformat(),
            )
        )
    if due and "due_date" not in row.confirmed:
        end = limitation_end(due, row.text("country") or ctx.phone_country)
        if end and end < ctx.today:
            row.issues.append(
                issue("CLAIM_LIMITATION", "due_date", value=due.isoformat(), limit=end.isoformat())
            )
    _check_birth(row)


def _check_birth(row: Row) -> None:
    born = row.day("date_of_birth")
    if born is None or "date_of_birth" in row.confirmed:
        return
    today = row.ctx.today
    age = today.year - born.year - ((today.month, today.day) < (born.month, born.day))
    if not _ADULT_YEARS <= age <= _OLDEST_YEARS:
        row.issues.append(
            issue("BIRTH_DATE_IMPLAUSIBLE", "date_of_birth", value=born.isoformat(), age=age)
        )


# Keys -------------------------------------------------------------------------------------------


def _keys(row: Row) -> RowKeys:
    amount = row.values["amount"].value
    invoice = number_key(row.text("invoice_number"))
    values = {name: value.value for name, value in row.values.items()}
    return RowKeys(
        debtor_key=debtor_key(values),
        who_key=who_key(values),
        client_number=row.text("customer_client_number")[:_CLIENT_NUMBER_MAX],
        invoice_key=short(invoice, _INVOICE_KEY_MAX),
        currency=row.text("currency"),
        amount_minor=amount if isinstance(amount, int) else None,
    )
