"""Pairs are judged as if alone; a file against a file is measured against the truth."""

from finview.matching.builtin import StandardMatcher
from finview.matching.evaluate import evaluate, pairs
from finview.plugins.contracts.matcher import Matcher, Score
from finview.plugins.contracts.provider import NoSettings

STANDARD = StandardMatcher(NoSettings())


class Sure(Matcher[NoSettings]):
    """A matcher that takes everybody for the same."""

    name = "sure"
    title = "Sure"

    def score(self, batch):
        return [Score(percent=100) for _pair in batch.pairs]


def row(number, first, last, house="12", **more):
    home = {"street": "Hauptstr.", "house_no": house, "postcode": "10115", "city": "Berlin"}
    return {"id": number, "kind": "person", "first_name": first, "last_name": last, **home, **more}


def pair(left, right, **more):
    a = {f"a_{k}": v for k, v in left.items()}
    return {"pair_id": "1", **a, **{f"b_{k}": v for k, v in right.items()}, **more}


def test_a_pair_is_decided_with_percent_guards_and_evidence():
    rows = [pair(row("1", "Jürgen", "Müller"), row("2", "Juergen", "Mueller"), expected="no")]
    found = pairs(rows, STANDARD)["pairs"][0]
    assert (found["pair_id"], found["decision"], found["guards"]) == ("1", "match", [])
    assert {e["field"] for e in found["evidence"]} == {"given", "family", "address"}


def test_a_pair_without_a_common_key_is_no_pair():
    far = {**row("2", "Olaf", "Krause"), "street": "Am Ring", "postcode": "50667", "city": "Köln"}
    assert pairs([pair(row("1", "Jan", "Koch"), far)], Sure(NoSettings()))["pairs"][0] == {
        "pair_id": "1",
        "decision": "no",
        "percent": 0.0,
        "guards": ["MATCH_BOTH_NAMES_DIFFER", "MATCH_ADDRESS_DIFFERS", "MATCH_LAST_NAME_DIFFERS"],
        "evidence": [],
    }


def test_guards_hold_against_a_matcher_that_is_always_sure():
    rows = [pair(row("1", "Jan", "Koch"), row("2", "Ute", "Koch"))]
    assert pairs(rows, Sure(NoSettings()))["pairs"][0]["decision"] == "review"


LEFT = [
    row("l1", "Jan", "Quirin", household="h1"),
    row("l2", "Ute", "Quirin", household="h1"),
    row("l3", "Zofia", "Wunder", house="8"),
]
RIGHT = [row("r1", "Jan", "Quirin"), row("r2", "Zofia", "Wunder", house="8"), row("r3", "Bo", "Li")]


def test_a_file_is_measured_against_the_truth():
    report = evaluate(LEFT, RIGHT, [("l1", "r1"), ("l3", "r2")], STANDARD, rss_mb=lambda: 1.0)
    assert report["auto"] == {
        "precision": 1.0,
        "recall": 1.0,
        "f1": 1.0,
        "wrong": 0,
        "wrong_same_household": 0,
    }
    assert (report["candidate_recall"], report["raw_best_f1"], report["rss_mb"]) == (1.0, 1.0, 1.0)
    assert (report["matcher"], report["left"], report["right"]) == ("standard", 3, 3)


def test_a_wrong_merge_inside_a_household_is_counted():
    report = evaluate(LEFT, RIGHT[:1], [("l2", "r1")], STANDARD)
    assert (report["auto"]["wrong"], report["auto"]["wrong_same_household"]) == (1, 1)


def test_the_same_file_on_both_sides_means_duplicates_inside_it():
    rows = [row("1", "Jan", "Quirin"), row("2", "Jan", "Quirin"), row("3", "Bo", "Li", house="9")]
    report = evaluate(rows, rows, [("1", "2")], STANDARD)
    assert (report["true_pairs"], report["auto"]["wrong"], report["auto"]["recall"]) == (1, 0, 1.0)
