"""An execution environment: what a function sees, and what its callers see of its failures."""

import os
import signal
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from conftest import alive, ask, dump, read, until
from process_executor.environment import Environment
from process_executor.session import InitError

Make = Callable[..., Environment]


def test_one_process_takes_one_invocation_after_another(environment: Make, code: Path) -> None:
    one = environment(timeout=7)
    one.start()
    before = time.time()
    first, second = read(ask(one, do="who")), read(ask(one, "r-2", do="who"))
    assert first["pid"] == second["pid"] == one.process_id
    assert first["cwd"] == str(code)
    assert before + 7 <= int(first["deadline"]) / 1000 + 0.001 <= time.time() + 7
    assert read(ask(one, "r-3", text="ä")) == {"text": "ä"}


def test_a_function_may_fail_and_go_on(environment: Make) -> None:
    one = environment()
    one.start()
    pid = one.process_id
    failed = ask(one, do="fail")
    assert failed.failed and read(failed) == {"errorType": "Wrong", "errorMessage": "as asked"}
    assert not ask(one, "r-2").failed and one.process_id == pid


@pytest.mark.parametrize(
    ("status", "how"),
    [(0, "Runtime exited without providing a reason"), (7, "Runtime exited with error: exit status 7")],
)
def test_a_crash_in_mid_invocation_fails_it_and_the_next_gets_a_new_process(
    environment: Make, status: int, how: str
) -> None:
    one = environment()
    one.start()
    pid = one.process_id
    crashed = ask(one, do="crash", status=status)
    assert crashed.failed
    assert read(crashed) == {"errorType": "Runtime.ExitError", "errorMessage": f"RequestId: r-1 Error: {how}"}
    assert "about to crash\nEND RequestId: r-1" in crashed.log
    after = read(ask(one, "r-2", do="who"))
    assert after["pid"] == one.process_id != pid


def test_killed_in_mid_invocation_says_so(environment: Make) -> None:
    one = environment()
    one.start()
    pid = one.process_id
    assert pid is not None
    threading.Timer(0.2, os.kill, (pid, signal.SIGKILL)).start()
    killed = ask(one, do="sleep", seconds=60)
    assert killed.failed and "signal: killed" in read(killed)["errorMessage"]


def test_killed_while_idle_loses_nothing(environment: Make) -> None:
    """The request for work of the process that died must not swallow the next invocation."""
    one = environment()
    one.start()
    for number in range(5):
        pid = one.process_id
        assert pid is not None
        os.kill(pid, signal.SIGKILL)
        assert until(lambda pid=pid: one.process_id != pid)
        assert read(ask(one, f"r-{number}", number=number)) == {"number": number}


def test_too_long_is_ended(environment: Make) -> None:
    one = environment(timeout=0.3)
    one.start()
    pid = one.process_id
    assert pid is not None
    late = ask(one, do="sleep", seconds=60)
    message = "RequestId: r-1 Error: Task timed out after 0.30 seconds"
    assert late.failed and read(late) == {"errorType": "Sandbox.Timedout", "errorMessage": message}
    assert not alive(pid)
    assert read(ask(one, "r-2", fine=1)) == {"fine": 1}


def test_an_init_error_is_what_callers_are_given(environment: Make) -> None:
    one = environment(variables={"INIT": "error"})
    with pytest.raises(InitError) as raised:
        one.start()
    assert raised.value.payload == dump({"errorType": "Extension.Nothing", "errorMessage": "no table"})
    assert one.process_id is None


def test_an_exit_before_the_first_request_for_work_is_an_init_error(environment: Make) -> None:
    with pytest.raises(InitError, match="exit status 3"):
        environment(variables={"INIT": "exit"}).start()


def test_a_start_that_hangs_is_ended(environment: Make) -> None:
    one = environment(variables={"INIT": "hang"}, init_timeout=0.3)
    with pytest.raises(InitError, match=r"no request for work in 0\.30 seconds"):
        one.start()
    assert one.process_id is None


def test_a_start_again_that_fails_fails_the_invocation(environment: Make, code: Path) -> None:
    one = environment(variables={"INIT": "late"})
    one.start()
    ask(one, do="crash", status=1)
    (code / "crashed").touch()
    again = ask(one, "r-2")
    assert again.failed and "exit status 4" in read(again)["errorMessage"]
    (code / "crashed").unlink()
    assert not ask(one, "r-3").failed


@pytest.mark.parametrize("missing", [True, False])
def test_a_program_that_cannot_run_is_an_init_error(environment: Make, code: Path, missing: bool) -> None:
    bootstrap = code / "bootstrap"
    bootstrap.unlink()
    if not missing:
        bootstrap.write_text("no program")
    with pytest.raises(InitError, match=r"Runtime\.InvalidEntrypoint"):
        environment().start()


def test_a_program_without_the_right_to_run_is_given_it(environment: Make, code: Path) -> None:
    (code / "bootstrap").chmod(0o644)
    environment().start()


def test_fifty_at_once(environment: Make) -> None:
    """Fifty environments, each with an invocation that is over only when all have begun."""
    begun = threading.Barrier(50)

    def one(number: int) -> tuple[int, object]:
        mine = environment(timeout=60, init_timeout=60)
        mine.start()
        begun.wait(60)
        answers = [read(ask(mine, f"r-{number}-{turn}", number=number, turn=turn)) for turn in range(5)]
        assert answers == [{"number": number, "turn": turn} for turn in range(5)]
        return number, mine.process_id

    with ThreadPoolExecutor(50) as pool:
        found = dict(pool.map(one, range(50)))
    assert sorted(found) == list(range(50))
    assert len(set(found.values())) == 50


