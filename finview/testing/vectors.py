"""Answers worked examples of the claim account through the functions that the product computes with."""

from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import date, timedelta
from decimal import Decimal
from typing import Any

from finview.cases import law
from finview.cases.allocation import ORDERS, replay, waterfall
from finview.cases.claims import CaseClaims
from finview.cases.commission import share
from finview.cases.components import Breathing, CostComponent, Snapshot
from finview.cases.interest import DayCount, Policy, accrue
from finview.cases.ledger_models import AccountKind, TxnKind
from finview.cases.models import DebtorKind
from finview.cases.packs import de_dates, de_fees, de_rates, nl, uk, us
from finview.cases.plans import remind_on, split_plan
from finview.cases.sample import fact, lines_from, sample_case, with_lines
from finview.cases.statement import balance_of
from finview.errors import Invalid
from finview.money import (
    RATE_SCALE,
    Money,
    minor_text,
    parse_minor,
    parse_rate,
    round_half_up,
    split_minor,
)
from finview.plugins.contracts.jurisdiction import ClaimFacts

Given = Mapping[str, Any]
Answer = dict[str, Any]
EUR = "EUR"
_DE = law.SHIPPED["de"]
_ONE_DAY = timedelta(days=1)


def evaluate(kind: str, given: Given) -> Answer:
    """Answer one worked example; amounts are decimal texts, dates ISO; raises KeyError by kind."""
    return _KINDS[kind](given)


def _day(value: Any) -> date:
    return date.fromisoformat(value)


def _days(value: str | None) -> date | None:
    return date.fromisoformat(value) if value else None


def _terms(rate: Given, **more: Any) -> Snapshot:
    named = {"points": rate["points"]} if "points" in rate else {"percent": rate["fixed"]}
    return Snapshot.model_validate({"interest": {**named, **more.pop("interest", {})}, **more})


def _tariff(rate: Given, count: DayCount) -> law.Tariff:
    if "points" in rate:
        return law.base_plus(_DE, parse_rate(rate["points"]), count)
    return law.fixed(parse_rate(rate["fixed"]), count)


def _interest(given: Given) -> Answer:
    start, end = _day(given["from"]), _day(given["to"])
    principal = parse_minor(given["principal"], given["currency"])
    found: dict[str, Any] = {}
    for count in DayCount:
        accrual = accrue(
            [(start, principal)],
            _tariff(given["rate"], count).steps,
            since=start,
            until=end,
            day_count=count,
        )
        found[count.value] = accrual
    told = found["ACT_365"].explain(given["currency"])
    return {
        "days": (end - start).days,
        "interest": {
            name: minor_text(accrual.minor, given["currency"]) for name, accrual in found.items()
        },
        "segments_act_365": [
            {
                "from": segment["from"],
                "to": segment["to"],
                "days": segment["days"],
                "percent": _percent(parse_rate(segment["percent"])),
                "amount": segment["amount"],
            }
            for segment in told
        ],
    }


def _percent(rate: int) -> str:
    """Write a rate with two decimals, with four where it has more."""
    places = 2 if rate % 100 == 0 else 4
    return f"{Decimal(rate) / RATE_SCALE:.{places}f}"


def _base_rate(given: Given) -> Answer:
    try:
        rate, provisional = de_rates.base_rate(_day(given["on"]))
    except Invalid as failure:
        return {"error": failure.reason}
    return {"percent": _percent(rate), "provisional": provisional}


def _unit_fee(given: Given) -> Answer:
    table = de_fees.table_of(_day(given["law_from"]))
    return {"fee": minor_text(de_fees.unit_fee(parse_minor(given["value"], EUR), table), EUR)}


def _tenths(rate: str) -> int:
    return int(Decimal(rate) * 10)


def _rvg(
    value: int, rate: str, mandate_on: date, *, contested: bool, plan: bool
) -> tuple[int, ...]:
    table = de_fees.table_of(mandate_on)
    business = de_fees.business_fee(value, _tenths(rate), table, contested=contested)
    settlement = de_fees.plan_fee(value, table) if plan else 0
    flat = de_fees.flat(business + settlement)
    return business, settlement, flat, business + settlement + flat


def _rvg_costs(given: Given) -> Answer:
    found = _rvg(
        parse_minor(given["value"], EUR),
        given["rate"],
        _day(given["mandate_on"]),
        contested=given["contested"],
        plan=given["payment_plan"],
    )
    names = ("business_fee", "settlement_fee", "flat_7002", "net")
    return {name: minor_text(minor, EUR) for name, minor in zip(names, found, strict=True)}


def _de_lump_sum(given: Given) -> Answer:
    *_, legal = _rvg(
        parse_minor(given["claim"], EUR),
        given["rate"],
        _day(given["mandate_on"]),
        contested=False,
        plan=False,
    )
    kind: Any = "CONSUMER" if given["consumer"] else "BUSINESS"
    charge = law.lump_sum(_DE, ClaimFacts(debtor_kind=kind, currency=EUR))
    lump = charge.amount_minor * given["lump_sums"] if charge else 0
    credited = min(lump, legal)
    found = {
        "legal_costs": legal,
        "lump_sum": lump,
        "credited": credited,
        "costs_total": legal + lump - credited,
    }
    return {name: minor_text(minor, EUR) for name, minor in found.items()}


