"""The oracle on tiny hand-made inputs."""

import json
import os
import subprocess
import sys
from datetime import date
from pathlib import Path

import pytest

from . import criteria, samples
from .compare import Comparison
from .fields import Rejected, age_on, moment, nhs_number
from .happened import Left, reference
from .register import Person
from .samples import Story, booking, cohort, demographics, immunization, number, vaccination

ANN, BOB, CAT = number(1), number(2), number(3)
MONDAY = "2025-10-06"


@pytest.fixture
def story(tmp_path):
    return Story(tmp_path)


def steps(replay):
    """(step, channel, day) of everything that should have left, in order."""
    return [(key.step, key.channel, str(expected.on)) for key, expected in replay.messages.items()]


# Fields --------------------------------------------------------------------------------------------------------------


def test_nhs_numbers_are_checked():
    assert nhs_number("9434765919") == "9434765919"
    for wrong in ["9434765918", "943476591", "943 476 5919", "", "abcdefghij"]:
        with pytest.raises(Rejected):
            nhs_number(wrong)


def test_the_day_of_a_dose_is_the_day_in_london():
    assert moment("20250701T23300000", "t").date() == date(2025, 7, 2)
    assert moment("20250701T23300001", "t").date() == date(2025, 7, 1)
    assert moment("20251201T233000", "t").date() == date(2025, 12, 1)


def test_leap_day_children_come_of_age_on_the_first_of_march():
    assert age_on(date(2008, 2, 29), date(2026, 2, 28)) == 17
    assert age_on(date(2008, 2, 29), date(2026, 3, 1)) == 18


# Who is eligible -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "born, labels, flu, covid",
    [
        ("1961-03-31", [], "flu_65_plus", "covid_65_plus"),
        ("1961-04-01", [], None, "covid_60_plus"),
        ("1961-04-01", ["at_risk"], "at_risk", "at_risk"),
        ("1961-03-31", ["at_risk"], "flu_65_plus", "covid_65_plus"),
        ("1976-03-31", [], None, "covid_50_plus"),
        ("1976-04-01", [], None, None),
        ("1971-03-31", [], None, "covid_55_plus"),
        ("1946-03-31", [], "flu_65_plus", "covid_80_plus"),
        ("1946-04-01", [], "flu_65_plus", "covid_75_plus"),
        ("1956-03-31", ["health_social_care_staff"], "flu_65_plus", "health_social_care_staff"),
        ("1930-01-01", ["care_home_residents"], "flu_65_plus", "care_home_residents"),
        ("1990-01-01", ["care_home_staff", "carers"], None, "care_home_staff"),
        ("1990-01-01", ["clinically_extremely_vulnerable", "at_risk"], "at_risk", "clinically_extremely_vulnerable"),
        ("2010-03-31", ["carers"], None, "carers"),
        ("2010-04-01", ["carers", "at_risk"], "at_risk", None),
        ("2025-04-07", ["at_risk"], "at_risk", None),
        ("2025-04-08", ["at_risk"], None, None),
        (None, ["at_risk", "care_home_residents"], None, None),
    ],
)
def test_cohorts_by_age_and_label(born, labels, flu, covid):
    person = Person("", born=born and date.fromisoformat(born), memberships={label: ("", True) for label in labels})
    assert criteria.flu_cohort(person, date(2025, 10, 6)) == flu
    assert criteria.covid_cohort(person, date(2025, 10, 6)) == covid


