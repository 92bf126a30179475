"""The sample workbooks and the one-file plugin fit what the code makes of them today."""

from finview import files
from finview.plugins.contracts.matcher import MatchBatch, Party
from finview.testing.loading import load_file


def test_the_sample_maps_by_itself_except_what_is_left_out(run):
    columns = run("columns", files.examples() / "consumer_de.xlsx", "--json").json["columns"]
    assert {c["header"] for c in columns if c["field"] is None} == {"Anrede", "Sachbearbeiter"}
    assert all(c["decided"] != "suggested" for c in columns)


def test_the_business_sample_maps_every_required_field(run):
    path = files.examples() / "business_en.xlsx"
    columns = run("columns", path, "--kind", "business", "--phone-country", "GB", "--json").json
    fields = {column["field"] for column in columns["columns"]}
    assert {"company", "register_no", "amount", "invoice_date", "due_date"} <= fields


def test_the_workbooks_are_what_their_generator_writes(tmp_path):
    make = load_file("make_samples", files.examples() / "make_samples.py")
    rows = list(make.consumer_rows())
    assert make.write_consumer(tmp_path / "again.xlsx") == len(rows)
    assert rows == list(make.consumer_rows())
    assert all("example" in str(row["email"] or "example").lower() for row in rows)


def test_the_plugin_of_one_file_scores_pairs():
    plugin = load_file("phone_plugin", files.examples() / "plugin" / "finview_match_phone.py")
    matcher = plugin.finview_matchers()[0]
    ada = Party(kind="person", family="clasen", phones=("+493023125001",))
    ben = Party(kind="person", family="lüttich", phones=("+493023125001",))
    batch = MatchBatch(
        incoming=[ada], existing=[ada, ben], pairs=[(0, 0), (0, 1)], population=2, frequencies={}
    )
    scored = matcher.score(object.__new__(matcher), batch)
    assert [score.percent for score in scored] == [90.0, 0.0]
