"""The four feeds: what their files are called, their columns, and how a file is cut into rows."""

import csv
import io
import re

VACCINATIONS = """NHS_NUMBER PERSON_FORENAME PERSON_SURNAME PERSON_DOB PERSON_GENDER_CODE PERSON_POSTCODE DATE_AND_TIME
SITE_CODE SITE_CODE_TYPE_URI UNIQUE_ID UNIQUE_ID_URI ACTION_FLAG PERFORMING_PROFESSIONAL_FORENAME
PERFORMING_PROFESSIONAL_SURNAME RECORDED_DATE PRIMARY_SOURCE VACCINATION_PROCEDURE_CODE VACCINATION_PROCEDURE_TERM
DOSE_SEQUENCE VACCINE_PRODUCT_CODE VACCINE_PRODUCT_TERM VACCINE_MANUFACTURER BATCH_NUMBER EXPIRY_DATE
SITE_OF_VACCINATION_CODE SITE_OF_VACCINATION_TERM ROUTE_OF_VACCINATION_CODE ROUTE_OF_VACCINATION_TERM DOSE_AMOUNT
DOSE_UNIT_CODE DOSE_UNIT_TERM INDICATION_CODE LOCATION_CODE LOCATION_CODE_TYPE_URI""".split()

DEMOGRAPHICS = """RECORD_TYPE CHANGE_TIME_STAMP SERIAL_CHANGE_NUMBER NHS_NUMBER SUPERSEDED_BY_NHS_NUMBER
PRIMARY_CARE_PROVIDER GIVEN_NAME FAMILY_NAME DATE_OF_BIRTH GENDER ADDRESS_LINE_1 ADDRESS_LINE_2 ADDRESS_LINE_3
ADDRESS_LINE_4 ADDRESS_LINE_5 POSTCODE LSOA MSOA SUB_ICB ICB REGION IMD_DECILE ETHNIC_CATEGORY REASON_FOR_REMOVAL
REASON_FOR_REMOVAL_FROM DATE_OF_DEATH DEATH_STATUS TELEPHONE_NUMBER MOBILE_NUMBER EMAIL_ADDRESS PREFERRED_LANGUAGE
IS_INTERPRETER_REQUIRED RESTRICTED INVALID_FLAG""".split()

COHORTS = "NHS_NUMBER COHORT_LABEL ACTION DATE SOURCE".split()

BOOKINGS = """ODS_CODE NHS_NUMBER APPOINTMENT_DATE_TIME APPOINTMENT_STATUS SELF_REFERRAL SOURCE DATE_OF_BIRTH
BOOKING_REFERENCE_NUMBER SERVICE CREATED_DATE_TIME LATITUDE LONGITUDE SITE_NAME REGION ICB BOOKING_SYSTEM
CANCELLED_DATE_TIME CANCELLATION_REASON SITE_TYPE BATCH_SIZE""".split()

NAMES = {
    "vaccinations": re.compile(r"([A-Z0-9]+)_VACCINATIONS_V5_[A-Z0-9]+_(\d{8}T\d{6})\d\d\.(?:CSV|DAT)"),
    "demographics": re.compile(r"(DEMOGRAPHICS)_V1_[A-Z0-9]+_(\d{8}T\d{6})00\.CSV"),
    "cohorts": re.compile(r"(COHORTS)_V1_[A-Z0-9]+_(\d{8}T\d{6})00\.CSV"),
    "bookings": re.compile(r"(BOOKINGS)_V1_[A-Z0-9]+_(\d{8}T\d{6})00\.CSV"),
}
COLUMNS = {"vaccinations": VACCINATIONS, "demographics": DEMOGRAPHICS, "cohorts": COHORTS, "bookings": BOOKINGS}


def feed_of(file_name):
    """(feed, vaccine or nothing, time in the name), or `None` where the name says no feed."""
    for feed, pattern in NAMES.items():
        match = pattern.fullmatch(file_name.upper())
        if match:
            return feed, match[1] if feed == "vaccinations" else "", match[2]
    return None


def rows(feed, content):
    """The rows of a file as dictionaries (`None` for a row with the wrong number of fields), or `None` for a bad header."""
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError:
        text = content.decode("cp1252", errors="replace")
    lines = csv.reader(io.StringIO(text, newline=""), delimiter="|" if feed == "vaccinations" else ",")
    columns = COLUMNS[feed]
    if next(lines, None) != columns:
        return None
    return (dict(zip(columns, line)) if len(line) == len(columns) else None for line in lines if line)