def _nl_costs(given: Given) -> Answer:
    return {"costs": minor_text(nl.costs(parse_minor(given["principal"], EUR)), EUR)}


def _uk_interest(given: Given) -> Answer:
    start, end = _day(given["overdue_from"]), _day(given["to"])
    day, rate = uk.reference(start)
    total = rate + uk.POINTS
    principal = parse_minor(given["principal"], given["currency"])
    accrual = accrue([(start, principal)], [(date.min, total)], since=start, until=end)
    return {
        "reference_date": day.isoformat(),
        "percent": _percent(total),
        "days": (end - start).days,
        "interest": minor_text(accrual.minor, given["currency"]),
    }


def _uk_lump_sum(given: Given) -> Answer:
    amount = parse_minor(given["invoice_amount"], given["currency"])
    return {"lump_sum": minor_text(uk.lump_sum(amount), given["currency"])}


def _uk_moratorium(given: Given) -> Answer:
    if given.get("kind", "STANDARD") == "STANDARD":
        first, last = uk.moratorium(_day(given["entered_on"]))
    else:
        first, last = uk.crisis_moratorium(
            _day(given["entered_on"]), _day(given["treatment_ends_on"])
        )
    return {"first_day": first.isoformat(), "last_day": last.isoformat()}


def _allocation(given: Given) -> Answer:
    order = ORDERS[given["order"]]
    due = {name: parse_minor(given[name], EUR) for name in order}
    payment = parse_minor(given["payment"], EUR)
    paid = dict(zip(order, waterfall(payment, [due[n] for n in order]), strict=True))
    return {
        "allocated": {name: minor_text(paid[name], EUR) for name in due},
        "overpaid": minor_text(payment - sum(paid.values()), EUR),
        "rest": {name: minor_text(due[name] - paid[name], EUR) for name in due},
    }


def _ledger_run(given: Given) -> Answer:
    days = [event["value_on"] for event in given["events"]]
    asked = given.get("queries") or [{"as_of": max(days, default=given["default_from"])}]
    return {"queries": [_queried(given, query) for query in asked]}


def _queried(given: Given, query: Given) -> Answer:
    """Build the account from what was known on a day and look at it as of another."""
    known = _days(query.get("known_on")) or date.max
    as_of, currency = _day(query["as_of"]), given["currency"]
    case = _run_case(given, known)
    made = replay(case)
    lines, _ = lines_from(made, 1_000_000)
    read = with_lines(case, lines, as_of)
    left = balance_of(read, as_of)
    over = -sum(row.amount for row in read.lines if row.account == AccountKind.OVERPAID)
    days: dict[str, dict[str, int]] = {}
    for posting in made:
        if posting.kind == TxnKind.ALLOCATION and posting.effective_on <= as_of:
            day = days.setdefault(posting.effective_on.isoformat(), {})
            for name in ("costs", "interest", "principal", "overpaid"):
                day[name] = day.get(name, 0) + parse_minor(posting.inputs[name], currency)
    parts = [
        {
            "on": day,
            "payment": minor_text(sum(sums.values()), currency),
            **{name: minor_text(minor, currency) for name, minor in sums.items()},
        }
        for day, sums in days.items()
    ]
    balance = {
        name: getattr(left, name).text for name in ("principal", "interest", "costs", "open")
    }
    return {
        **{name: query[name] for name in ("as_of", "known_on") if name in query},
        "allocations": parts,
        "balance": {**balance, "overpaid": minor_text(over, currency)},
    }


def _run_case(given: Given, known: date) -> CaseClaims:
    since, currency = _day(given["default_from"]), given["currency"]
    windows = tuple((_day(a), _day(b)) for a, b in map(_window, given.get("no_interest", ())))
    terms = _terms(
        given["rate"],
        interest={"dayCount": given.get("day_count", "ACT_365")},
        outerOrder=given["order"],
    )
    case = sample_case(
        terms,
        _DE,
        Money.parse(given["principal"], currency),
        kind=DebtorKind.CONSUMER,
        issued_on=since - _ONE_DAY,
        due_on=since - _ONE_DAY,
        opened_on=since,
        charges_from=since,
    )
    case = replace(case, windows=windows)
    events = [e for e in given["events"] if _day(e.get("booked_on", e["value_on"])) <= known]
    undone = {event["of"] for event in events if event["type"] == "reversal"}
    lines = []
    for number, event in enumerate(events, 1):
        amount = parse_minor(event.get("amount", "0"), currency)
        day = _day(event["value_on"])
        if event["type"] == "cost":
            lines.append(fact(TxnKind.COST, AccountKind.COSTS_OWN, day, amount, txn_id=number))
        elif event["type"] == "payment" and event.get("id") not in undone:
            lines.append(
                fact(TxnKind.PAYMENT, AccountKind.UNALLOCATED, day, -amount, txn_id=number)
            )
    return with_lines(case, lines)


