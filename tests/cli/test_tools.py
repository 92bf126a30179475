"""Users, tokens, plugins, jobs, clock, cases, matching, schema and doctor from a terminal."""

import csv

import pytest

from finview.db.jobs import enqueue

WHERE = ("--customer", "SWN", "--portfolio", "Strom und Gas")


@pytest.fixture
def launched(run, data, workbook):
    found = run(
        "import", workbook, *WHERE, "--bucket", "Verträge 2025", "--launch", "--rows", "--json"
    )
    return found.json["rows"][0]["case"]


def test_a_token_is_printed_alone(run, data):
    made = run(
        "user", "create", "--email", "ada@example.org", "--name", "Ada", "--role", "operator"
    )
    assert made.status == 0
    answer = run("token", "create", "--email", "ada@example.org")
    assert answer.out.startswith("fv_")
    assert len(answer.out.split()) == 1


def test_a_user_is_created_once(run, data):
    words = ("user", "create", "--email", "ada@example.org", "--name", "Ada", "--role", "admin")
    assert run(*words, "--json").json["user"]["role"] == "ADMIN"
    assert run(*words, "--json").json["error"]["code"] == "DUPLICATE"


def test_plugins_are_listed_and_checked(run, data):
    found = run("plugins", "check", "--json")
    assert found.status == 0
    offers = {p["name"] for plugin in found.json["plugins"] for p in plugin["providers"]}
    assert {"standard", "csv", "openpyxl", "system"} <= offers


def test_a_matcher_is_bound_to_a_customer(run, data):
    bound = run("plugins", "bind", "matcher", "standard", "--customer", "SWN", "--json")
    assert bound.json["binding"]["scope"] == "CUSTOMER"
    listed = run("plugins", "list", "--json").json["bindings"]
    assert [b["provider"] for b in listed] == ["standard"]


def test_providers_of_a_list_have_positions(run, data):
    settings = '{"url": "https://trace.example", "api_key": "k", "cost_per_attempt": "1.20"}'
    for position in ("1", "0"):
        # Switched off, so that nobody asks the service whether the key is right.
        given = ("enricher", "trace-http", "--position", position, "--disabled")
        assert run("plugins", "bind", *given, "--settings", settings, "--json").status == 0
    listed = run("plugins", "list", "--json").json["bindings"]
    assert [(b["provider"], b["position"]) for b in listed] == [
        ("trace-http", 0),
        ("trace-http", 1),
    ]
    assert run("plugins", "bind", "matcher", "standard", "--position", "1").status == 1


def test_an_unknown_provider_is_refused(run, data):
    assert run("plugins", "bind", "matcher", "nobody", "--json").status == 1
    assert run("plugins", "bind", "matcher", "standard", "--settings", "[1]").status == 1


def test_the_clock_ends_breathing_spaces(run, launched):
    before = run("case", "show", launched, "--json").json["case"]
    assert before["status"] == "BREATHING_SPACE"
    assert before["balance"]["open"] == {"amount": "1280.75", "currency": "EUR"}
    assert run("clock", "advance", "14", "--json").json["jobs"] > 0
    after = run("case", "show", launched, "--json").json["case"]
    assert after["status"] == "ACTIVE"
    assert after["balance"]["costs"]["amount"] == "128.08"
    total = sum(float(line["amount"]["amount"]) for line in after["statement"])
    assert round(total, 2) == float(after["balance"]["open"]["amount"])


def test_a_case_is_shown_as_of_a_day(run, launched):
    shown = run("case", "show", launched, "--as-of", "2025-02-20")
    assert "€1,200.50" in shown.out
    assert run("case", "show", launched, "--as-of", "soon").status == 2


def test_the_clock_stands_still_in_production(run, data, monkeypatch):
    monkeypatch.setenv("FINVIEW_ENV", "production")
    monkeypatch.setenv("FINVIEW_SECRET_KEY", "x" * 32)
    answer = run("clock", "advance", "1", "--json")
    assert answer.json["error"]["reason"] == "CLOCK_PRODUCTION"


def test_jobs_are_listed_and_only_stopped_ones_run_again(run, launched):
    jobs = run("jobs", "list", "--kind", "import.read", "--json").json["jobs"]
    assert [job["state"] for job in jobs] == ["DONE"]
    assert run("jobs", "list", "--failed", "--json").json == {"jobs": []}
    job = str(jobs[0]["id"])
    assert run("jobs", "retry", job, "--json").json["error"]["reason"] == "JOB_NOT_STOPPED"
    assert run("jobs", "cancel", job, "--json").json["error"]["reason"] == "JOB_FINISHED"
    listed = run("jobs", "list", "--state", "done", "--queue", "bulk", "--json").json["jobs"]
    assert jobs[0]["id"] in {one["id"] for one in listed}
    assert run("jobs", "list", "--state", "failed", "--json").json == {"jobs": []}
    assert run("jobs", "list", "--state", "gone", "--json").json["error"]["code"] == "INVALID"


