"""Tiny hand-made inputs for the tests: rows with sensible defaults, files, timelines, and a run without any fault."""

import csv
import json
import uuid
from pathlib import Path

from . import feeds
from .happened import Happened, Left, reference
from .replay import Replay, load_plans

CAMPAIGNS = Path(__file__).parent.parent / "campaigns"


def number(stem):
    """The first valid NHS number at or after 999 000 000 + stem × 10."""
    for nine in range(999_000_000 + stem * 10, 999_000_000 + stem * 10 + 10):
        check = (11 - sum(int(d) * w for d, w in zip(str(nine), range(10, 1, -1))) % 11) % 11
        if check < 10:
            return f"{nine}{check}"
    raise AssertionError("one of ten stems has a check digit")


def demographics(nhs, serial=1, **given):
    """A row of a 75-year-old with a mobile number and an address."""
    row = dict.fromkeys(feeds.DEMOGRAPHICS, "") | {
        "RECORD_TYPE": "ADD", "CHANGE_TIME_STAMP": "20250901T090000", "SERIAL_CHANGE_NUMBER": str(serial),
        "NHS_NUMBER": nhs, "DATE_OF_BIRTH": "19500115", "GENDER": "2", "ADDRESS_LINE_1": "1 Mill Lane",
        "POSTCODE": "CB3 8DX", "TELEPHONE_NUMBER": "01632960001", "MOBILE_NUMBER": "07700900001",
    }
    return row | given


def cohort(nhs, label, action="JOIN", date="20250901"):
    """A row of the cohort feed."""
    return {"NHS_NUMBER": nhs, "COHORT_LABEL": label, "ACTION": action, "DATE": date, "SOURCE": "test"}


def booking(nhs, reference="R1", service="FLU", at="20251101T100000", **given):
    """A row of the bookings feed."""
    row = dict.fromkeys(feeds.BOOKINGS, "") | {
        "NHS_NUMBER": nhs, "APPOINTMENT_DATE_TIME": at, "APPOINTMENT_STATUS": "BOOKED", "SERVICE": service,
        "BOOKING_REFERENCE_NUMBER": reference, "CREATED_DATE_TIME": "20251001T090000",
    }
    return row | given


def vaccination(nhs, identifier="u1", on="20251001", flag="NEW", **given):
    """A row of the vaccinations feed."""
    row = dict.fromkeys(feeds.VACCINATIONS, "") | {
        "NHS_NUMBER": nhs, "PERSON_FORENAME": "A", "PERSON_SURNAME": "B", "PERSON_DOB": "19500115",
        "PERSON_GENDER_CODE": "2", "PERSON_POSTCODE": "CB3 8DX", "DATE_AND_TIME": f"{on}T10000000",
        "SITE_CODE": "RJ1", "SITE_CODE_TYPE_URI": "https://fhir.nhs.uk/Id/ods-organization-code",
        "UNIQUE_ID": identifier, "UNIQUE_ID_URI": "https://supplier.example", "ACTION_FLAG": flag,
        "RECORDED_DATE": on, "PRIMARY_SOURCE": "TRUE", "VACCINATION_PROCEDURE_CODE": "822851000000102",
        "LOCATION_CODE": "X99999", "LOCATION_CODE_TYPE_URI": "https://fhir.nhs.uk/Id/ods-organization-code",
    }
    return row | given


def immunization(nhs, identifier, on, disease="6142004"):
    """A FHIR Immunization, as far as the oracle reads it."""
    return {
        "resourceType": "Immunization",
        "contained": [{
            "resourceType": "Patient", "birthDate": "1950-01-15", "address": [{"postalCode": "CB3 8DX"}],
            "identifier": [{"system": "https://fhir.nhs.uk/Id/nhs-number", "value": nhs}],
        }],
        "identifier": [{"system": "https://supplier.example", "value": identifier}],
        "occurrenceDateTime": f"{on}T10:00:00+00:00",
        "protocolApplied": [{"targetDisease": [{"coding": [{"system": "http://snomed.info/sct", "code": disease}]}]}],
    }


class Story:
    """A timeline under construction, with the files it speaks of."""

    def __init__(self, folder):
        self.folder = Path(folder)
        self.lines = []

    def file(self, day, feed, rows, vaccine="FLU"):
        """Writes a feed file and notes that it was processed."""
        stem = {"vaccinations": f"{vaccine}_Vaccinations_v5_YGM41", "demographics": "Demographics_v1_X26",
                "cohorts": "Cohorts_v1_X26", "bookings": "Bookings_v1_X26"}[feed]
        time = f"{day.replace('-', '')}T06{len(self.lines) // 60:02}{len(self.lines) % 60:02}"
        path = self.folder / f"{stem}_{time}00.csv"
        with open(path, "w", newline="", encoding="utf-8") as out:
            lines = csv.writer(out, delimiter="|" if feed == "vaccinations" else ",")
            lines.writerow(feeds.COLUMNS[feed])
            lines.writerows([row[name] for name in feeds.COLUMNS[feed]] for row in rows)
        return self.then(day, "file", path=path.name)

    def then(self, day, kind, **more):
        """Adds a line."""
        self.lines.append({"day": day, "kind": kind, **more})
        return self

    def wave(self, day, campaign="flu-2025", wave="w1"):
        """Selects and issues a wave."""
        return self.then(day, "select", campaign=campaign, wave=wave).then(day, "issue", campaign=campaign, wave=wave)

    def write(self):
        """Writes the timeline and gives its path."""
        path = self.folder / "timeline.ndjson"
        path.write_text("".join(json.dumps(line) + "\n" for line in self.lines))
        return path

    def play(self):
        """Replays it."""
        replay = Replay(load_plans(CAMPAIGNS))
        replay.play(self.lines, base=self.folder)
        return replay


def faultless(replay):
    """What would have been seen had the service done everything right."""
    ids = {nhs: str(uuid.uuid5(uuid.NAMESPACE_OID, nhs)) for nhs in replay.register.people}
    left, contacts = [], []
    for key, expected in replay.messages.items():
        ref = reference(ids[key.nhs_number], *key[1:])
        left.append(Left(ref, key.channel, expected.to))
        contacts.append(contact("message", ids[key.nhs_number], key.campaign, key.dose, step=key.step,
                                channel=key.channel, state="sent", on_date=str(expected.on), message_id=ref))
    for campaign in replay.campaigns.values():
        for name, wave in campaign.waves.items():
            for nhs, reason in wave.outcomes.items():
                dose, label = wave.candidates[nhs]
                contacts.append(contact("decision", ids[nhs], campaign.id, dose, wave=name, step="invite",
                                        reason=reason, cohort=label, on_date=str(wave.day)))
        for (nhs, dose), reason in campaign.reminder_outcomes.items():
            contacts.append(contact("decision", ids[nhs], campaign.id, dose, step="reminder", reason=reason))
        for nhs, dose in campaign.calls:
            contacts.append(contact("call", ids[nhs], campaign.id, dose, step="call"))
    people = {
        ids[nhs]: {"person_id": ids[nhs], "nhs_number": nhs}
        | {state: getattr(person, state) for state in ("dead", "removed", "superseded", "invalidated", "restricted")}
        for nhs, person in replay.register.people.items()
    }
    return Happened(left, people, contacts)


def contact(kind, person_id, campaign, dose, **given):
    """A row of the snapshot's contacts."""
    row = dict.fromkeys("wave step channel state reason cohort on_date message_id batch".split())
    programme = "COVID" if campaign.startswith("covid") else "FLU"
    return {"kind": kind, "person_id": person_id, "campaign": campaign, "programme": programme, "dose": dose} | row | given
