"""Made-up people and records. NHS numbers are of the range 999, which belongs to nobody."""

import random

NHS_NUMBER = "https://fhir.nhs.uk/Id/nhs-number"
SNOMED = "http://snomed.info/sct"
ODS = "https://fhir.nhs.uk/Id/ods-organization-code"
PROCEDURE = "https://fhir.hl7.org.uk/StructureDefinition/Extension-UKCore-VaccinationProcedure"

# Vaccine types that the pack can make records of: diseases (code, words), and a procedure.
DISEASES = {
    "FLU": [("6142004", "Influenza")],
    "COVID": [("840539006", "COVID-19")],
    "RSV": [("55735004", "Respiratory syncytial virus infection")],
    "HPV": [("240532009", "Human papillomavirus infection")],
    "MMR": [("14189004", "Measles"), ("36989005", "Mumps"), ("36653000", "Rubella")],
    "SHINGLES": [("4740000", "Shingles")],
    "PNEUMOCOCCAL": [("16814004", "Pneumococcal infectious disease")],
}
COLUMNS = (
    "NHS_NUMBER|PERSON_FORENAME|PERSON_SURNAME|PERSON_DOB|PERSON_GENDER_CODE|PERSON_POSTCODE|DATE_AND_TIME|SITE_CODE|"
    "SITE_CODE_TYPE_URI|UNIQUE_ID|UNIQUE_ID_URI|ACTION_FLAG|PERFORMING_PROFESSIONAL_FORENAME|PERFORMING_PROFESSIONAL_SURNAME|"
    "RECORDED_DATE|PRIMARY_SOURCE|VACCINATION_PROCEDURE_CODE|VACCINATION_PROCEDURE_TERM|DOSE_SEQUENCE|VACCINE_PRODUCT_CODE|"
    "VACCINE_PRODUCT_TERM|VACCINE_MANUFACTURER|BATCH_NUMBER|EXPIRY_DATE|SITE_OF_VACCINATION_CODE|SITE_OF_VACCINATION_TERM|"
    "ROUTE_OF_VACCINATION_CODE|ROUTE_OF_VACCINATION_TERM|DOSE_AMOUNT|DOSE_UNIT_CODE|DOSE_UNIT_TERM|INDICATION_CODE|"
    "LOCATION_CODE|LOCATION_CODE_TYPE_URI"
).split("|")


def nhs_number():
    """A valid number of the range 999."""
    while True:
        digits = f"999{random.randrange(10**6):06}"
        check = 11 - sum(int(digit) * (10 - place) for place, digit in enumerate(digits)) % 11
        if check != 10:
            return digits + str(check % 11)


def record(vaccine, number, system, value, day, site="X99999"):
    """A record that the API takes."""
    return {
        "resourceType": "Immunization",
        "contained": [
            {
                "resourceType": "Patient",
                "id": "Pat1",
                "identifier": [{"system": NHS_NUMBER, "value": number}],
                "name": [{"family": "Testpack", "given": ["Madeup"]}],
                "gender": "unknown",
                "birthDate": "1950-02-28",
                "address": [{"postalCode": "ZZ99 3WZ"}],
            }
        ],
        "extension": [
            {
                "url": PROCEDURE,
                "valueCodeableConcept": {"coding": [{"system": SNOMED, "code": "822851000000102", "display": "Vaccination"}]},
            }
        ],
        "identifier": [{"system": system, "value": value}],
        "status": "completed",
        "vaccineCode": {"coding": [{"system": SNOMED, "code": "34680411000001107", "display": "A vaccine"}]},
        "patient": {"reference": "#Pat1"},
        "occurrenceDateTime": f"{day}T10:00:00+00:00",
        "recorded": day,
        "primarySource": True,
        "location": {"identifier": {"system": ODS, "value": site}},
        "performer": [{"actor": {"type": "Organization", "identifier": {"system": ODS, "value": site}}}],
        "protocolApplied": [
            {
                "targetDisease": [
                    {"coding": [{"system": SNOMED, "code": code, "display": words}]} for code, words in DISEASES[vaccine]
                ],
                "doseNumberPositiveInt": 1,
            }
        ],
    }


def row(number, system, value, day, **changes):
    """A row of a batch file, by column."""
    compact = day.replace("-", "")
    fields = {
        "NHS_NUMBER": number,
        "PERSON_FORENAME": "Madeup",
        "PERSON_SURNAME": "Testpack",
        "PERSON_DOB": "19500228",
        "PERSON_GENDER_CODE": "0",
        "PERSON_POSTCODE": "ZZ99 3WZ",
        "DATE_AND_TIME": f"{compact}T10000000",
        "SITE_CODE": "X99999",
        "SITE_CODE_TYPE_URI": ODS,
        "UNIQUE_ID": value,
        "UNIQUE_ID_URI": system,
        "ACTION_FLAG": "NEW",
        "RECORDED_DATE": compact,
        "PRIMARY_SOURCE": "TRUE",
        "VACCINATION_PROCEDURE_CODE": "822851000000102",
        "VACCINATION_PROCEDURE_TERM": "Vaccination",
        "DOSE_SEQUENCE": "1",
        "LOCATION_CODE": "X99999",
        "LOCATION_CODE_TYPE_URI": ODS,
        **changes,
    }
    return "|".join(f'"{fields.get(name, "")}"' for name in COLUMNS)
