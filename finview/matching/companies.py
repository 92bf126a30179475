"""Reading a company's name: legal form apart from the core, branches, numbers, generic words."""

import re
from dataclasses import dataclass
from functools import lru_cache

from finview.matching.persons import whole_name
from finview.text import CACHE, skeleton, word_set, words

# Longest first; written on skeleton words joined by blanks ("beschraenkt" → "beschrankt").
_FORMS = [
    (
        r"(?:gmbh|gesellschaft mit beschrankter haftung)(?: und)?(?: co| compagnie)(?: kg)?",
        "gmbhcokg",
    ),
    (r"ug(?: haftungsbeschrankt)?(?: und)? co(?: kg)?", "ugcokg"),
    (r"(?:ltd|limited)(?: und)? co kg", "ltdcokg"),
    (r"ag(?: und)? co kg", "agcokg"),
    (r"gesellschaft mit beschrankter haftung", "gmbh"),
    (r"(?:gesellschaft|ges) mbh", "gmbh"),
    (r"ggmbh|gesmbh|gmbh|mbh", "gmbh"),
    (r"unternehmergesellschaft(?: haftungsbeschrankt)?", "ug"),
    (r"ug(?: haftungsbeschrankt)?|haftungsbeschrankt", "ug"),
    (r"partnerschaftsgesellschaft(?: mbb)?|part(?:g|gmbb| mbb)|partnerschaft mbb", "partg"),
    (r"kommanditgesellschaft auf aktien|kgaa", "kgaa"),
    (r"kommanditgesellschaft", "kg"),
    (r"offene handelsgesellschaft|ohg", "ohg"),
    (r"gesellschaft burgerlichen rechts|e?gbr", "gbr"),
    (r"aktiengesellschaft", "ag"),
    (r"eingetragene[r]? kauf(?:mann|frau)|e kfm|e kfr|ekfm|ekfr", "ek"),
    (r"eingetragener verein", "ev"),
    (r"eingetragene genossenschaft", "eg"),
    (r"einzelunternehme(?:n|r)|sole trader|sole proprietor", "ek"),
    (r"private limited company|private limited|pvt ltd|pty ltd|limited|ltd", "ltd"),
    (r"limited liability partnership|llp", "llp"),
    (r"public limited company|plc", "plc"),
    (r"limited liability company|llc", "llc"),
    (r"incorporated|inc", "inc"),
    (r"corporation|corp", "corp"),
    (r"community interest company|cic", "cic"),
    (r"sp zoo|sp z o o|spolka z ograniczona odpowiedzialnoscia", "spzoo"),
]
# Short ones are words and initials elsewhere, so they count only at the end.
_FORMS_AT_END = {
    "ag": "ag", "kg": "kg", "se": "se", "ek": "ek", "ev": "ev", "eg": "eg", "sa": "sa", "sas": "sas",
    "sarl": "sarl", "bv": "bv", "nv": "nv", "srl": "srl", "spa": "spa", "sro": "sro", "kft": "kft",
    "oy": "oy", "ab": "ab", "as": "as", "aps": "aps", "doo": "doo", "eu": "eu", "lp": "lp", "co": "",
    "company": "",
}  # fmt: skip
_FORM = re.compile("|".join(rf"(?P<f{i}>\b(?:{p})\b)" for i, (p, _) in enumerate(_FORMS)))
_NOISE = frozenset({"und", "u", "and", "the", "firma", "fa", "co", "company", "et"})
_SHORT = {
    "bros": "brothers",
    "gebr": "gebruder",
    "intl": "international",
    "int": "international",
    "mgmt": "management",
    "svc": "services",
    "svcs": "services",
    "grp": "group",
    "hldg": "holding",
    "holdings": "holding",
    "mfg": "manufacturing",
    "assoc": "associates",
    "dt": "deutsche",
    "germany": "deutschland",
    "ctr": "center",
    "centre": "center",
    "zentrum": "center",
    "saint": "st",
    "sankt": "st",
}
_TRADING = re.compile(
    r"\b(?:t\s?/\s?as?|trading as|trading under|d\s?/\s?b\s?/\s?a|dba|handelnd (?:unter|als))\b[.:]?"
)
_OWNER = re.compile(r"[\s,(]+(?:inh|inhaber|inhaberin|owner|prop|proprietor)\b[.:]*\s*([^,)]+)\)?")
_CUT = re.compile(
    r"[\s,(]+(?:c\s?/\s?o|z\. ?hd|vertreten durch|vertr\. d|vertr\. durch|i\. ?l\.?$|in liquidation|in liqu?\b|"
    r"in insolvenz|in administration).*$"
)
_FORMER = re.compile(r"[\s,(]+(?:vormals|vorm|ehemals|ehem|formerly|fka)\b[.:]?\s*([^)]+)\)?")
_BRANCH_TAIL = re.compile(
    r"\b(?:selbststandige )?(?:zweigniederlassung|niederlassung|zweigstelle|filiale|geschaftsstelle|nl)\b.*$"
)
_BRANCH_END = re.compile(
    r"\b(?:(?:german|uk|deutsche|british|germany|deutschland) )?branch(?: office)?(?: of .*| \w+)?$"
)
_ORDINALS = {
    "erste": "1", "erster": "1", "erstes": "1", "first": "1", "one": "1", "eins": "1", "i": "1",
    "zweite": "2", "zweiter": "2", "zweites": "2", "second": "2", "two": "2", "zwei": "2", "ii": "2",
    "dritte": "3", "dritter": "3", "drittes": "3", "third": "3", "three": "3", "drei": "3",
    "iii": "3", "vierte": "4", "vierter": "4", "fourth": "4", "four": "4", "vier": "4", "iv": "4",
    "funfte": "5", "fifth": "5", "five": "5", "funf": "5", "v": "5", "sechste": "6", "sixth": "6",
    "vi": "6", "siebte": "7", "seventh": "7", "vii": "7", "achte": "8", "eighth": "8", "viii": "8",
    "neunte": "9", "ninth": "9", "ix": "9", "zehnte": "10", "tenth": "10", "x": "10",
}  # fmt: skip
_ROMAN_OR_LETTER = word_set("i ii iii iv v vi vii viii ix x")

