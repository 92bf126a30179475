"""`finview ledger verify`: a database whose bookings stand as they were posted."""


def test_the_bookings_of_a_database_are_recomputed(run, data):
    found = run("ledger", "verify", "--json")
    assert found.status == 0
    assert (found.json["ok"], found.json["faults"]) == (True, [])
    assert "bookings" in run("ledger", "verify").out
    missing = run("ledger", "verify", "--case", "nobody", "--json")
    assert (missing.status, missing.json["error"]["reason"]) == (1, "CASE_NOT_FOUND")
    assert data
