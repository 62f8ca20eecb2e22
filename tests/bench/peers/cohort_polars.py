"""The cohort benchmark in Polars: cohort_polars.py PEOPLE [CANDIDATES]

With a candidate file, selects the people due a COVID-19 vaccine under tests/campaigns/covid.json as of 6 October 2025 and
writes them in order; without, counts them by cohort and each dimension. Prints what came of it as one line of JSON.
"""

import json
import re
import sys
import time
from datetime import date, timedelta

import polars as pl

PEOPLE, *OUT = sys.argv[1:]
TODAY = date(2025, 10, 6)

def peak_memory():
    """Most memory this program ever held, bytes; getrusage would count the process that started it, too."""
    with open("/proc/self/status", encoding="ascii") as status:
        return int(re.search(r"VmHWM:\s+(\d+) kB", status.read()).group(1)) * 1024


# Label (None: everyone), born no later than, born after (at_risk ends at 64).
ADULT, SIXTY_FIVE = date(2010, 3, 31), date(1961, 3, 31)
COHORTS = [
    ("care_home_residents", ADULT, None),
    ("care_home_staff", ADULT, None),
    (None, date(1946, 3, 31), None),
    ("health_social_care_staff", ADULT, None),
    (None, date(1951, 3, 31), None),
    (None, date(1956, 3, 31), None),
    ("clinically_extremely_vulnerable", ADULT, None),
    (None, SIXTY_FIVE, None),
    ("at_risk", ADULT, SIXTY_FIVE),
    ("carers", ADULT, None),
    (None, date(1966, 3, 31), None),
    (None, date(1971, 3, 31), None),
    (None, date(1976, 3, 31), None),
]

born = pl.col("date_of_birth").fill_null(date(2026, 3, 31))


def condition(label, until, after):
    found = born <= until
    if after:
        found &= born > after
    if label:
        found &= pl.col("cohorts").list.contains(label)
    return found


cohort = pl
for place, described in enumerate(COHORTS):
    cohort = cohort.when(condition(*described)).then(pl.lit(place, pl.Int32))

doses = pl.col("covid_dose_dates")


def invited_for(dose):
    """Invited for this dose; lists are mostly empty."""
    found = pl.element().str.starts_with(f"covid-2025#{dose}#") & pl.element().str.ends_with("#open")
    return (pl.col("dose") == dose) & pl.col("covid_invites").list.eval(found).list.any()


def selected(*columns):
    return (
        pl.scan_parquet(f"{PEOPLE}/*.parquet")
        .filter(~(pl.col("dead") | pl.col("removed") | pl.col("superseded") | pl.col("invalidated")))
        .filter(pl.col("covid_booked").is_null() | (pl.col("covid_booked") < TODAY))
        .filter(doses.list.last().is_null() | (doses.list.last() <= TODAY - timedelta(days=56)))
        .with_columns(
            cohort=cohort.otherwise(None),
            dose=(doses.list.eval(pl.element() >= date(2025, 9, 1)).list.sum() + 1).cast(pl.Int32),
        )
        .filter(pl.col("cohort").is_not_null() & (pl.col("dose") <= 2))
        .filter(~(invited_for(1) | invited_for(2)))
        .select("cohort", *columns)
    )


# Bands as the service's reports have them.
BANDS = [0, 5, 12, 16, 18, 30, 40, 50, 55, 60, 65, 70, 75, 80]
birth = pl.col("date_of_birth")
before_birthday = (birth.dt.month() > 10) | ((birth.dt.month() == 10) & (birth.dt.day() > 6))
age = TODAY.year - birth.dt.year() - before_birthday.cast(pl.Int32)
band = pl
for first in reversed(BANDS):
    band = band.when(age >= first).then(first)
group = pl
for place, letters in enumerate(["ABC", "DEFG", "HJKL", "MNP", "RS"]):
    group = group.when(pl.col("ethnic_category").is_in(list(letters))).then(place)
DIMENSIONS = [
    pl.col("icb").alias("key"),
    band.otherwise(None).alias("key"),
    group.otherwise(None).alias("key"),
    pl.col("imd_decile").alias("key"),
    pl.col("msoa").alias("key"),
]

seconds, previews, candidates = [], [], 0
if OUT:
    began = time.perf_counter()
    selected("lot", "person_id", "dose").sort("cohort", "lot", "person_id").sink_parquet(
        OUT[0], compression="uncompressed", engine="streaming"
    )
    seconds.append(time.perf_counter() - began)
    candidates = pl.scan_parquet(OUT[0]).select(pl.len()).collect().item()
else:
    for dimension in DIMENSIONS:
        began = time.perf_counter()
        counts = selected(dimension).group_by("cohort", "key").agg(pl.len().alias("count")).collect(engine="streaming")
        previews.append(time.perf_counter() - began)
        candidates = int(counts["count"].sum())
print(json.dumps({
    "candidates": candidates,
    "seconds": seconds,
    "previews": previews,
    "peak": peak_memory(),
    "name": f"Polars {pl.__version__}",
}))
