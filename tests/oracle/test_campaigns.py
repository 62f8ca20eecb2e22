"""The campaign files and the oracle's plain criteria are two statements of one thing; here they are held together.

The few rules that the files use are read by a small interpreter of their own, and both answers are compared for people
around every age limit, label and date.
"""

import json
import re
from datetime import date, datetime, timedelta
from itertools import product

import pytest

from . import criteria
from .register import Person
from .samples import CAMPAIGNS

TODAY = date(2025, 12, 8)
FILES = ["flu", "covid"]
LABELS = "at_risk clinically_extremely_vulnerable care_home_residents care_home_staff health_social_care_staff carers".split()


def config(name):
    return json.loads((CAMPAIGNS / f"{name}.json").read_text())["CampaignConfig"]


def plan(name):
    return json.loads((CAMPAIGNS / f"{name}.plan.json").read_text())


def holds(rule, facts):
    """Whether a rule's condition holds for the facts (attribute -> text)."""
    value, missing = re.fullmatch(r"(.*?)\[\[NVL:(.*)\]\]", rule["Comparator"]).groups()
    fact = facts.get(rule["AttributeName"]) or missing
    unit, relation = re.fullmatch(r"([DWY]?)([<>]=?)", rule["Operator"]).groups()
    if unit:
        days = {"D": 1, "W": 7}[unit] * int(value)
        left, right = datetime.strptime(fact, "%Y%m%d").date(), TODAY + timedelta(days=days)
    else:
        left, right = int(fact), int(value)
    return {"<": left < right, "<=": left <= right, ">": left > right, ">=": left >= right}[relation]


def applies(rules, kind, label, facts):
    """Rules of one priority are joined by AND, different priorities by OR."""
    groups = {}
    for rule in rules:
        if rule["Type"] == kind and label in rule.get("CohortLabel", label).split(","):
            groups.setdefault(rule["Priority"], []).append(holds(rule, facts))
    return any(all(group) for group in groups.values())


def by_the_file(iteration, labels, facts):
    """(best cohort or `None`, whether an S rule says not now)."""
    for cohort in sorted(iteration["IterationCohorts"], key=lambda cohort: cohort["Priority"]):
        label = cohort["CohortLabel"]
        member = cohort["Virtual"] == "Y" or label in labels
        if member and not applies(iteration["IterationRules"], "F", label, facts):
            return label, applies(iteration["IterationRules"], "S", label, facts)
    return None, None


def around(*days):
    return [day + timedelta(days=by) for day in days for by in (-1, 0, 1)]


BORN = [None, *around(*(date(year, 3, 31) for year in range(1940, 2012)), TODAY - timedelta(weeks=26))]
DOSES = [[], *([given] for given in around(date(2025, 9, 1), TODAY - timedelta(days=56))),
         [date(2025, 9, 1), date(2025, 9, 20)], [date(2025, 8, 31), date(2025, 9, 1)], [date(2024, 10, 1), date(2025, 8, 31)]]
BOOKED = [None, *around(TODAY)]


@pytest.mark.parametrize("name", FILES)
@pytest.mark.parametrize("label", ["", *LABELS])
def test_the_file_and_the_plain_criteria_agree(name, label):
    campaign, iteration = plan(name)["campaign"], config(name)["Iterations"][0]
    _, cohort_of, not_now = criteria.CRITERIA[campaign]
    people = [*product(BORN, [[]], [None]), *product([date(1940, 1, 1), date(1970, 1, 1)], DOSES, BOOKED)]
    for born, doses, booked in people:
        facts = {
            "DATE_OF_BIRTH": born and f"{born:%Y%m%d}",
            "LAST_SUCCESSFUL_DATE": doses and f"{doses[-1]:%Y%m%d}",
            "VALID_DOSES_COUNT": str(sum(given >= date(2025, 9, 1) for given in doses)),
            "BOOKED_APPOINTMENT_DATE": booked and f"{booked:%Y%m%d}",
        }
        person = Person("", born=born, memberships={label: ("", True)})
        cohort, stopped = by_the_file(iteration, {label}, facts)
        assert cohort_of(person, TODAY) == cohort, (born, label)
        if cohort:
            assert bool(not_now(doses, booked, TODAY)) == stopped, (doses, booked)


@pytest.mark.parametrize("name", FILES)
def test_configurations_keep_the_field_table(name):
    campaign = config(name)
    assert re.fullmatch(r"\d{8}", campaign["StartDate"]) and campaign["StartDate"] < campaign["EndDate"]
    assert campaign["Type"] in "VS" and campaign["IterationFrequency"] in "XDWMQA" and campaign["IterationType"] in "AMSO"
    for iteration in campaign["Iterations"]:
        assert iteration["ApprovalMinimum"] <= iteration["ApprovalMaximum"]
        for routing in ("DefaultCommsRouting", "DefaultNotEligibleRouting", "DefaultNotActionableRouting"):
            assert set(iteration[routing].split("|")) <= set(iteration["ActionsMapper"])
        labels = [cohort["CohortLabel"] for cohort in iteration["IterationCohorts"]]
        assert len(labels) == len(set(labels))
        assert all(cohort["CohortGroup"] and cohort["Virtual"] in "YN" for cohort in iteration["IterationCohorts"])
        for rule in iteration["IterationRules"]:
            mandatory = {"Type", "Name", "Description", "Operator", "Comparator", "AttributeLevel", "Priority"}
            assert mandatory <= set(rule)
            assert rule["AttributeLevel"] == "PERSON" or rule["AttributeTarget"] == campaign["Target"]
            assert rule["Type"] in "FS" and set(rule.get("CohortLabel", labels[0]).split(",")) <= set(labels)


@pytest.mark.parametrize("name", FILES)
def test_plans_fit_their_configurations(name):
    campaign, contact = config(name), plan(name)
    assert (contact["campaign"], contact["programme"], contact["schema"]) == (campaign["ID"], campaign["Target"], 1)
    assert contact["steps"][0] == {"step": "invite", "after_days": 0}
    labels = {cohort["CohortLabel"] for cohort in campaign["Iterations"][0]["IterationCohorts"]}
    days = [wave["on"] for wave in contact["waves"]]
    assert days == sorted(days) and campaign["StartDate"] <= days[0].replace("-", "")
    assert all(set(wave["cohorts"]) <= labels for wave in contact["waves"])
    limited = [label for wave in contact["waves"] for label in wave["cohorts"]]
    assert not limited or sorted(limited) == sorted(labels)
