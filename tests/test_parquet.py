"""The snapshot and the exports of a demo run open in ordinary tools and agree with its report.

`IMS_DEMO_DIR` names the folder that the demo left: `out.json`, `snapshot/{people,contacts}/*.parquet` and, where there
are any, `exports/`. Without it the tests are skipped.
"""

import json
import os
from pathlib import Path

import pytest

FOLDER = os.environ.get("IMS_DEMO_DIR")
pytestmark = pytest.mark.skipif(not FOLDER, reason="IMS_DEMO_DIR is not set: no demo run to look at")

DATASETS = ["people", "contacts"]
OFF_THE_LIST = ("dead", "removed", "superseded", "invalidated", "restricted")


@pytest.fixture(scope="module")
def report():
    return json.loads((Path(FOLDER) / "out.json").read_text())


def pattern(dataset):
    return str(Path(FOLDER) / "snapshot" / dataset / "*.parquet")


def ask(query):
    """The single answer of a query in DuckDB, with the datasets under their names."""
    duckdb = pytest.importorskip("duckdb")
    with duckdb.connect() as connection:
        for dataset in DATASETS:
            connection.execute(f"CREATE VIEW {dataset} AS SELECT * FROM read_parquet('{pattern(dataset)}', union_by_name = true)")
        return connection.execute(query).fetchone()[0]


def test_everyone_is_in_the_snapshot_once(report):
    assert ask("SELECT count(*) FROM people") == report["people"]
    assert ask("SELECT count(DISTINCT person_id) FROM people") == report["people"]
    assert ask("SELECT count(*) - count(DISTINCT nhs_number) FROM people WHERE nhs_number <> ''") == 0


def test_every_contact_is_with_someone_in_the_snapshot(report):
    assert ask("SELECT count(*) FROM contacts WHERE person_id NOT IN (SELECT person_id FROM people)") == 0
    kinds = ask("SELECT list(DISTINCT kind) FROM contacts")
    assert set(kinds) <= {"invitation", "decision", "message", "call"}


def test_sums_of_each_campaign_agree_with_the_report(report):
    for campaign, sums in report["campaigns"].items():
        of = f"campaign = '{campaign}'"
        selected = ask(f"SELECT count(DISTINCT person_id) FROM contacts WHERE kind = 'decision' AND step = 'invite' AND {of}")
        assert selected <= sums["selected"] <= selected + sums["pending"], campaign
        assert ask(f"SELECT count(*) FROM contacts WHERE kind = 'call' AND {of}") == sums["recall_tasks"], campaign
        agrees("count(DISTINCT person_id)", of, sums["sent"])
        for kind, channel in (("sms", "sms"), ("letters", "letter")):
            for step, count in sums["messages"][kind].items():
                agrees("count(*)", f"{of} AND channel = '{channel}' AND step = '{step}'", count)


def agrees(counted, where, count):
    """The report's count of messages that left; of a failed or unknown one the state does not say whether it did."""
    messages = f"SELECT {counted} FROM contacts WHERE kind = 'message' AND {where} AND state IN "
    surely = ask(messages + "('sending', 'sent', 'delivered')")
    perhaps = ask(messages + "('sending', 'sent', 'delivered', 'failed', 'unknown')")
    assert surely <= count <= perhaps, where


def test_the_reports_people_add_up(report):
    for name, sums in [("all", report), *report["campaigns"].items()]:
        parts = sums["sent"] + sum(sums["suppressed"].values()) + sum(sums["failed"].values()) + sums["pending"]
        assert sums["selected"] == parts, name


def test_a_message_is_there_once():
    once = "person_id, campaign, dose, step, channel"
    assert ask(f"SELECT count(*) FROM (SELECT {once} FROM contacts WHERE kind = 'message' GROUP BY ALL HAVING count(*) > 1)") == 0
    assert ask("SELECT count(message_id) - count(DISTINCT message_id) FROM contacts WHERE kind = 'message'") == 0


def test_polars_reads_the_same(report):
    polars = pytest.importorskip("polars", reason="polars is not installed")
    people = polars.scan_parquet(pattern("people"))
    assert people.select(polars.len()).collect().item() == report["people"]
    for state in OFF_THE_LIST:
        assert people.select(polars.col(state).cast(polars.Boolean).sum()).collect().item() == ask(
            f"SELECT count(*) FROM people WHERE {state}"
        )


def test_every_export_opens_and_those_of_the_last_report_have_rows():
    duckdb = pytest.importorskip("duckdb")
    folder = Path(FOLDER) / "exports"
    reports = sorted({path.parent for path in folder.rglob("coverage.parquet")})
    if not reports:
        pytest.skip("the run left no exports")
    for report in reports:
        for path in sorted(report.glob("*.parquet")) + sorted(report.glob("*.csv")):
            read = "read_parquet" if path.suffix == ".parquet" else "read_csv"
            rows = duckdb.sql(f"SELECT count(*) FROM {read}('{path}')").fetchall()[0][0]
            # On the first day nobody has been written to when the first report is made.
            assert rows > 0 or report != reports[-1], path.name
    for path in folder.glob("calls/**/*.csv"):
        assert duckdb.sql(f"SELECT count(*) FROM read_csv('{path}')").fetchall()[0][0] > 0, path.name
