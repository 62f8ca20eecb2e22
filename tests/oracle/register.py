"""The register of people as the records received so far make it: one plain object a person, rows applied one by one."""

import hashlib
from collections import Counter
from dataclasses import dataclass, field
from datetime import date, datetime
from pathlib import Path
from typing import Optional

from . import feeds
from .fields import LONDON, Rejected, day, moment, nhs_number, one_of, past_day, past_moment, required

DISEASES = {"840539006": "COVID", "6142004": "FLU"}  # SNOMED CT code of the one target disease
VACCINES = set(
    "3IN1 4IN1 6IN1 BCG COVID FLU HEPB HIB HIBMENC HPV MENACWY MENB MMR MMRV PNEUMOCOCCAL PERTUSSIS ROTAVIRUS RSV SHINGLES".split()
)
GENDERS = {"0", "1", "2", "9", "male", "female", "not known", "not-known", "not specified", "not-specified"}


@dataclass
class Person:
    """What is known of one person."""

    nhs_number: str
    serial: int = 0
    born: Optional[date] = None
    address_lines: list = field(default_factory=list)
    postcode: str = ""
    telephone: str = ""
    mobile: str = ""
    died: bool = False
    bereaved: bool = False  # a recall call was told of the death
    removed: bool = False
    superseded_by: str = ""
    invalidated: bool = False
    withheld: bool = False  # the address may be disclosed to nobody
    memberships: dict = field(default_factory=dict)  # label -> (place in the source, member now)
    immunisations: set = field(default_factory=set)  # identifiers
    bookings: set = field(default_factory=set)  # references
    replaced: list = field(default_factory=list)  # people whose numbers this one superseded

    def all_numbers(self):
        """The person under this number, and under every number that it superseded."""
        found = []
        left = [self]
        while left:
            one = left.pop()
            if not any(one is known for known in found):
                found.append(one)
                left.extend(one.replaced)
        return found

    @property
    def superseded(self):
        """Whether another number took the place of this one."""
        return bool(self.superseded_by)

    @property
    def dead(self):
        """Whether the person died, whichever number said so."""
        return any(one.died for one in self.all_numbers())

    @property
    def told_dead(self):
        """Whether a recall call to any of the numbers was told of the death."""
        return any(one.bereaved for one in self.all_numbers())

    @property
    def restricted(self):
        """Whether the address may be disclosed to nobody, whichever number said so."""
        return any(one.withheld for one in self.all_numbers())

    def is_in(self, label):
        """Whether the person is a member of the cohort, or holds the wish, now, under any number."""
        return any(label in one.memberships and one.memberships[label][1] for one in self.all_numbers())


@dataclass
class Immunisation:
    """One record of a vaccination."""

    nhs_number: str
    vaccine: str
    given: date
    order: str  # time in the file's name, then row; empty for the API
    deleted: bool = False


@dataclass
class Booking:
    """One appointment."""

    nhs_number: str
    service: str
    appointment: date
    status: str
    changed: datetime