GENERIC = word_set(
    "restaurant cafe bistro bar pizzeria imbiss hotel gasthof gasthaus pension pub inn backerei "
    "konditorei metzgerei fleischerei apotheke pharmacy praxis zahnarztpraxis arztpraxis dental "
    "kanzlei rechtsanwalte rechtsanwalt steuerberater steuerberatung solicitors autohaus garage "
    "werkstatt kfz auto motors cars taxi spedition transport transporte logistik logistics "
    "haulage umzuge reisen travel tours bau bauunternehmen baugesellschaft hochbau tiefbau "
    "construction builders building contractors dachdecker roofing malerbetrieb maler painting "
    "tischlerei schreinerei joinery carpentry elektro electrical elektrotechnik sanitar heizung "
    "plumbing heating gartenbau landscaping gardens reinigung gebaudereinigung cleaning service "
    "services dienste dienstleistungen handel handels handelsgesellschaft trading trade import "
    "export grosshandel wholesale retail store stores shop markt market moden mode fashion friseur "
    "salon hair beauty kosmetik fitness studio sport sports club verein immobilien real estate "
    "property properties hausverwaltung verwaltung verwaltungs vermogensverwaltung beteiligungs "
    "beteiligungen holding group gruppe gesellschaft consulting beratung unternehmensberatung "
    "management marketing media medien werbung werbeagentur agentur agency design digital it "
    "software systems systeme solutions technologies technology technik tech computer energy "
    "energie solar windpark solarpark wind park projekt project developments development phase "
    "investments investment capital finance financial versicherung versicherungen insurance "
    "bank sparkasse volksbank foods food getranke catering bakery butchers farm hof agrar "
    "maschinenbau metallbau stahlbau engineering industries industrie manufacturing produktion "
    "products produkte international europe europa deutschland uk british national nord sud ost "
    "west north south east center city stadt stadtwerke alte neue neues altes sohne sohn sons "
    "brothers gebruder partner partners associates family st am zum zur der die das an in im of "
    "furniture ceramics textiles printing print druck druckerei verlag publishing electronics "
    "security sicherheit personal personalservice recruitment training akademie academy schule "
    "school kindergarten nursery care pflege pflegedienst hospital klinik clinic medical health "
    "optik optiker optician kitchen kuche grill house haus wine weine bottega trattoria"
)

