"""The published schemas of campaigns and contact plans: they fit the committed files, and find the mistakes that a schema can.

What is seeded is in `shared/eligibility/tests/mistakes.json` and `plan-mistakes.json`; the validator's own tests read them too.
"""

import copy
import json
from pathlib import Path

import pytest
from jsonschema import Draft202012Validator

ROOT = Path(__file__).resolve().parent.parent
SCHEMAS = ROOT / "shared/eligibility/schema"
SEEDED = ROOT / "shared/eligibility/tests"
CAMPAIGNS = ROOT / "tests/campaigns"


def read(path):
    return json.loads(path.read_text())


def validator(name):
    schema = read(SCHEMAS / f"{name}.schema.json")
    Draft202012Validator.check_schema(schema)
    return Draft202012Validator(schema)


def steps(pointer):
    return [int(step) if step.isdigit() else step for step in pointer.split("/")[1:]]


def seeded(good, mistake):
    wrong = copy.deepcopy(good)
    *way, last = steps(mistake["pointer"])
    parent = wrong
    for step in way:
        parent = parent[step]
    parent[last] = mistake["value"]
    return wrong


def cases():
    plans = read(SEEDED / "plan-mistakes.json")
    for mistake in read(SEEDED / "mistakes.json"):
        yield "campaign", "flu.json", mistake
    for mistake in plans["together"] + plans["alone"]:
        yield "contact-plan", "mmr.plan.json", mistake


@pytest.mark.parametrize("path", sorted(CAMPAIGNS.glob("*.json")), ids=lambda path: path.name)
def test_a_committed_file_fits_its_schema(path):
    name = "contact-plan" if path.name.endswith(".plan.json") else "campaign"
    assert [error.message for error in validator(name).iter_errors(read(path))] == []


@pytest.mark.parametrize(("schema", "file", "mistake"), list(cases()), ids=lambda value: value["pointer"] if isinstance(value, dict) else None)
def test_a_seeded_mistake_is_found_where_a_schema_can(schema, file, mistake):
    errors = list(validator(schema).iter_errors(seeded(read(CAMPAIGNS / file), mistake)))
    if not mistake["schema"]:
        assert [error.message for error in errors] == [], "a schema finds it after all"
        return
    where = steps(mistake["pointer"])
    paths = [list(error.absolute_path) for error in errors]
    # A member that is missing or not known is an error of the object that it is in.
    assert paths, "not found"
    assert all(path in (where, where[:-1], where[:-1] + where[-1:] + [0]) for path in paths), paths