# Why nobody writes ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "reason, changes, labels",
    [
        ("dead", {"DATE_OF_DEATH": "20251003", "DEATH_STATUS": "2"}, []),
        ("dead", {"DEATH_STATUS": "1", "REASON_FOR_REMOVAL": "DEA"}, []),
        ("removed", {"REASON_FOR_REMOVAL": "EMB"}, []),
        ("removed", {"RECORD_TYPE": "DEL"}, []),
        ("removed", {"SUPERSEDED_BY_NHS_NUMBER": BOB, "INVALID_FLAG": "1"}, []),
        ("invalidated", {"INVALID_FLAG": "1", "RESTRICTED": "1"}, []),
        ("restricted", {"RESTRICTED": "1", "ADDRESS_LINE_1": "", "POSTCODE": "", "MOBILE_NUMBER": ""}, ["contact_opt_out_all"]),
        ("opted_out", {}, ["contact_opt_out_flu", "in_custody"]),
        ("in_custody", {"MOBILE_NUMBER": "", "ADDRESS_LINE_1": ""}, ["in_custody"]),
        ("no_contact_route", {"MOBILE_NUMBER": "", "POSTCODE": "ZZ99 3VZ"}, []),
        ("no_contact_route", {"MOBILE_NUMBER": "", "POSTCODE": "NFA"}, []),
        ("no_contact_route", {"ADDRESS_LINE_1": ""}, ["contact_no_text"]),
        ("not_eligible", {"DATE_OF_BIRTH": "19610401"}, []),
        (None, {}, ["contact_opt_out_covid"]),
    ],
)
def test_reasons_that_come_between_selection_and_issue(story, reason, changes, labels):
    story.file("2025-10-01", "demographics", [demographics(ANN)])
    story.then(MONDAY, "select", campaign="flu-2025", wave="w1")
    story.file(MONDAY, "demographics", [demographics(ANN, serial=2, **changes)])
    story.file(MONDAY, "cohorts", [cohort(ANN, label, date="20251006") for label in labels])
    story.then(MONDAY, "issue", campaign="flu-2025", wave="w1")
    replay = story.play()
    assert replay.campaigns["flu-2025"].waves["w1"].outcomes == {ANN: reason}
    assert len(replay.messages) == (reason is None)
    sums = replay.sums(replay.campaigns["flu-2025"])
    assert sums["suppressed"] == ({reason: 1} if reason else {})
    assert sums["selected"] == sums["sent"] + sum(sums["suppressed"].values()) + sums["pending"] == 1


@pytest.mark.parametrize(
    "kind, body, reason",
    [
        ("immunization", immunization(ANN, "a", "2025-10-06"), "vaccinated"),
        ("booking", booking(ANN, at="20251006T090000"), "booked"),
        ("booking", booking(ANN, at="20251005T090000"), None),
        ("booking", booking(ANN, APPOINTMENT_STATUS="DNA"), None),
        ("booking", booking(ANN, service="COVID"), None),
    ],
)
def test_a_dose_or_a_booking_before_issue_suppresses(story, kind, body, reason):
    story.file("2025-10-01", "demographics", [demographics(ANN)])
    story.then(MONDAY, "select", campaign="flu-2025", wave="w1")
    story.then(MONDAY, kind, status=201, body=body)
    story.then(MONDAY, "issue", campaign="flu-2025", wave="w1")
    assert story.play().campaigns["flu-2025"].waves["w1"].outcomes == {ANN: reason}


def test_a_record_that_was_not_acknowledged_does_not_count(story):
    story.file("2025-10-01", "demographics", [demographics(ANN)])
    story.then(MONDAY, "immunization", status=500, body=immunization(ANN, "a", "2025-10-05"))
    assert steps(story.wave(MONDAY).play()) == [("invite", "sms", MONDAY)]


@pytest.mark.parametrize(
    "changes, labels, channel",
    [
        ({}, [], "sms"),
        ({"MOBILE_NUMBER": ""}, [], "letter"),
        ({}, ["contact_no_text"], "letter"),
        ({"DATE_OF_BIRTH": "20091007"}, ["at_risk"], "letter"),
        ({"DATE_OF_BIRTH": "20091006"}, ["at_risk"], "sms"),
    ],
)
def test_channel(story, changes, labels, channel):
    story.file("2025-10-01", "demographics", [demographics(ANN, **changes)])
    story.file("2025-10-01", "cohorts", [cohort(ANN, label) for label in labels])
    assert steps(story.wave(MONDAY).play()) == [("invite", channel, MONDAY)]


