"""The cohort benchmark in DuckDB: cohort_duckdb.py PEOPLE [CANDIDATES]

With a candidate file, selects the people due a COVID-19 vaccine under tests/campaigns/covid.json as of 6 October 2025 and
writes them in order; without, counts them by cohort and each dimension. Prints what came of it as one line of JSON.
"""

import json
import os
import re
import sys
import time

import duckdb

PEOPLE, *OUT = sys.argv[1:]

def peak_memory():
    """Most memory this program ever held, bytes; getrusage would count the process that started it, too."""
    with open("/proc/self/status", encoding="ascii") as status:
        return int(re.search(r"VmHWM:\s+(\d+) kB", status.read()).group(1)) * 1024


# Label (None: everyone), born no later than, born after (at_risk ends at 64).
COHORTS = [
    ("care_home_residents", "2010-03-31", None),
    ("care_home_staff", "2010-03-31", None),
    (None, "1946-03-31", None),
    ("health_social_care_staff", "2010-03-31", None),
    (None, "1951-03-31", None),
    (None, "1956-03-31", None),
    ("clinically_extremely_vulnerable", "2010-03-31", None),
    (None, "1961-03-31", None),
    ("at_risk", "2010-03-31", "1961-03-31"),
    ("carers", "2010-03-31", None),
    (None, "1966-03-31", None),
    (None, "1971-03-31", None),
    (None, "1976-03-31", None),
]


def condition(label, until, after):
    parts = [f"born <= DATE '{until}'"]
    if after:
        parts.append(f"born > DATE '{after}'")
    if label:
        parts.append(f"list_contains(cohorts, '{label}')")
    return " AND ".join(parts)


CASES = " ".join(f"WHEN {condition(*cohort)} THEN {place}" for place, cohort in enumerate(COHORTS))

# Whoever is in no cohort is left out before the rest is looked at.
SELECTED = f"""
    SELECT * FROM (
        SELECT *, CASE {CASES} END::INTEGER AS cohort,
            len(list_filter(covid_dose_dates, lambda day: day >= DATE '2025-09-01'))::INTEGER + 1 AS dose
        FROM (
            SELECT *, coalesce(date_of_birth, DATE '2026-03-31') AS born
            FROM read_parquet('{PEOPLE}/*.parquet')
            WHERE NOT (dead OR removed OR superseded OR invalidated)
        )
    )
    WHERE cohort IS NOT NULL AND dose <= 2
        AND (covid_booked IS NULL OR covid_booked < DATE '2025-10-06')
        AND (len(covid_dose_dates) = 0 OR covid_dose_dates[-1] <= DATE '2025-10-06' - 56)
        AND NOT (len(covid_invites) > 0 AND len(list_filter(covid_invites, lambda invite:
            starts_with(invite, 'covid-2025#' || dose || '#') AND ends_with(invite, '#open'))) > 0)
"""

# Bands as the service's reports have them.
BANDS = [0, 5, 12, 16, 18, 30, 40, 50, 55, 60, 65, 70, 75, 80]
AGE = "date_diff('year', date_of_birth, DATE '2025-10-06') - CAST(strftime(date_of_birth, '%m%d') > '1006' AS INTEGER)"
BAND = "CASE " + " ".join(f"WHEN {AGE} >= {first} THEN {first}" for first in reversed(BANDS)) + " END"
GROUP = """CASE WHEN ethnic_category IN ('A','B','C') THEN 1 WHEN ethnic_category IN ('D','E','F','G') THEN 2
    WHEN ethnic_category IN ('H','J','K','L') THEN 3 WHEN ethnic_category IN ('M','N','P') THEN 4
    WHEN ethnic_category IN ('R','S') THEN 5 END"""
DIMENSIONS = ["icb", BAND, GROUP, "imd_decile", "msoa"]

database = duckdb.connect()
database.execute(f"SET threads = {os.cpu_count()}")
database.execute("SET memory_limit = '7GB'")
database.execute(f"SET temp_directory = '{os.path.dirname(PEOPLE)}/duckdb'")
seconds, previews, candidates = [], [], 0
if OUT:
    began = time.perf_counter()
    database.execute(f"""
        COPY (SELECT cohort, lot, person_id, dose FROM ({SELECTED}) ORDER BY cohort, lot, person_id)
        TO '{OUT[0]}' (FORMAT parquet, COMPRESSION uncompressed)
    """)
    seconds.append(time.perf_counter() - began)
    candidates = database.execute(f"SELECT count(*) FROM '{OUT[0]}'").fetchone()[0]
else:
    for dimension in DIMENSIONS:
        began = time.perf_counter()
        counts = database.execute(
            f"SELECT cohort, {dimension} AS key, count(*) FROM ({SELECTED}) GROUP BY ALL"
        ).fetchall()
        previews.append(time.perf_counter() - began)
        candidates = sum(count for _, _, count in counts)
print(json.dumps({
    "candidates": candidates,
    "seconds": seconds,
    "previews": previews,
    "peak": peak_memory(),
    "name": f"DuckDB {duckdb.__version__}",
}))