def test_six_megabytes_there_and_back(environment: Make) -> None:
    one = environment()
    one.start()
    text = "ü" * (3 * 1024 * 1024 - 20)
    payload = f'{{"text":"{text}"}}'.encode()
    assert 6_291_400 < len(payload) <= 6 * 1024 * 1024
    answer = one.invoke("r-1", "arn", "Root=1", payload)
    assert not answer.failed and answer.payload == payload


def test_more_than_an_answer_may_have_is_refused(environment: Make) -> None:
    one = environment(max_payload=1000)
    one.start()
    assert not ask(one, do="long", bytes=998).failed
    long = ask(one, "r-2", do="long", bytes=999)
    assert long.failed and read(long)["errorType"] == "Function.ResponseSizeTooLarge"
    assert not ask(one, "r-3").failed


def test_an_answer_in_parts_is_put_together(environment: Make) -> None:
    one = environment()
    one.start()
    assert read(ask(one, do="chunked")) == {"in": "parts"}
    assert read(ask(one, "r-2", again=1)) == {"again": 1}


def test_an_answer_to_somebody_elses_request_is_refused(environment: Make) -> None:
    one = environment()
    one.start()
    refused = read(ask(one, do="other"))
    assert refused["status"] == 400 and refused["said"]["errorType"] == "InvalidRequestID"


def test_nothing_of_the_host_is_seen(environment: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("SECRET_OF_THE_HOST", "AWS_PROFILE", "AWS_SECRET_ACCESS_KEY", "HTTPS_PROXY", "PYTHONPATH", "PATH"):
        monkeypatch.setenv(name, f"secret:{os.environ.get(name, '')}")
    monkeypatch.setenv("HOME", "/home/of-the-host")
    one = environment(variables={"IMS_STAGE": "sandbox", "AWS_ENDPOINT_URL": "http://127.0.0.1:4566"})
    one.start()
    seen = read(ask(one, do="environment"))
    # What a Python program without a locale adds by itself.
    seen.pop("LC_CTYPE", None)
    assert not any("secret" in value or "of-the-host" in value for value in seen.values()), seen
    assert set(seen) == {
        "PATH", "LANG", "TZ", "HOME", "TMPDIR", "AWS_CONFIG_FILE", "AWS_SHARED_CREDENTIALS_FILE",
        "AWS_EC2_METADATA_DISABLED", "AWS_LAMBDA_RUNTIME_API", "LAMBDA_TASK_ROOT", "IMS_STAGE", "AWS_ENDPOINT_URL",
    }  # fmt: skip
    assert seen["IMS_STAGE"] == "sandbox"
    assert seen["AWS_LAMBDA_RUNTIME_API"].startswith("127.0.0.1:")


def test_environments_share_no_folder_for_files(environment: Make) -> None:
    one, two = environment(), environment()
    one.start()
    two.start()
    homes = [Path(read(ask(each, do="environment"))["TMPDIR"]) for each in (one, two)]
    assert homes[0] != homes[1] and all(home.is_dir() for home in homes)
    one.stop()
    assert not homes[0].exists() and homes[1].is_dir()


def test_the_log_is_that_of_the_invocation(environment: Make, tmp_path: Path) -> None:
    file = tmp_path / "f.log"
    one = environment(log=file)
    one.start()
    for number in range(20):
        said = ask(one, f"r-{number}", do="print", text=f"line {number}")
        head, line, end, report = said.log.splitlines()
        assert head == f"START RequestId: r-{number} Version: $LATEST"
        assert line == f"line {number}"
        assert end == f"END RequestId: r-{number}"
        assert report.startswith(f"REPORT RequestId: r-{number}\tDuration: ")
    ask(one, "r-20", do="print", text="no end", end="")
    assert one.output().splitlines()[-1] == "no end"
    one.stop()
    assert file.read_text() == "".join(f"line {number}\n" for number in range(20)) + "no end\n"


def test_much_output_stops_nothing(environment: Make) -> None:
    one = environment()
    one.start()
    said = ask(one, do="print", text="x" * 3_000_000)
    assert not said.failed and len(said.log) < 2_000_000


def test_a_stop_ends_the_process_its_children_and_what_was_under_way(environment: Make) -> None:
    one = environment()
    one.start()
    pid, child = one.process_id, read(ask(one, do="child"))["pid"]
    assert pid is not None and alive(pid) and alive(child)
    with ThreadPoolExecutor(1) as pool:
        under_way = pool.submit(ask, one, "r-2", do="sleep", seconds=60)
        time.sleep(0.2)
        one.stop()
        ended = under_way.result(5)
    assert ended.failed and "was stopped" in read(ended)["errorMessage"]
    assert until(lambda: not alive(pid) and not alive(child))
    assert ask(one, "r-3").failed
    one.stop()


def test_a_crash_leaves_no_children(environment: Make) -> None:
    one = environment()
    one.start()
    child = read(ask(one, do="child"))["pid"]
    ask(one, "r-2", do="crash", status=1)
    assert until(lambda: not alive(child))
