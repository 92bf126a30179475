"""How well the values of a column fit each field, −1…1: one formula a field, and rules across columns."""

from collections.abc import Mapping, Sequence
from itertools import combinations
from typing import Final

from finview.imports.aliases import IGNORE
from finview.imports.profile import Profile, fold

Fits = dict[str, float]

NUMBERS: Final = (
    "customer_case_number",
    "customer_client_number",
    "invoice_number",
    "register_no",
    "identity_no",
)
_MONEY: Final = ("amount", "costs", "interest", "paid_amount")
_DATES: Final = ("invoice_date", "due_date", "contract_date", "date_of_birth")
_PLAIN_TEXT: Final = ("contract_subject", "origin", "industry", "employment")


def _scale(share: float, low: float = 0.0, high: float = 0.9) -> float:
    """A share as −1…1: −1 at `low` and below, 1 at `high` and above."""
    return max(-1.0, min(1.0, 2 * (share - low) / (high - low) - 1))


def value_fits(column: Profile) -> Fits:
    """Fit of every field to the values alone; empty when the column has no value."""
    if not column.filled:
        return {}
    fits: Fits = {}
    fits.update(_contact_fits(column))
    fits.update(_place_fits(column))
    fits.update(_name_fits(column))
    fits.update(_number_fits(column))
    fits.update(_text_fits(column))
    return fits


def _contact_fits(column: Profile) -> Fits:
    share = column.share
    phone = min(1.0, share("phone") + 0.6 * share("phone_lost_zero"))
    mobile = share("mobile")
    return {
        "email": _scale(share("email") + 0.5 * share("email_like"), 0.1, 0.7),
        "phone": _scale(phone, 0.1, 0.7) - 0.35 * (mobile > 0.85),
        "mobile": _scale(0.25 * phone + 0.75 * mobile, 0.1, 0.75),
        "iban": _scale(share("iban"), 0.1, 0.7),
        "vat_id": _scale(share("vat"), 0.1, 0.7),
        "currency": _scale(share("currency"), 0.2, 0.9),
        "language": _scale(share("language"), 0.2, 0.9) - 0.35 * share("code"),
        "country": _scale(share("country"), 0.2, 0.9)
        - (0.4 if share("language_word") > 0.8 else 0.0),
    }


def _place_fits(column: Profile) -> Fits:
    share = column.share
    words = 1 - share("digits")
    street = _scale(
        share("street") + 0.6 * share("street_number") * (1 - share("street")), 0.05, 0.7
    )
    house = _scale(share("house"), 0.3, 0.9) * 0.7
    if share("house") > 0.8:
        house += 0.3 * min(1.0, 5 * share("house_letter"))
        house -= 0.5 * (column.median > 400) + 0.4 * (share("tiny") > 0.98 and column.unique < 0.05)
    own = share("postcode")
    postcode = _scale(own + 0.5 * share("postcode_like"), 0.2, 0.9) * 0.8
    if own > 0.8:
        postcode += 0.2 * min(1.0, 10 * share("leading_zero"))
    city = -1.0
    if words > 0.8:
        city = 0.15 + 2 * share("town") - 1.2 * share("first_name") - 0.8 * share("sentence")
        city -= 0.8 * (share("legal") + share("person") + share("email") + share("street"))
        city -= 1.0 * (share("country") + share("currency") + share("salutation")) + share("date")
        city -= 0.5 * (column.unique < 0.02)
    return {
        "street": street,
        "house_no": max(-1.0, house),
        "postcode": max(-1.0, postcode),
        "city": max(-1.0, min(1.0, city)),
    }


def _name_fits(column: Profile) -> Fits:
    share = column.share
    hard = share("digits") > 0.5 and share("legal") < 0.5
    if hard or share("email") > 0.3 or share("date") > 0.3:
        return dict.fromkeys(("company", "full_name", "first_name", "last_name"), -1.0)
    other = (
        share("street")
        + share("country")
        + share("currency")
        + share("salutation")
        + share("language_word")
        + share("flag")
        + share("sentence") * 0.3
    )
    town = 1.5 * share("town")
    varied = min(1.0, column.unique * 2) if column.filled >= 20 else 1.0
    one, first, person = share("one_word"), share("first_name"), share("person")
    legal = share("legal")
    few = 0.6 * (1 - varied)
    fits = {
        "company": -0.2 + 1.6 * legal - 0.8 * person - 0.8 * first - other - town - few,
        "full_name": -0.2
        + 1.5 * person
        + 0.3 * share("two_words")
        - first
        + 0.2 * legal
        - other
        - town
        - few,
        "first_name": -0.5 + 1.8 * first - legal - person - other - town,
        "last_name": -0.1 + 0.6 * one - 1.2 * first - legal - 0.9 * person - other - town - few,
    }
    return {name: max(-1.0, min(1.0, fit)) for name, fit in fits.items()}


