"""Nothing is left when whoever started functions has gone, however it went."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from conftest import alive, until

HOST = """
import sys, time
from pathlib import Path
from process_executor.environment import Environment, Function
from process_executor.keeper import KEEPER
made = [Environment(Function(code=Path(sys.argv[1]), variables={}, timeout=60)) for _ in range(3)]
for one in made:
    one.start()
made[0].stop()
print(*(one.process_id for one in made[1:]), KEEPER.process_id, flush=True)
if sys.argv[2] == "kill-keeper":
    import os, signal
    os.kill(KEEPER.process_id, signal.SIGKILL)
    while KEEPER.process_id is not None:
        time.sleep(0.01)
    more = Environment(Function(code=Path(sys.argv[1]), variables={}, timeout=60))
    more.start()
    print(more.process_id, KEEPER.process_id, flush=True)
time.sleep(600 if sys.argv[2] != "end" else 0)
"""


def host(code: Path, how: str) -> subprocess.Popen[str]:
    source = Path(__file__).parents[1] / "src"
    return subprocess.Popen(
        [sys.executable, "-c", HOST, str(code), how], stdout=subprocess.PIPE, text=True, env={"PYTHONPATH": str(source)}
    )


def told(process: subprocess.Popen[str]) -> list[int]:
    assert process.stdout is not None
    return [int(word) for word in process.stdout.readline().split()]


@pytest.mark.parametrize("how", ["kill", "terminate", "end"])
def test_no_function_and_no_keeper_is_left(code: Path, how: str) -> None:
    process = host(code, how)
    started = told(process)
    assert len(started) == 3
    if how != "end":
        assert all(alive(pid) for pid in started)
        process.send_signal(signal.SIGKILL if how == "kill" else signal.SIGTERM)
    process.wait(10)
    assert until(lambda: not any(alive(pid) for pid in started))


def test_a_new_keeper_knows_of_all(code: Path) -> None:
    process = host(code, "kill-keeper")
    started = told(process) + told(process)
    process.kill()
    process.wait(10)
    assert until(lambda: not any(alive(pid) for pid in started))


def test_a_signal_to_the_keeper_is_no_end(code: Path) -> None:
    process = host(code, "kill")
    *functions, keeper = told(process)
    os.kill(keeper, signal.SIGTERM)
    time.sleep(0.1)
    assert alive(keeper) and all(alive(pid) for pid in functions)
    process.kill()
    process.wait(10)
    assert until(lambda: not any(alive(pid) for pid in [keeper, *functions]))