# Selection -----------------------------------------------------------------------------------------------------------


def test_people_off_the_list_are_not_selected_and_last_seasons_dose_does_not_count(story):
    story.file("2025-10-01", "demographics", [
        demographics(ANN, DATE_OF_DEATH="20250701"), demographics(BOB), demographics(CAT),
    ])
    story.file("2025-10-01", "vaccinations", [vaccination(BOB, "b", "20250831"), vaccination(CAT, "c", "20250901")])
    wave = story.wave(MONDAY).play().campaigns["flu-2025"].waves["w1"]
    assert (wave.eligible, wave.candidates) == (2, {BOB: (1, "flu_65_plus")})


def test_every_state_is_lifted_by_a_later_row_and_an_older_row_changes_nothing(story):
    story.file("2025-10-01", "demographics", [
        demographics(ANN, serial=3), demographics(ANN, serial=2, DEATH_STATUS="1"), demographics(ANN, serial=1, RESTRICTED="1"),
    ])
    assert len(story.wave(MONDAY).play().messages) == 1


def test_second_covid_doses_wait_eight_weeks_and_people_are_invited_once_a_dose(story):
    story.file("2025-10-01", "demographics", [demographics(ANN), demographics(BOB), demographics(CAT)])
    story.wave(MONDAY, "covid-2025", "w1")
    story.then("2025-10-20", "immunization", status=201, body=immunization(ANN, "a", "2025-10-13", "840539006"))
    story.then("2025-10-20", "immunization", status=201, body=immunization(BOB, "b", "2025-10-14", "840539006"))
    story.wave("2025-12-08", "covid-2025", "w3").wave("2025-12-15", "covid-2025", "w4")
    replay = story.play()
    waves = replay.campaigns["covid-2025"].waves
    assert set(waves["w1"].candidates) == {ANN, BOB, CAT}
    assert waves["w3"].candidates == {ANN: (2, "covid_75_plus")}  # 56 days after 13 October is 8 December
    assert waves["w4"].candidates == {BOB: (2, "covid_75_plus")}
    assert [key.dose for key in replay.messages] == [1, 1, 1, 2, 2]


def test_waves_are_limited_to_their_cohorts(story):
    young = demographics(BOB, DATE_OF_BIRTH="19700101")
    story.file("2025-10-01", "demographics", [demographics(ANN), young])
    story.wave(MONDAY, "covid-2025", "w1").wave("2025-10-13", "covid-2025", "w2")
    waves = story.play().campaigns["covid-2025"].waves
    assert waves["w1"].candidates == {ANN: (1, "covid_75_plus")}
    assert waves["w2"].candidates == {BOB: (1, "covid_55_plus")}


def test_someone_suppressed_may_be_selected_again(story):
    story.file("2025-10-01", "demographics", [demographics(ANN)])
    story.file("2025-10-01", "cohorts", [cohort(ANN, "contact_opt_out_covid")])
    story.wave(MONDAY, "covid-2025", "w1")
    story.file("2025-11-01", "cohorts", [cohort(ANN, "contact_opt_out_covid", "LEAVE", "20251031")])
    story.wave("2025-12-08", "covid-2025", "w3")
    replay = story.play()
    assert steps(replay) == [("invite", "sms", "2025-12-08")]
    assert replay.sums(replay.campaigns["covid-2025"])["suppressed"] == {}


# Later steps ---------------------------------------------------------------------------------------------------------


