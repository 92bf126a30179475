"""Invented values per field, German and English formats, for the mapping benchmark."""

import random
from datetime import date, timedelta

Cell = tuple[str, str]

FIRST = {
    True: [
        "Jörg",
        "Sabine",
        "Klaus",
        "Yasemin",
        "Uwe",
        "Petra",
        "Ömer",
        "Heike",
        "Lennart",
        "Svenja",
        "Käthe",
        "Bodo",
        "Anneliese",
        "Tjark",
        "Renate",
    ],
    False: [
        "Graham",
        "Nicola",
        "Trevor",
        "Siobhan",
        "Alfie",
        "Bethan",
        "Rupert",
        "Imogen",
        "Darius",
        "Kofi",
        "Maisie",
        "Gwyn",
        "Esme",
        "Colm",
        "Tilda",
    ],
}
LAST = {
    True: [
        "Müller",
        "Schmidt",
        "Öztürk",
        "Krause",
        "Lehmann",
        "Brandt",
        "Seidel",
        "Nowak",
        "Huber",
        "Yilmaz",
        "Petersen",
        "Vogt",
        "Janßen",
        "Kühn",
        "Wrobel",
        "Fink",
    ],
    False: [
        "Smith",
        "Okafor",
        "Whitlow",
        "Patel",
        "Hughes",
        "MacLeod",
        "Barker",
        "Doyle",
        "Pritchard",
        "Shaw",
        "Lindqvist",
        "Nowicki",
        "Frost",
        "Penrose",
    ],
}
TOWNS = {
    True: [
        "Berlin",
        "Bad Salzuflen",
        "Köln",
        "Gießen",
        "Buxtehude",
        "Neustadt a. d. Aisch",
        "Ulm",
        "Wismar",
        "Goch",
        "Hof",
    ],
    False: [
        "London",
        "Leeds",
        "Market Harborough",
        "Stroud",
        "Bath",
        "Newport",
        "Kirkcaldy",
        "Ely",
        "Hexham",
        "Derby",
    ],
}
STREETS = {
    True: [
        "Hauptstraße",
        "Am Anger",
        "Lindenweg",
        "Goethestr.",
        "Kirchplatz",
        "Zum Sportplatz",
        "Bahnhofsallee",
        "Mühlgasse",
    ],
    False: [
        "High Street",
        "Mill Lane",
        "Station Rd",
        "Orchard Close",
        "The Green",
        "Queens Avenue",
        "Church Walk",
    ],
}
FIRMS = {
    True: ["GmbH", "AG", "KG", "UG", "OHG", "GmbH & Co. KG", "e.K."],
    False: ["Ltd", "PLC", "LLP", "Limited", "Inc."],
}
TRADES = {
    True: ["Bau", "Elektro", "Möbelhaus", "Spedition", "Druckerei", "Gartenbau"],
    False: ["Roofing", "Foods", "Joinery", "Motors", "Print"],
}
NOTES = {
    True: [
        "2. Mahnung versandt",
        "Kunde bittet um Ratenzahlung",
        "unbekannt verzogen",
        "Widerspruch eingelegt am 3.5.",
        "tel. nicht erreichbar",
    ],
    False: [
        "second reminder sent",
        "disputes last invoice",
        "moved away",
        "promised to pay next week",
        "no reply so far",
    ],
}
BUILT_IN = """
Mandatsnummer|customer_number|de
Ihre Kundennr.|customer_number|de
Acct. No|customer_number|en
Debtor Ref. No.|customer_number|en
Firmenname des Kunden|company|de
Name of company|company|en
Schuldner (Name, Vorname)|full_name|de
Debtor's name|full_name|en
Vornamen|first_name|de
First name(s)|first_name|en
Familiennamen|last_name|de
Surname(s)|last_name|en
Mailadr.|email|de
E-mail addr.|email|en
Telefon-Nr. (Festnetz)|phone|de
Daytime telephone|phone|en
Handynr.|mobile|de
Mobile tel. no.|mobile|en
Straße + Hausnr.|street|de
Address line 1|street|en
Hausnr.|house_no|de
House no|house_no|en
Postleitz.|postcode|de
Postal Code|postcode|en
Wohnort|city|de
Post town|city|en
Länderkürzel|country|de
Ctry|country|en
Rechn.-Nr.|invoice_number|de
Inv. number|invoice_number|en
Rechn.-Datum|invoice_date|de
Date invoiced|invoice_date|en
Zahlbar bis|due_date|de
Due by|due_date|en
Offene Summe|amount|de
Outstanding balance|amount|en
Währg.|currency|de
Currency code|currency|en
Mahngebühren|costs|de
Late fees|costs|en
Zinsen bisher|interest|de
Interest to date|interest|en
Schon bezahlt|paid_amount|de
Amt paid|paid_amount|en
USt-ID|vat_id|de
VAT no.|vat_id|en
Geburtsdat.|date_of_birth|de
D.O.B.|date_of_birth|en
IBAN-Nr.|iban|de
IBAN code|iban|en
Korrespondenzspr.|language|de
Preferred language|language|en
Interne Bemerkung|notes|de
Case notes|notes|en
Kostenträger|ignore|de
Letzte Mahnung am|ignore|de
Bankleitzahl|ignore|de
MwSt.-Betrag|ignore|de
Nettobetrag|ignore|de
Telefax|ignore|de
Verkäufer|ignore|de
Cost centre|ignore|en
Credit limit|ignore|en
Last payment date|ignore|en
VAT amount|ignore|en
Net amount|ignore|en
Fax no.|ignore|en
Account manager|ignore|en
"""