def test_several_jobs_are_cancelled_and_run_again(run, opened_again):
    with opened_again.db.unit() as session:
        ids = [str(enqueue(session, "toy.none", {})) for _ in range(2)]
    cancelled = run("jobs", "cancel", ids[0], f"job_{ids[1]}", "--json").json
    assert [job["state"] for job in cancelled["jobs"]] == ["CANCELLED"] * 2
    again = run("jobs", "retry", *ids, "--json").json
    assert [job["state"] for job in again["jobs"]] == ["READY"] * 2
    by_kind = run("jobs", "retry", "--kind", "toy.none", "--json").json
    assert by_kind == {"jobs": [], "count": 0}
    assert run("jobs", "retry", ids[0], "999999", "--json").json["error"]["code"] in (
        "STATE",
        "NOT_FOUND",
    )


def test_jobs_are_named_in_the_right_way(run, data):
    assert run("jobs", "retry").status == 2
    assert run("jobs", "retry", "1", "--kind", "import.read").status == 2
    assert run("jobs", "cancel", "job_x", "--json").json["error"]["code"] == "NOT_FOUND"


def test_the_schema_is_printed_alone(run):
    answer = run("schema")
    assert "type Query {" in answer.out
    assert "type Mutation {" in answer.out


def test_doctor_finds_a_healthy_installation(run, data):
    answer = run("doctor", "--json")
    assert (answer.status, answer.json["ok"]) == (0, True)


def test_doctor_says_what_to_do(run, fresh):
    answer = run("doctor", "--json")
    assert answer.status == 1
    bad = [check for check in answer.json["checks"] if not check["ok"]]
    assert [check["advice"] for check in bad] == ["Run: finview migrate"]


@pytest.fixture
def people(tmp_path):
    def write(name, rows):
        path = tmp_path / name
        with path.open("w", newline="") as file:
            writer = csv.DictWriter(file, rows[0].keys())
            writer.writeheader()
            writer.writerows(rows)
        return path

    return write


def _person(key, first, last):
    return {"id": key, "kind": "person", "first_name": first, "last_name": last, "postcode": "50667",
            "city": "Köln", "street": "Ringweg", "house_no": "4", "dob": "1980-03-04"}  # fmt: skip


def test_match_evaluate_measures_the_bound_matcher(run, data, people):
    left = people(
        "left.csv", [_person("a", "Adele", "Tannhäuser"), _person("b", "Benno", "Clasen")]
    )
    right = people("right.csv", [_person("x", "Adele", "Tannhaeuser")])
    truth = people("truth.csv", [{"left_id": "a", "right_id": "x"}])
    found = run("match", "evaluate", left, right, "--truth", truth, "--json").json
    assert found["auto"]["f1"] == 1.0
    assert {
        "review_share",
        "candidate_recall",
        "reachable_recall",
        "rows_per_second",
    } <= found.keys()


def test_match_pairs_decides_each_pair(run, data, people):
    pair = {f"a_{k}": v for k, v in _person("a", "Adele", "Tannhäuser").items()}
    pair |= {f"b_{k}": v for k, v in _person("x", "Adele", "Tannhaeuser").items()}
    found = run("match", "pairs", people("p.csv", [{"pair_id": "7", **pair}]), "--json").json
    assert [(p["pair_id"], p["decision"]) for p in found["pairs"]] == [("7", "match")]


def test_the_audit_log_is_checked_against_itself_and_a_noted_head(run, data):
    whole = run("audit", "verify", "--json")
    assert (whole.status, whole.json["ok"], whole.json["broken"]) == (0, True, None)
    assert whole.json["entries"] > 0
    assert run("audit", "verify", "--head", whole.json["head"]).status == 0
    ahead = f"{whole.json['entries'] + 1}:{'0' * 64}"
    cut = run("audit", "verify", "--head", ahead, "--json")
    assert (cut.status, cut.json["broken"]["fault"]) == (1, "CUT")
    assert "ends before entry" in run("audit", "verify", "--head", ahead).out
    assert run("audit", "verify", "--head", "12", "--json").json["error"]["reason"] == "AUDIT_HEAD"