def test_reminder_after_14_days_and_call_after_28(story):
    story.file("2025-10-01", "demographics", [demographics(ANN), demographics(BOB, MOBILE_NUMBER="", TELEPHONE_NUMBER="")])
    story.wave(MONDAY)
    for day in ["2025-10-19", "2025-10-20", "2025-10-21", "2025-11-02", "2025-11-03", "2025-11-04"]:
        story.then(day, "due", campaign="flu-2025")
    replay = story.play()
    assert steps(replay) == [
        ("invite", "sms", MONDAY), ("invite", "letter", MONDAY),
        ("reminder", "sms", "2025-10-20"), ("reminder", "letter", "2025-10-20"),
    ]
    assert replay.campaigns["flu-2025"].calls == {(ANN, 1)}  # the other has no number to call


@pytest.mark.parametrize("day, sent", [("2025-10-20", 1), ("2025-10-21", 2)])
def test_a_dose_stops_what_is_left(story, day, sent):
    story.file("2025-10-01", "demographics", [demographics(ANN)])
    story.wave(MONDAY)
    lines = [("2025-10-20", "due", {"campaign": "flu-2025"})]
    dose = (day, "immunization", {"status": 201, "body": immunization(ANN, "a", "2025-10-18")})
    lines.insert(0 if day == "2025-10-20" else 1, dose)
    for when, kind, more in [*lines, ("2025-11-03", "due", {"campaign": "flu-2025"})]:
        story.then(when, kind, **more)
    replay = story.play()
    assert len(replay.messages) == sent
    assert replay.campaigns["flu-2025"].calls == set()


def test_nothing_more_after_a_call_that_was_told_of_a_death(story):
    story.file("2025-10-01", "demographics", [demographics(ANN)])
    story.wave(MONDAY).then("2025-11-04", "call", nhs_number=ANN, campaign="flu-2025", outcome="bereaved")
    replay = story.wave("2025-12-08", "covid-2025", "w3").play()
    assert steps(replay) == [("invite", "sms", MONDAY)]
    assert replay.campaigns["flu-2025"].calls_made == 1


# Rows that are refused -----------------------------------------------------------------------------------------------


def test_bad_rows_are_refused_and_the_rest_of_the_file_is_read(story):
    story.file(MONDAY, "demographics", [
        demographics(ANN), demographics("9990000000"), demographics(BOB, DATE_OF_BIRTH="20251007"),
        demographics(BOB, RECORD_TYPE="NEW"), demographics(BOB, DATE_OF_BIRTH="19500230"),
    ])
    story.file(MONDAY, "vaccinations", [
        vaccination(ANN, "a"), vaccination(ANN, "a", "20251002"), vaccination(ANN, "b", flag="CHANGE"),
        vaccination(ANN, "c", on="20251007"), vaccination(ANN, "d", flag="UPDATE"), vaccination(ANN, "", "20251002"),
        vaccination(ANN, "e", flag="DELETE"), vaccination("", "f"), vaccination(ANN, "a", "20251003", flag="update"),
    ])
    story.file(MONDAY, "cohorts", [cohort(ANN, "at_risk", date="20251007"), cohort(ANN, "at_risk", "STAY")])
    story.file(MONDAY, "bookings", [booking(ANN, CREATED_DATE_TIME="20251007T100000"), booking(ANN, service="PLAGUE")])
    replay = story.play()
    assert [(file["accepted"], sum(file["rejected"].values())) for file in replay.register.files] == [
        (1, 4), (3, 6), (0, 2), (0, 2),
    ]
    assert replay.records() == {"records_accepted": 4, "records_rejected": 14}
    assert replay.register.doses(replay.register.people[ANN], "FLU") == [date(2025, 10, 3)]
    assert BOB not in replay.register.people


def test_deleting_and_bringing_back_and_two_records_of_one_day(story):
    story.file(MONDAY, "vaccinations", [
        vaccination(ANN, "a", "20251001"), vaccination(ANN, "b", "20251001"), vaccination(ANN, "c", "20251002"),
        vaccination(ANN, "c", flag="DELETE"), vaccination(ANN, "d", "20251003"), vaccination(ANN, "d", flag="delete"),
        vaccination(ANN, "d", "20251004", flag="NEW"),
    ])
    replay = story.play()
    assert replay.register.doses(replay.register.people[ANN], "FLU") == [date(2025, 10, 1), date(2025, 10, 4)]