def _number_fits(column: Profile) -> Fits:
    share = column.share
    fits: Fits = {}
    dates = _scale(share("date") + 0.5 * share("serial"), 0.1, 0.7)
    fits.update(dict.fromkeys(_DATES, dates))
    if share("date") > 0.5:
        fits["contract_date"] = dates - 0.2
    money = _scale(share("money"), 0.2, 0.85) if share("date") < 0.3 else -1.0
    if money > 0:
        whole = share("whole")
        money = 0.25 + 0.75 * min(1.0, share("cents") * 1.6)
        money -= 0.5 * share("leading_zero") + 0.4 * (whole > 0.95) + 0.5 * column.counting
        money -= 0.5 * (share("tiny") > 0.9) + 0.5 * share("phone")
    for name in _MONEY:
        fits[name] = max(-1.0, money)
    fits["paid_amount"] = max(-1.0, money - 0.05)
    ids = _scale(share("id"), 0.2, 0.9) * 0.6
    if share("id") > 0.6:
        ids += 0.3 * share("id_mixed") + 0.1 * (column.unique > 0.5)
        ids -= 1.2 * (share("iban") + share("vat")) + 0.8 * share("phone") + 0.6 * share("cents")
        ids -= (
            0.4 * max(share("postcode"), share("street")) + 0.8 * share("tiny") + share("percent")
        )
    if share("date") > 0.3 or share("email") > 0.3:
        ids = -1.0
    for name in NUMBERS:
        fits[name] = max(-1.0, ids)
    fits["invoice_number"] += 0.15 * (column.unique > 0.97) - 0.4 * (column.unique < 0.5)
    fits["register_no"] -= 0.2
    fits["identity_no"] -= 0.2
    return {name: max(-1.0, min(1.0, fit)) for name, fit in fits.items()}


def _text_fits(column: Profile) -> Fits:
    share = column.share
    hard = share("email") + share("date") + share("iban") + share("vat") + share("phone")
    hard += share("cents") + share("currency") + share("country") + 0.7 * share("id")
    plain = 0.0 - 1.5 * hard - 0.5 * share("street") - 0.5 * share("first_name") - share("flag")
    notes = -0.1 + 1.2 * share("sentence") + 0.2 * (column.fill < 0.5) - 1.5 * hard
    notes -= 0.6 * share("street") + 0.6 * share("legal") + 0.6 * share("person") + share("flag")
    notes -= 0.5 * share("one_word") * (column.fill > 0.9)
    fits = dict.fromkeys(_PLAIN_TEXT, max(-1.0, min(0.4, plain)))
    fits["notes"] = max(-1.0, min(0.8, notes))
    ignore = 0.1 - 0.1 * hard
    ignore += 1.5 * (share("salutation") > 0.8) + 0.8 * (share("flag") > 0.8) + share("url")
    ignore += share("percent") + 0.6 * (share("tiny") > 0.95) + 1.2 * column.counting
    ignore += 0.9 * (share("bic") > 0.7)
    ignore += 0.4 * (column.top > 0.98 and column.filled >= 10 and not share("currency"))
    fits[IGNORE] = min(1.0, ignore)
    return fits


def compare(columns: Sequence[Profile], fits: Sequence[Fits]) -> list[list[dict[str, object]]]:
    """Adjust the fits by what columns say about each other; returns the facts found per column."""
    facts: list[list[dict[str, object]]] = [[] for _column in columns]
    _compare_dates(columns, fits, facts)
    _compare_money(columns, fits, facts)
    _compare_names(columns, fits, facts)
    _compare_numbers(columns, fits, facts)
    return facts


def _shift(fit: Fits, name: str, by: float) -> None:
    if name in fit:
        fit[name] = max(-1.0, min(1.0, fit[name] + by))


