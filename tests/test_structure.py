"""The workspace keeps the shape that its documents describe.

- Crates depend on nothing that their row in shared/README.md forbids.
- Functions are wiring in main.rs and work in lib.rs, with a recorded event beside them, and are all in their README.
- Every test that infra/ARCHITECTURE.md names for an invariant exists.
- No function's role may change or delete what the audit table holds.
"""

import json
import os
import re
import subprocess
from fnmatch import fnmatch
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
FUNCTIONS = sorted(path.parent for path in ROOT.glob("functions/*/Cargo.toml"))

AWS = ["aws-*", "aws_*", "lambda_*", "lambda-*"]
ASYNC = ["tokio", "tokio-*", "futures", "futures-*", "async-*", "reqwest", "hyper"]

# What a crate must not depend on, itself or through another crate of the workspace.
FORBIDDEN = {
    "ims-domain": [*AWS, *ASYNC, "serde_json", "ims-*"],
    "ims-eligibility": [*AWS, *ASYNC, "arrow", "parquet"],
    "ims-uptake": [*AWS, *ASYNC],
    "ims-planning": [*AWS, *ASYNC, "serde_json", "rand*", "ims-store", "ims-snapshot", "ims-decision"],
    "ims-fhir": [*AWS, *ASYNC, "ims-store"],
    "ims-snapshot": [*AWS, "serde_dynamo", "ims-store"],
    "ims-store": ["ims-eligibility", "ims-snapshot", "ims-decision", "arrow", "parquet"],
    "ims-messaging": ["ims-eligibility", "ims-snapshot", "ims-decision", "ims-store", "aws-sdk-dynamodb"],
    "ims-contact": [*AWS, "ims-store", "ims-eligibility", "ims-decision"],
    "ims-runtime": ["ims-eligibility", "ims-decision", "ims-contact"],
}

# `crate::module::test` or `path/file.py::test`
NAMED = re.compile(r"`((?:[a-z0-9_]+::)+[a-z0-9_]+|[\w/]+\.py::test_\w+)`")
RUST_TEST = re.compile(r"#\[(?:tokio::)?test\b[^\]]*\]\s*(?:(?:#\[[^\]]*\]|//[^\n]*)\s*)*(?:async\s+)?fn\s+(\w+)")


def cargo_metadata():
    command = [os.environ.get("CARGO", "cargo"), "metadata", "--format-version", "1", "--no-deps"]
    # Offline first: it changes no lock file and waits for no network.
    for flags in (["--locked", "--offline"], []):
        done = subprocess.run(command + flags, cwd=ROOT, capture_output=True, text=True, check=False)
        if done.returncode == 0:
            return json.loads(done.stdout)
    raise AssertionError(done.stderr)


@pytest.fixture(scope="module")
def packages():
    return {package["name"]: package for package in cargo_metadata()["packages"]}


def dependencies(packages, name):
    """Names that a crate depends on to be built, with the crates of the workspace followed through; each with its path."""
    found, waiting = {}, [(name, name)]
    while waiting:
        crate, path = waiting.pop()
        for dependency in packages[crate]["dependencies"]:
            needed = dependency["name"]
            if dependency["kind"] != "dev" and needed not in found:
                found[needed] = f"{path} -> {needed}"
                if needed in packages:
                    waiting.append((needed, found[needed]))
    return found


@pytest.mark.parametrize("crate", FORBIDDEN)
def test_a_crate_does_not_know_what_its_row_forbids(packages, crate):
    found = dependencies(packages, crate)
    assert [path for name, path in found.items() if any(fnmatch(name, rule) for rule in FORBIDDEN[crate])] == []


def test_forbidden_dependencies_are_found_through_other_crates(packages):
    assert any(fnmatch(name, rule) for rule in AWS for name in dependencies(packages, "ims-decision"))


def folders_in_table(readme):
    return set(re.findall(r"^\| \[?`([a-z-]+)`", readme.read_text(), re.MULTILINE))