class Invented:
    """Rows of one invented file; values of one row agree with each other."""

    def __init__(self, chance: random.Random, *, german: bool) -> None:
        self.chance = chance
        self.german = german
        self.date_style = chance.choice(("iso", "text", "cell"))
        self.number_cells = chance.random() < 0.6
        self.prefix = chance.choice(("RE-2025-", "R", "", "INV", "25/"))

    def rows(self, targets: list[str], headers: list[str], count: int) -> list[list[Cell]]:
        """`count` rows with one cell per target; a debtor has one to three rows in a row."""
        made: list[list[Cell]] = []
        while len(made) < count:
            person = self._person()
            for _invoice in range(self.chance.choice((1, 1, 2, 3))):
                row = {**person, **self._invoice(len(made))}
                made.append(
                    [
                        self._ignored(header, row, len(made)) if target == "ignore" else row[target]
                        for target, header in zip(targets, headers, strict=True)
                    ]
                )
        return made[:count]

    def _person(self) -> dict[str, Cell]:
        pick, german = self.chance.choice, self.german
        number = self.chance.randint
        first, last = pick(FIRST[german]), pick(LAST[german])
        firm = f"{last} {pick(TRADES[german])} {pick(FIRMS[german])}"
        plain = last.lower().translate(str.maketrans({"ü": "ue", "ö": "oe", "ß": "ss"}))
        born = date(number(1945, 2002), number(1, 12), number(1, 28))
        postcode = (
            f"{number(1067, 99998):05}"
            if german
            else f"{pick(['LS', 'N', 'BS', 'M'])}{number(1, 19)} {number(1, 9)}{pick('ABDE')}{pick('HJLN')}"
        )
        return {
            "company": (firm, "s"),
            "full_name": (pick((f"{first} {last}",) * 3 + (f"{last}, {first}", firm)), "s"),
            "first_name": (first, "s"),
            "last_name": (last, "s"),
            "email": self._maybe(f"{first[:1].lower()}.{plain}@example.{pick(['de', 'com', 'org'])}", 0.8),
            "phone": self._maybe(f"0{number(201, 999)} {number(10000, 9999999)}" if german else f"01{number(10, 99)} 496 0{number(100, 999)}", 0.7),
            "mobile": self._maybe(f"0{pick(['151', '160', '172', '176'])} {number(1000000, 99999999)}" if german else f"07700 900{number(100, 999)}", 0.6),
            "street": (pick(STREETS[german]) + f" {number(1, 140)}" if german else f"{number(1, 140)} {pick(STREETS[german])}", "s"),
            "house_no": (f"{number(1, 180)}{pick(['', '', '', 'a', 'b'])}", "s"),
            "postcode": (postcode, "s"),
            "city": (pick(TOWNS[german]), "s"),
            "country": (pick(["DE"] * 5 + ["AT"]) if german else pick(["GB", "United Kingdom", "GB"]), "s"),
            "customer_number": (f"{pick(['K', 'D-', ''])}{number(10000, 99999)}", "s"),
            "vat_id": self._maybe(f"DE{number(100000000, 999999999)}" if german else f"GB{number(100000000, 999999999)}", 0.8),
            "date_of_birth": self._day(born),
            "iban": self._maybe(f"DE{number(10, 99)}00000000{number(1000000000, 9999999999)}" if german else f"GB{number(10, 99)}TEST{number(10000000000000, 99999999999999)}", 0.6),
            "language": (pick(["de", "de", "en"]) if german else "en", "s"),
        }  # fmt: skip

    def _invoice(self, at: int) -> dict[str, Cell]:
        number = self.chance.randint
        issued = date(2024, 1, 1) + timedelta(days=number(0, 700))
        owed = number(2000, 400000)
        return {
            "invoice_number": (f"{self.prefix}{20250000 + at * number(1, 3) + at * 3}", "s"),
            "invoice_date": self._day(issued),
            "due_date": self._day(issued + timedelta(days=self.chance.choice((10, 14, 30)))),
            "amount": self._money(owed),
            "currency": ("EUR" if self.german else "GBP", "s"),
            "costs": self._money(self.chance.choice((0, 250, 500, 1000, 4000))),
            "interest": self._money(owed * number(0, 60) // 1000),
            "paid_amount": self._money(self.chance.choice((0, 0, 0, owed // 2, 5000))),
            "notes": self._maybe(self.chance.choice(NOTES[self.german]), 0.4),
        }

    def _maybe(self, text: str, share: float) -> Cell:
        return (text, "s") if self.chance.random() < share else ("", "")

    def _day(self, day: date) -> Cell:
        if self.date_style == "cell":
            return (day.isoformat(), "d")
        if self.date_style == "iso":
            return (day.isoformat(), "s")
        return (f"{day:%d.%m.%Y}" if self.german else f"{day:%d/%m/%Y}", "s")

    def _money(self, cents: int) -> Cell:
        whole, rest = divmod(cents, 100)
        if self.number_cells:
            return (f"{whole}.{rest:02}".rstrip("0").rstrip("."), "n")
        grouped = f"{whole:,}"
        return (
            f"{grouped.replace(',', '.')},{rest:02}" if self.german else f"{grouped}.{rest:02}",
            "s",
        )

    def _ignored(self, header: str, row: dict[str, Cell], at: int) -> Cell:
        low = header.lower()
        for words, made in (
            (("fax", "telef"), row["phone"]),
            (("datum", "date", " am", " at", "budat"), row["invoice_date"]),
            (("betrag", "amount", "netto", "skonto", "steuer", "limit", "umsatz"), row["amount"]),
            (("name", "rep", "manager", "bearbeiter", "verk", "vertreter", "_uid"), row["full_name"]),
            (("rate", "satz"), ("19", "n")),
            (("days", "tage"), (str(self.chance.randint(1, 200)), "n")),
            (("anrede", "title"), (self.chance.choice(("Herr", "Frau")), "s")),
            (("bic",), ("GENODEF1XXX", "s")),
            (("web", "url"), ("www.example.org", "s")),
            (("row", "zeile"), (str(at + 1), "n")),
            (("region", "filiale", "branch", "depart", "abteil"), (self.chance.choice(("Nord", "Süd", "West")), "s")),
        ):  # fmt: skip
            if any(word in low for word in words):
                return made
        return (self.chance.choice(("A", "B", "1", "2", "3", "X")), "s")