def test_the_latest_change_of_a_booking_and_of_a_membership_wins(story):
    story.file(MONDAY, "bookings", [
        booking(ANN, APPOINTMENT_STATUS="CANCELLED", CANCELLED_DATE_TIME="20251003T090000"), booking(ANN),
        booking(BOB, "R2"),
    ])
    story.file(MONDAY, "cohorts", [
        cohort(ANN, "at_risk", "LEAVE", "20250905"), cohort(ANN, "at_risk", "JOIN", "20250904"),
        cohort(BOB, "at_risk", "LEAVE"), cohort(BOB, "at_risk", "JOIN"),
    ])
    register = story.play().register
    assert register.booked_on(register.people[ANN], "FLU") is None
    assert register.booked_on(register.people[BOB], "FLU") == date(2025, 11, 1)
    assert [register.people[who].is_in("at_risk") for who in (ANN, BOB)] == [False, True]


def test_a_file_dropped_twice_and_a_file_with_a_bad_header_change_nothing(story):
    story.file("2025-10-01", "vaccinations", [vaccination(ANN, "a")])
    story.lines.append(dict(story.lines[0]))
    bad = story.folder / "Cohorts_v1_X26_20251002T06000000.csv"
    bad.write_text("NHS_NUMBER,COHORT_LABEL\n")
    story.lines.append({"day": "2025-10-02", "kind": "file", "path": bad.name})
    files = [file["state"] for file in story.play().register.files]
    assert files == ["processed", "duplicate file", "bad header"]


# Comparing -----------------------------------------------------------------------------------------------------------


@pytest.fixture
def run(story):
    """A replay of three people (one suppressed), and a faultless run of it."""
    story.file("2025-10-01", "demographics", [
        demographics(ANN), demographics(BOB, MOBILE_NUMBER=""), demographics(CAT),
        demographics(number(4), DATE_OF_BIRTH="19900101"),
    ])
    story.file("2025-10-01", "cohorts", [cohort(CAT, "contact_opt_out_all")])
    story.wave(MONDAY).then("2025-10-20", "due", campaign="flu-2025").then("2025-11-03", "due", campaign="flu-2025")
    replay = story.play()
    return replay, samples.faultless(replay)


def id_of(happened, nhs):
    return next(row["person_id"] for row in happened.people.values() if row["nhs_number"] == nhs)


def test_a_faultless_run_is_equal(run):
    result = Comparison(*run).result()
    assert result["equal"] and result["differences"] == 0
    sums = result["expected"]["campaigns"]["flu-2025"]
    assert sums["messages"] == {"sms": {"invite": 1, "reminder": 1}, "letters": {"invite": 1, "reminder": 1}}
    assert (sums["selected"], sums["sent"], sums["suppressed"], sums["recall_tasks"]) == (3, 2, {"opted_out": 1}, 2)


def test_a_planted_duplicate_is_found(run):
    replay, happened = run
    happened.left.append(happened.left[0])
    result = Comparison(replay, happened).result()
    assert not result["equal"]
    assert result["duplicates"]["examples"] == [happened.left[0].reference]
    assert result["expected"]["campaigns"]["flu-2025"]["duplicates"] == 1


def test_one_message_under_two_references_is_a_duplicate(run):
    replay, happened = run
    row = next(row for row in happened.contacts if row["kind"] == "message")
    happened.contacts.append(row | {"message_id": "another"})
    happened.left.append(Left("another", row["channel"], "07700900001"))
    assert Comparison(replay, happened).result()["duplicates"]["count"] == 2