@pytest.mark.parametrize("kind", ["functions", "shared"])
def test_every_crate_is_in_the_table_and_nothing_else(kind):
    there = {path.parent.name for path in ROOT.glob(f"{kind}/*/Cargo.toml")}
    assert folders_in_table(ROOT / kind / "README.md") == there


@pytest.mark.parametrize("function", FUNCTIONS, ids=lambda path: path.name)
def test_a_functions_main_is_wiring(function):
    assert len((function / "src/main.rs").read_text().splitlines()) < 40
    assert (function / "src/lib.rs").is_file()


@pytest.mark.parametrize("function", FUNCTIONS, ids=lambda path: path.name)
def test_a_function_has_a_fixture_that_is_read_by_a_test(function):
    fixtures = sorted(path.name for path in (function / "fixtures").glob("*.json"))
    assert fixtures, f"no event in {(function / 'fixtures').relative_to(ROOT)}"
    code = "".join(path.read_text() for path in (function / "src").rglob("*.rs"))
    # With its ending, or without where a macro adds it.
    assert [name for name in fixtures if name not in code and f'"{name.removesuffix(".json")}"' not in code] == []


def invariants():
    """Rows of the table of invariants: number, and the tests named in it."""
    text = (ROOT / "infra/ARCHITECTURE.md").read_text()
    section = re.split(r"^## ", text.split("\n## Invariants\n", 1)[1], flags=re.MULTILINE)[0]
    rows = re.findall(r"^\| (\d+) \|(.*)\|$", section, re.MULTILINE)
    return {int(number): NAMED.findall(row) for number, row in rows}


def is_there(packages, named):
    """Whether a test of this name is in the file that its path tells of."""
    if ".py::" in named:
        path, test = named.split("::")
        path = ROOT / path
        return path.is_file() and re.search(rf"^def {test}\(", path.read_text(), re.MULTILINE) is not None
    crate, *modules, test = named.split("::")
    folders = {name.replace("-", "_"): Path(package["manifest_path"]).parent for name, package in packages.items()}
    assert crate in folders, f"there is no crate {crate}"
    way = "/".join(module for module in modules if module != "tests") or "lib"
    # Unit tests of a crate may have files of their own under src/tests.
    files = [
        folders[crate] / place
        for place in (f"src/{way}.rs", f"src/{way}/mod.rs", f"src/{way}/tests.rs", f"src/tests/{way}.rs", f"tests/{way}.rs", f"e2e/{way}.rs", f"{way}.rs", "src/tests.rs")
    ]
    return any(path.is_file() and test in RUST_TEST.findall(path.read_text()) for path in files)


def test_every_invariant_has_a_row_with_tests():
    assert sorted(invariants()) == list(range(1, 9))
    assert [number for number, tests in invariants().items() if not tests] == []


@pytest.mark.parametrize("number", range(1, 9))
def test_the_tests_named_for_an_invariant_exist(packages, number):
    assert [named for named in invariants()[number] if not is_there(packages, named)] == []


def test_a_test_that_is_not_there_is_missed(packages):
    assert is_there(packages, "ims_runtime::settings::a_sandbox_stays_on_this_computer")
    for wrong in [
        "ims_runtime::settings::is_loopback",
        "ims_runtime::clock::a_sandbox_stays_on_this_computer",
        "tests/test_structure.py::test_nothing",
    ]:
        assert not is_there(packages, wrong), wrong


def test_no_role_may_change_the_audit_trail():
    statements = [line for line in (ROOT / "infra/template.yaml").read_text().splitlines()
                  if "Effect: Allow" in line and "AuditTable.Arn" in line]
    assert statements, "no function may write the audit trail"
    for line in statements:
        actions = set(re.search(r"Action: \[([^\]]*)\]", line).group(1).replace(" ", "").split(","))
        assert actions <= {"dynamodb:PutItem", "dynamodb:Query"}, line.strip()