def _window(window: Any) -> tuple[str, str]:
    if isinstance(window, Mapping):
        return window["from"], window["to"]
    return window[0], window[1]


def _split(given: Given) -> Answer:
    total = parse_minor(given["total"], given["currency"])
    parts = split_minor(total, given["weights"])
    return {"parts": [minor_text(part, given["currency"]) for part in parts]}


def _instalments(given: Given) -> Answer:
    total, currency = parse_minor(given["total"], given["currency"]), given["currency"]
    first = _day(given["first_due_on"])
    parts = split_plan(total, given["instalments"], first, given["every_months"])
    found: list[Answer] = [
        {"number": n, "due_on": due.isoformat(), "amount": minor_text(minor, currency)}
        for n, (due, minor) in enumerate(parts, 1)
    ]
    if "reminder_days" in given:
        agreed = _days(given.get("agreed_on")) or date.min
        for part, (due, _) in zip(found, parts, strict=True):
            part["remind_on"] = remind_on(due, given["reminder_days"], agreed).isoformat()
    return {"instalments": found}


def _breathing_space(given: Given) -> Answer:
    started, as_of = _day(given["started_on"]), _day(given["as_of"])
    since = _day(given["default_from"])
    charged: dict[str, str] = {}
    space = Breathing(enabled=True, days=given["days"]).begun(started)
    assert space.ends_on is not None
    for policy in Policy:
        case = sample_case(
            _terms(given["rate"]),
            _DE,
            Money.parse(given["principal"], EUR),
            kind=DebtorKind.CONSUMER,
            issued_on=since - _ONE_DAY,
            due_on=since - _ONE_DAY,
            opened_on=started,
            charges_from=space.ends_on,
            breathing=space.model_copy(update={"policy": policy}),
        )
        charged[policy.value] = minor_text(case.unposted_minor(as_of), EUR)
    return {
        "ends_on": space.ends_on.isoformat(),
        "interest": charged,
        "costs_charged": as_of >= space.ends_on,
    }


def _default_start(given: Given) -> Answer:
    due = given["basis"] == "DUE_DATE"
    facts = ClaimFacts(
        debtor_kind="BUSINESS",
        currency=EUR,
        due_on=_day(given["on"]) if due else None,
        issued_on=None if due else _day(given["on"]),
    )
    found = _DE.default_start(facts)
    assert found is not None
    return {
        "last_day_to_pay": found.last_day_to_pay.isoformat(),
        "default_from": found.default_from.isoformat(),
    }


def _limitation(given: Given) -> Answer:
    names = ("arisen_on", "acknowledged_on", "title_final_on")
    last = de_dates.limitation(**{name: _days(given.get(name)) for name in names})
    return {"last_day": last.isoformat() if last else None}


def _retention(given: Given) -> Answer:
    found = de_dates.retention(given["document"], _day(given["dated"]))
    return {"erasable_from": found.isoformat() if found else None}


def _call_gate(given: Given) -> Answer:
    why = us.call_refused(given["attempt_days"], given["conversation_days"], given["call_on_day"])
    return {"allowed": why is None, "reason": why}


def _tiered(given: Given) -> Answer:
    component = CostComponent.model_validate(
        {
            "kind": "TIERED",
            "mode": given["mode"],
            "tiers": given["tiers"],
            "min": given.get("min"),
            "max": given.get("max"),
        }
    )
    minor = component.minor(parse_minor(given["principal"], EUR), EUR)
    return {"costs": minor_text(minor, EUR)}


def _commission(given: Given) -> Answer:
    found = share(
        parse_minor(given["collected"], EUR),
        parse_rate(given["percent"]),
        vat=parse_rate(given["vat_percent"]),
        surcharge=parse_rate(given.get("age_surcharge_points", "0")),
    )
    return {
        "commission": minor_text(found.commission, EUR),
        "vat": minor_text(found.vat, EUR),
        "payout": minor_text(found.payout, EUR),
    }


def _minor_units(given: Given) -> Answer:
    try:
        return {"minor": parse_minor(given["amount"], given["currency"])}
    except Invalid:
        return {"error": Invalid.code}


def _rounding(given: Given) -> Answer:
    return {"minor": round_half_up(given["numerator"], given["denominator"])}


_KINDS: Mapping[str, Callable[[Given], Answer]] = {
    "interest": _interest,
    "base_rate_de": _base_rate,
    "rvg_unit_fee": _unit_fee,
    "rvg_costs": _rvg_costs,
    "nl_costs": _nl_costs,
    "uk_interest": _uk_interest,
    "uk_lump_sum": _uk_lump_sum,
    "de_lump_sum": _de_lump_sum,
    "allocation": _allocation,
    "ledger_run": _ledger_run,
    "split": _split,
    "instalments": _instalments,
    "breathing_space": _breathing_space,
    "uk_moratorium": _uk_moratorium,
    "default_start_de": _default_start,
    "limitation_de": _limitation,
    "retention_de": _retention,
    "us_call_gate": _call_gate,
    "tiered_costs": _tiered,
    "commission": _commission,
    "minor_units": _minor_units,
    "rounding": _rounding,
}
