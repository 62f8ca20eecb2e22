"""A trivial function, and what the tests ask of it."""

import json
import os
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from process_executor.environment import Environment, Function, Outcome

PROGRAM = Path(__file__).with_name("function.py")


@pytest.fixture
def code(tmp_path: Path) -> Path:
    """A function's folder, with a program that is executable."""
    folder = tmp_path / "code"
    folder.mkdir()
    bootstrap = folder / "bootstrap"
    bootstrap.write_text(f"#!{sys.executable} -IS\n{PROGRAM.read_text()}")
    bootstrap.chmod(0o755)
    return folder


@pytest.fixture
def environment(code: Path) -> Iterator[Callable[..., Environment]]:
    """Makes environments, and stops them at the end."""
    made: list[Environment] = []

    def make(timeout: float = 10, variables: dict[str, str] | None = None, **more: Any) -> Environment:  # noqa: ANN401
        made.append(Environment(Function(code=code, variables=variables or {}, timeout=timeout, **more)))
        return made[-1]

    yield make
    for one in made:
        one.stop()


def ask(environment: Environment, request_id: str = "r-1", **event: object) -> Outcome:
    """Invokes with an event."""
    return environment.invoke(request_id, "arn:aws:lambda:eu-west-2:000000000000:function:f", "Root=1", dump(event))


def dump(event: object) -> bytes:
    """JSON."""
    return json.dumps(event).encode()


def read(outcome: Outcome) -> Any:  # noqa: ANN401
    """What a function answered."""
    return json.loads(outcome.payload)


def alive(pid: int) -> bool:
    """Whether a process runs: one that only waits to be collected does not."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    stat = Path(f"/proc/{pid}/stat")
    return not (stat.exists() and stat.read_text().rpartition(")")[2].split()[0] in "ZX")


def until(condition: Callable[[], bool], seconds: float = 10) -> bool:
    """Waits for something to come true; whether it did."""
    end = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > end:
            return False
        time.sleep(0.01)
    return True