def _compare_dates(
    columns: Sequence[Profile], fits: Sequence[Fits], facts: Sequence[list[dict[str, object]]]
) -> None:
    """Births lie many years before everything else; a due date is never before its invoice."""
    dated = [at for at, column in enumerate(columns) if column.share("date") > 0.5]
    years = {at: sorted(day[0] for day in columns[at].days if day) for at in dated}
    years = {at: known for at, known in years.items() if known}
    middle = {at: known[len(known) // 2] for at, known in years.items()}
    latest = max(middle.values(), default=0)
    for at, known in years.items():
        spread = known[int(len(known) * 0.9)] - known[int(len(known) * 0.1)]
        birth = middle[at] <= latest - 14 or (spread >= 14 and known[0] < 2005)
        if birth:
            facts[at].append({"rule": "births", "medianYear": middle[at]})
        for name in ("invoice_date", "due_date", "contract_date"):
            _shift(fits[at], name, -1.6 if birth else 0.0)
        _shift(fits[at], "date_of_birth", 0.0 if birth else -1.7)
        fits[at]["births"] = 1.0 if birth else 0.0
    recent = [at for at in years if not fits[at].pop("births", 0.0)]
    for one, two in combinations(recent, 2):
        pairs = [
            (a, b) for a, b in zip(columns[one].days, columns[two].days, strict=True) if a and b
        ]
        if len(pairs) < 3:
            continue
        later = sum(1 for a, b in pairs if b >= a) / len(pairs)
        earlier = sum(1 for a, b in pairs if a >= b) / len(pairs)
        if max(later, earlier) < 0.95 or later == earlier:
            continue
        first, second = (one, two) if later > earlier else (two, one)
        facts[first].append({"rule": "dates", "fact": "earlier", "column": second})
        facts[second].append({"rule": "dates", "fact": "later", "column": first})
        _shift(fits[first], "due_date", -0.7)
        _shift(fits[second], "invoice_date", -0.4)
        _shift(fits[second], "contract_date", -0.4)


def _compare_money(
    columns: Sequence[Profile], fits: Sequence[Fits], facts: Sequence[list[dict[str, object]]]
) -> None:
    """The largest money column with the fewest zeros is the amount."""
    money = [at for at, fit in enumerate(fits) if fit.get("amount", -1.0) > 0.3]
    if len(money) < 2:
        return
    size = {at: columns[at].median * (1 - columns[at].zeros) * columns[at].fill for at in money}
    largest = max(size.values())
    for at in money:
        relative = size[at] / largest if largest else 1.0
        if relative >= 0.999:
            facts[at].append({"rule": "money", "fact": "largest"})
            for name in ("costs", "interest", "paid_amount"):
                _shift(fits[at], name, -0.5)
        else:
            _shift(fits[at], "amount", -0.2 if relative > 0.7 else -0.8)
            if relative < 0.25:
                facts[at].append({"rule": "money", "fact": "small"})
            if columns[at].median > 0.35 * max(columns[other].median for other in money):
                _shift(fits[at], "costs", -0.3)
                _shift(fits[at], "interest", -0.3)


def _compare_names(
    columns: Sequence[Profile], fits: Sequence[Fits], facts: Sequence[list[dict[str, object]]]
) -> None:
    """Words that come back in the e-mail address of the row are a name, the first one a first name."""
    mail = next((at for at, fit in enumerate(fits) if fit.get("email", -1.0) > 0.5), None)
    if mail is None:
        return
    local = [fold(text).partition("@")[0] for text in columns[mail].texts]
    for at, column in enumerate(columns):
        if at == mail or column.share("digits") > 0.5 or column.share("date") > 0.3:
            continue
        rows = [
            (fold(text), mailbox)
            for text, mailbox in zip(column.texts, local, strict=True)
            if len(text) > 2 and mailbox
        ]
        if len(rows) < 5:
            continue
        found = [mailbox.find(text) for text, mailbox in rows]
        share = sum(1 for place in found if place >= 0) / len(rows)
        if share < 0.4:
            continue
        start = sum(1 for place in found if place == 0) / max(1, sum(p >= 0 for p in found))
        facts[at].append({"rule": "in_email", "share": round(share, 2)})
        _shift(fits[at], "city", -0.8)
        _shift(fits[at], "first_name", 0.4 if start > 0.6 else -0.4)
        _shift(fits[at], "last_name", 0.6 if start < 0.4 else 0.2)


def _compare_numbers(
    columns: Sequence[Profile], fits: Sequence[Fits], facts: Sequence[list[dict[str, object]]]
) -> None:
    """A number repeated for one debtor belongs to the debtor, one of every row to the invoice."""
    numbers = [
        at
        for at, fit in enumerate(fits)
        if fit.get("invoice_number", -1.0) > 0.0 or (fit.get("customer_client_number", -1.0) > 0.2)
    ]
    for at in numbers:
        unique = columns[at].unique
        others = max((columns[other].unique for other in numbers if other != at), default=0.0)
        if unique < 0.95 and others > unique + 0.05:
            facts[at].append({"rule": "number", "fact": "repeated", "unique": round(unique, 2)})
            _shift(fits[at], "invoice_number", -0.5)
        elif unique > 0.97 and any(columns[o].unique < 0.95 for o in numbers if o != at):
            facts[at].append({"rule": "number", "fact": "unique"})
            _shift(fits[at], "customer_client_number", -0.3)
            _shift(fits[at], "customer_case_number", -0.2)


_FACTS: Final[Mapping[str, tuple[str, ...]]] = {
    "email": ("email",),
    "phone": ("phone",),
    "mobile": ("mobile",),
    "iban": ("iban",),
    "vat_id": ("vat",),
    "currency": ("currency",),
    "language": ("language",),
    "country": ("country",),
    "street": ("street", "street_number"),
    "house_no": ("house",),
    "postcode": ("postcode", "postcode_like"),
    "city": ("town",),
    "company": ("legal",),
    "full_name": ("person", "two_words"),
    "first_name": ("first_name",),
    "last_name": ("one_word",),
    "notes": ("sentence",),
    IGNORE: ("salutation", "flag", "url", "percent", "bic"),
}


def fact_for(field: str, column: Profile) -> dict[str, object] | None:
    """The most telling share for this field, as a small JSON object."""
    names = _FACTS.get(field)
    if names is None:
        names = ("date",) if field in _DATES else ("cents", "money") if field in _MONEY else ("id",)
    best = max(names, key=column.share)
    share = column.share(best)
    return {"rule": "values", "fact": best, "share": round(share, 2)} if share >= 0.3 else None