@pytest.mark.parametrize("nhs, why", [(CAT, "opted_out"), (number(4), "never eligible in any wave")])
def test_a_planted_wrong_send_is_found(run, nhs, why):
    replay, happened = run
    person_id = id_of(happened, nhs)
    ref = reference(person_id, "flu-2025", 1, "invite", "sms")
    happened.left.append(Left(ref, "sms", "07700900001"))
    happened.contacts.append(
        samples.contact("message", person_id, "flu-2025", 1, step="invite", channel="sms", message_id=ref)
    )
    result = Comparison(replay, happened).result()
    assert not result["equal"]
    assert result["sent_to_ineligible"]["examples"] == [{"id": ref, "why": why}]
    assert result["sent_to_ineligible"]["references"] == [ref]


def test_other_faults_are_found(run):
    replay, happened = run
    ann = id_of(happened, ANN)
    lost = happened.left.pop(0)
    happened.left.append(Left(reference(ann, "flu-2025", 1, "invite", "letter"), "letter", ""))
    happened.contacts.append(samples.contact("message", ann, "flu-2025", 1, step="invite", channel="letter",
                                             message_id=happened.left[-1].reference))
    happened.left = [Left(left.reference, left.channel, "07700900999" if left.to else "") for left in happened.left]
    happened.people[id_of(happened, BOB)]["dead"] = True
    for row in happened.contacts:
        if row["kind"] == "decision" and row["reason"]:
            row["reason"] = "restricted"
    happened.contacts = [row for row in happened.contacts if row["kind"] != "call"]
    result = Comparison(replay, happened).result()
    assert result["missing"]["examples"] == [f"{lost.reference} (sent)"]
    assert result["unexpected"]["examples"][0]["why"] == "sent by another channel than expected"
    assert result["wrong_recipient"]["count"] == 1
    assert result["people"]["state_differs"]["count"] == 1
    wave = result["waves"]["flu-2025/w1"]
    assert wave["outcome_differs"]["examples"][0]["why"] == "expected opted_out, was restricted"
    assert result["recall_tasks"]["flu-2025"]["missing"]["count"] == 2


def test_the_command_reads_parquet_and_says_by_its_exit_whether_all_is_equal(story, run):
    duckdb = pytest.importorskip("duckdb")
    _, happened = run
    folder = story.folder
    (folder / "manifests").mkdir()
    letters = [left for left in happened.left if left.channel == "letter"]
    (folder / "manifests" / "batch.json").write_text(json.dumps({"batch": "b", "campaign": "flu-2025", "letters": [
        {"sequence": place, "reference": left.reference, "pages": 1} for place, left in enumerate(letters, 1)
    ]}))
    sent = [{"reference": left.reference, "channel": "sms", "to": left.to} for left in happened.left if left.channel == "sms"]
    for name, rows in {"people": list(happened.people.values()), "contacts": happened.contacts}.items():
        (folder / "snapshot" / name).mkdir(parents=True)
        (folder / "rows.json").write_text(json.dumps(rows))
        duckdb.sql(f"COPY (SELECT * FROM read_json('{folder}/rows.json')) TO '{folder}/snapshot/{name}/0.parquet'")

    def command(sent):
        (folder / "sent.json").write_text(json.dumps(sent))
        tests = Path(__file__).parent.parent
        options = {"timeline": story.write(), "campaigns": tests / "campaigns", "sent": folder / "sent.json",
                   "manifests": folder / "manifests", "snapshot": folder / "snapshot", "out": folder / "result.json"}
        words = [word for name, value in options.items() for word in (f"--{name}", str(value))]
        return subprocess.run([sys.executable, "-m", "oracle", *words], env=os.environ | {"PYTHONPATH": str(tests)},
                              capture_output=True, text=True, check=False)

    done = command(sent)
    assert done.returncode == 0, done.stderr
    assert done.stdout == "" and "equal" in done.stderr
    assert command(sent + sent[:1]).returncode == 1
    result = json.loads((folder / "result.json").read_text())
    assert result["duplicates"]["count"] == 1
    assert ANN not in json.dumps(result)