class Register:
    """Everybody, with what has been received and how much of it was refused."""

    def __init__(self):
        self.people = {}
        self.immunisations = {}
        self.bookings = {}
        self.files = []  # what became of each file
        self._seen = set()

    # Reading what was received -------------------------------------------------------------------------------------

    def read_file(self, path, today):
        """Applies a feed file row by row, and notes how many rows were accepted and why others were not."""
        path = Path(path)
        content = path.read_bytes()
        once = (path.name.upper(), hashlib.sha256(content).hexdigest())
        result = {"file": path.name, "accepted": 0, "rejected": {}}
        self.files.append(result)
        if once in self._seen:
            result["state"] = "duplicate file"
            return
        self._seen.add(once)
        named = feeds.feed_of(path.name)
        lines = feeds.rows(named[0], content) if named else None
        if lines is None:
            result["state"] = "bad header" if named else "unknown file name"
            return
        feed, vaccine, time_in_name = named
        apply = {
            "vaccinations": lambda row, order: self.vaccination_row(row, vaccine, order, today),
            "demographics": lambda row, order: self.demographics_row(row, today),
            "cohorts": lambda row, order: self.cohort_row(row, order, today),
            "bookings": lambda row, order: self.booking_row(row, today),
        }[feed]
        refused = Counter()
        for number, row in enumerate(lines, start=1):
            try:
                if row is None:
                    raise Rejected("wrong number of fields")
                apply(row, f"{time_in_name}#{number:09}")
                result["accepted"] += 1
            except Rejected as why:
                refused[str(why)] += 1
        result["state"] = "processed"
        result["rejected"] = dict(refused)

    # Demographics --------------------------------------------------------------------------------------------------

    def demographics_row(self, row, today):
        """The row of the highest serial number replaces all that is known of the person's demographics and states."""
        number = nhs_number(row["NHS_NUMBER"])
        one_of(row["RECORD_TYPE"], {"ADD", "AMENDED", "DEL"}, "RECORD_TYPE")
        past_moment(row["CHANGE_TIME_STAMP"], "CHANGE_TIME_STAMP", today)
        if not row["SERIAL_CHANGE_NUMBER"].isdigit():
            raise Rejected("SERIAL_CHANGE_NUMBER is not a number")
        serial = int(row["SERIAL_CHANGE_NUMBER"])
        born = past_day(row["DATE_OF_BIRTH"], "DATE_OF_BIRTH", today) if row["DATE_OF_BIRTH"] else None
        if row["DATE_OF_DEATH"]:
            past_day(row["DATE_OF_DEATH"], "DATE_OF_DEATH", today)
        one_of(row["DEATH_STATUS"], {"", "1", "2"}, "DEATH_STATUS")
        one_of(row["GENDER"], {"", "0", "1", "2", "9"}, "GENDER")
        if row["SUPERSEDED_BY_NHS_NUMBER"]:
            nhs_number(row["SUPERSEDED_BY_NHS_NUMBER"])

        person = self.person(number)
        if serial <= person.serial:
            return  # an older change that arrives late
        person.serial = serial
        person.born = born
        lines = [row[f"ADDRESS_LINE_{number}"].strip() for number in range(1, 6)]
        person.address_lines = [line for line in lines if line]
        person.postcode = row["POSTCODE"].strip()
        person.telephone = row["TELEPHONE_NUMBER"].strip()
        person.mobile = row["MOBILE_NUMBER"].strip()
        person.died = bool(row["DATE_OF_DEATH"] or row["DEATH_STATUS"])
        person.bereaved = False
        person.removed = bool(row["REASON_FOR_REMOVAL"]) or row["RECORD_TYPE"] == "DEL"
        self.supersede(person, row["SUPERSEDED_BY_NHS_NUMBER"])
        person.invalidated = row["INVALID_FLAG"] == "1"
        person.withheld = row["RESTRICTED"] == "1"

    def supersede(self, person, number):
        """Notes which number took the place of a person's, or that none does any more."""
        if person.superseded_by:
            before = self.person(person.superseded_by)
            before.replaced = [one for one in before.replaced if one is not person]
        person.superseded_by = number
        if number:
            self.person(number).replaced.append(person)

    def survivor(self, person):
        """Whoever holds the number at the end of the chain of those that superseded a person's; in a circle, the person."""
        seen, at = [], person
        while at.superseded_by and not any(at is one for one in seen):
            seen.append(at)
            at = self.person(at.superseded_by)
        return person if at.superseded_by else at

    # Cohorts and wishes --------------------------------------------------------------------------------------------

    def cohort_row(self, row, order, today):
        """The latest date for a person and a label wins; of equal dates the later row."""
        number = nhs_number(row["NHS_NUMBER"])
        required(row, "COHORT_LABEL")
        one_of(row["ACTION"], {"JOIN", "LEAVE"}, "ACTION")
        when = past_day(row["DATE"], "DATE", today)
        memberships = self.person(number).memberships
        held = memberships.get(row["COHORT_LABEL"])
        if held is None or held[0] < (when, order):
            memberships[row["COHORT_LABEL"]] = ((when, order), row["ACTION"] == "JOIN")

    # Bookings ------------------------------------------------------------------------------------------------------

    def booking_row(self, row, today):
        """The latest of the created and cancelled times for a reference wins."""
        row = {name: str(row.get(name) or "") for name in feeds.BOOKINGS}
        number = nhs_number(row["NHS_NUMBER"])
        required(row, "BOOKING_REFERENCE_NUMBER")
        one_of(row["SERVICE"], VACCINES, "SERVICE")
        one_of(row["APPOINTMENT_STATUS"], {"BOOKED", "CANCELLED", "ATTENDED", "DNA"}, "APPOINTMENT_STATUS")
        appointment = moment(row["APPOINTMENT_DATE_TIME"], "APPOINTMENT_DATE_TIME")
        changed = past_moment(row["CREATED_DATE_TIME"], "CREATED_DATE_TIME", today)
        if row["CANCELLED_DATE_TIME"]:
            changed = max(changed, past_moment(row["CANCELLED_DATE_TIME"], "CANCELLED_DATE_TIME", today))
        born = past_day(row["DATE_OF_BIRTH"], "DATE_OF_BIRTH", today) if row["DATE_OF_BIRTH"] else None

        reference = row["BOOKING_REFERENCE_NUMBER"]
        self.person(number, born=born).bookings.add(reference)
        held = self.bookings.get(reference)
        if held is None or held.changed <= changed:
            self.bookings[reference] = Booking(
                number, row["SERVICE"], appointment.date(), row["APPOINTMENT_STATUS"], changed
            )

    # Vaccinations --------------------------------------------------------------------------------------------------

    def vaccination_row(self, row, vaccine, order, today):
        """NEW, UPDATE or DELETE of the record that the supplier calls UNIQUE_ID^UNIQUE_ID_URI."""
        flag = one_of(row["ACTION_FLAG"].strip().upper(), {"NEW", "UPDATE", "DELETE"}, "ACTION_FLAG")
        required(row, "UNIQUE_ID", "UNIQUE_ID_URI")
        identifier = f"{row['UNIQUE_ID']}^{row['UNIQUE_ID_URI']}"
        if flag == "DELETE":
            self.delete_immunisation(identifier, order)
            return
        required(
            row, "PERSON_FORENAME", "PERSON_SURNAME", "PERSON_DOB", "PERSON_GENDER_CODE", "PERSON_POSTCODE",
            "DATE_AND_TIME", "SITE_CODE", "RECORDED_DATE", "PRIMARY_SOURCE", "VACCINATION_PROCEDURE_CODE", "LOCATION_CODE",
        )
        number = nhs_number(row["NHS_NUMBER"]) if row["NHS_NUMBER"] else ""
        born = past_day(row["PERSON_DOB"], "PERSON_DOB", today)
        one_of(row["PERSON_GENDER_CODE"].lower(), GENDERS, "PERSON_GENDER_CODE")
        given = past_moment(row["DATE_AND_TIME"], "DATE_AND_TIME", today).date()
        past_day(row["RECORDED_DATE"], "RECORDED_DATE", today)
        if row["EXPIRY_DATE"]:
            day(row["EXPIRY_DATE"], "EXPIRY_DATE")
        one_of(row["PRIMARY_SOURCE"].lower(), {"true", "false"}, "PRIMARY_SOURCE")
        known = Immunisation(number, vaccine, given, order)
        self.put_immunisation(identifier, known, flag, born, row["PERSON_POSTCODE"])

    def put_immunisation(self, identifier, record, flag, born, postcode):
        """Creates or changes a record; either brings a deleted one back."""
        held = self.immunisations.get(identifier)
        if held and record.order and held.order.split("#")[0] > record.order.split("#")[0]:
            return  # an older file that arrives late
        if flag == "NEW" and held and not held.deleted:
            raise Rejected("the identifier is in use")
        if flag == "UPDATE" and not held:
            raise Rejected("there is no such record")
        if held and held.nhs_number:
            self.people[held.nhs_number].immunisations.discard(identifier)
        self.immunisations[identifier] = record
        if record.nhs_number:
            self.person(record.nhs_number, born, postcode).immunisations.add(identifier)

    def delete_immunisation(self, identifier, order):
        """Deletes a record that is there."""
        held = self.immunisations.get(identifier)
        if held and order and held.order.split("#")[0] > order.split("#")[0]:
            return
        if held is None or held.deleted:
            raise Rejected("there is no such record")
        held.deleted = True
        held.order = order

    def fhir_immunization(self, body, status):
        """A FHIR Immunization that the API acknowledged: 201 created, 200 changed, 204 deleted."""
        identifier = "{value}^{system}".format(**body["identifier"][0])
        if status == 204:
            self.delete_immunisation(identifier, "")
            return
        disease = [
            coding["code"]
            for protocol in body["protocolApplied"]
            for target in protocol["targetDisease"]
            for coding in target["coding"]
            if coding["system"] == "http://snomed.info/sct"
        ]
        patient = next(part for part in body["contained"] if part["resourceType"] == "Patient")
        names = [name for name in patient.get("identifier", []) if name["system"].endswith("/nhs-number")]
        number = nhs_number(names[0]["value"]) if names and names[0].get("value") else ""
        given = datetime.fromisoformat(body["occurrenceDateTime"].replace("Z", "+00:00"))
        if given.tzinfo:
            given = given.astimezone(LONDON)
        vaccine = DISEASES.get(disease[0], "other") if len(disease) == 1 else "other"
        self.put_immunisation(
            identifier,
            Immunisation(number, vaccine, given.date(), ""),
            "NEW" if status == 201 else "UPDATE",
            date.fromisoformat(patient["birthDate"]),
            patient["address"][0]["postalCode"],
        )

    # Asking --------------------------------------------------------------------------------------------------------

    def person(self, number, born=None, postcode=""):
        """The person with this NHS number; someone new has only what the row at hand gives."""
        if number not in self.people:
            self.people[number] = Person(number, born=born, postcode=postcode)
        return self.people[number]

    def doses(self, person, vaccine):
        """Days on which the person had the vaccine, in order; several records of one day are one dose."""
        records = (
            self.immunisations[identifier] for one in person.all_numbers() for identifier in one.immunisations
        )
        return sorted({record.given for record in records if record.vaccine == vaccine and not record.deleted})

    def appointments(self, person, vaccine):
        """The person's appointments for the vaccine, whatever their status."""
        for one in person.all_numbers():
            for reference in one.bookings:
                booking = self.bookings[reference]
                if booking.nhs_number == one.nhs_number and booking.service == vaccine:
                    yield booking

    def booked_on(self, person, vaccine):
        """The latest appointment that stands (not cancelled, attended or missed), or `None`."""
        held = self.appointments(person, vaccine)
        return max((booking.appointment for booking in held if booking.status == "BOOKED"), default=None)

    def had_appointment(self, person, vaccine, since):
        """Whether the person has or had an appointment on or after a day that was not cancelled."""
        held = self.appointments(person, vaccine)
        return any(booking.status != "CANCELLED" and booking.appointment >= since for booking in held)
