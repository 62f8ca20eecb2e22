"""The two campaigns' criteria, as a clinician would say them. Nothing here is read from the campaign files.

Age is reckoned at 31 March 2026, the end of the season. Someone whose date of birth is not known is in no cohort.
"""

from datetime import date, timedelta

SEASON_START = date(2025, 9, 1)
SEASON_END_YEAR = 2026


def aged(person, years):
    """Whether the person is of that age by 31 March 2026."""
    return person.born is not None and person.born <= date(SEASON_END_YEAR - years, 3, 31)


# Flu 2025 to 2026 ----------------------------------------------------------------------------------------------------


def flu_cohort(person, today):
    """The first flu cohort that the person belongs to, or `None`."""
    if aged(person, 65):
        return "flu_65_plus"
    six_months_ago = today - timedelta(weeks=26)
    if person.is_in("at_risk") and person.born is not None and person.born <= six_months_ago:
        return "at_risk"
    return None


def flu_not_now(doses, booked, today):
    """Why someone eligible need not be invited to a flu vaccination today, or `None`."""
    if any(given >= SEASON_START for given in doses):
        return "vaccinated this season"
    if booked is not None and booked >= today:
        return "booked"
    return None


# COVID-19 2025 to 2026: JCVI priority groups 1 to 9 -------------------------------------------------------------------


def covid_cohort(person, today):
    """The first COVID-19 cohort that the person belongs to, in the order of the JCVI's groups, or `None`."""
    adult = aged(person, 16)
    # Group 1
    if adult and person.is_in("care_home_residents"):
        return "care_home_residents"
    if adult and person.is_in("care_home_staff"):
        return "care_home_staff"
    # Group 2
    if aged(person, 80):
        return "covid_80_plus"
    if adult and person.is_in("health_social_care_staff"):
        return "health_social_care_staff"
    # Group 3
    if aged(person, 75):
        return "covid_75_plus"
    # Group 4
    if aged(person, 70):
        return "covid_70_plus"
    if adult and person.is_in("clinically_extremely_vulnerable"):
        return "clinically_extremely_vulnerable"
    # Group 5
    if aged(person, 65):
        return "covid_65_plus"
    # Group 6: at risk from 16 to 64, and carers
    if adult and person.is_in("at_risk"):
        return "at_risk"
    if adult and person.is_in("carers"):
        return "carers"
    # Groups 7, 8 and 9
    if aged(person, 60):
        return "covid_60_plus"
    if aged(person, 55):
        return "covid_55_plus"
    if aged(person, 50):
        return "covid_50_plus"
    return None


def covid_not_now(doses, booked, today):
    """Why someone eligible need not be invited to a COVID-19 vaccination today, or `None`."""
    if len([given for given in doses if given >= SEASON_START]) >= 2:
        return "course complete"
    if doses and doses[-1] > today - timedelta(days=56):
        return "last dose less than 8 weeks ago"
    if booked is not None and booked >= today:
        return "booked"
    return None


# campaign: (vaccine, cohort, why not now)
CRITERIA = {
    "flu-2025": ("FLU", flu_cohort, flu_not_now),
    "covid-2025": ("COVID", covid_cohort, covid_not_now),
}