# Names that many unrelated houses bear, besides what they are: Pizzeria Roma, Gasthof Adler.
_POPULAR = word_set(
    "roma napoli venezia milano italia bella athen akropolis olympia delphi istanbul bosporus "
    "adler krone post sonne lowe hirsch linde ochsen stern engel rossle schwanen anker mohren "
    "crown lion royal oak head kings queens arms swan plough bell white red horse black"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class CompanyName:
    """A parsed company name: core words in order, one legal-form token, former or trading name."""

    core: str = ""
    legal_form: str = ""
    alt_core: str = ""
    owner_given: str = ""
    owner_family: str = ""


def _join_letters(tokens: tuple[str, ...]) -> list[str]:
    """Glue runs of single letters: e. K. → ek, G m b H → gmbh, A & K → ak."""
    out: list[str] = []
    run = ""
    for token in tokens:
        if len(token) == 1 and token.isalpha():
            run += token
            continue
        if run:
            out.append(run)
            run = ""
        out.append(token)
    if run:
        out.append(run)
    return out


def _split_forms(text: str) -> tuple[list[str], str]:
    forms: list[str] = []

    def take(found: re.Match[str]) -> str:
        forms.append(_FORMS[int((found.lastgroup or "f0")[1:])][1])
        return " "

    tokens = _FORM.sub(take, text).split()
    if "gmbh" in forms:  # Handelsgesellschaft mbH = Handels GmbH
        tokens = [t[:-12] if t.endswith("gesellschaft") and len(t) > 15 else t for t in tokens]
    while len(tokens) > 1 and tokens[-1] in _FORMS_AT_END:
        form = _FORMS_AT_END[tokens.pop()]
        if form:
            forms.insert(0, form)
    if not forms:
        return tokens, ""
    joined = "cokg" if {"gmbh", "kg"} <= set(forms) else ""
    return tokens, "gmbhcokg" if joined else forms[0]


@lru_cache(CACHE)
def _core(text: str) -> tuple[str, str]:
    cleaned = re.sub(r"(\d)\.(?=\s)", r"\1", text.replace("&", " und ").replace("+", " und "))
    joined = " ".join(_join_letters(words(cleaned)))
    branch = ""
    for pattern in (_BRANCH_TAIL, _BRANCH_END):
        cut = pattern.search(joined)
        if cut and cut.start() > 1:
            joined, branch = joined[: cut.start()].strip(), " branch"
    tokens, form = _split_forms(joined)
    kept = [_SHORT.get(t, t) for t in tokens if t not in _NOISE] or tokens
    return " ".join(kept), (form + branch).strip()


@lru_cache(CACHE)
def company_name(text: str) -> CompanyName:
    """Read a company name; the words of the core keep their order."""
    low = skeleton(text)
    alt, given, family = "", "", ""
    former = _FORMER.search(low)
    if former and former.start() > 1:
        alt, low = _core(former[1])[0], low[: former.start()]
    trading = _TRADING.search(low)
    if trading and trading.start() > 1:
        alt = _core(low[trading.end() :])[0]
        low = low[: trading.start()]
    owner = _OWNER.search(low)
    if owner and owner.start() > 1:
        person = whole_name(owner[1])
        given, family = person.given, person.family
        low = low[: owner.start()] + " " + low[owner.end() :]
    cut = _CUT.search(low)
    if cut and cut.start() > 1:
        low = low[: cut.start()]
    core, form = _core(low)
    return CompanyName(
        core=core, legal_form=form, alt_core=alt, owner_given=given, owner_family=family
    )


@lru_cache(CACHE)
def numbers(core: str) -> frozenset[str]:
    """Return the numbers a core names: 5, II, zweite, a single letter at the end (Projekt B)."""
    found: set[str] = set()
    tokens = core.split()
    for at, token in enumerate(tokens):
        if any(c.isdigit() for c in token):
            found.add(token.lstrip("0") or "0")
        elif token in _ORDINALS and (at or token not in _ROMAN_OR_LETTER):
            found.add(_ORDINALS[token])
        elif at and at == len(tokens) - 1 and len(token) == 1:
            found.add(token)
    return frozenset(found)


@lru_cache(CACHE)
def distinctive(core: str) -> tuple[str, ...]:
    """Return the words that tell companies apart, in order; all words when every one is generic."""
    tokens = core.split()
    return tuple(t for t in tokens if t not in GENERIC) or tuple(tokens)


@lru_cache(CACHE)
def is_popular(core: str) -> bool:
    """Tell whether a name is one unrelated firms share: Apotheke am Markt, Pizzeria Roma."""
    return all(w in GENERIC or w in _POPULAR for w in core.split())
