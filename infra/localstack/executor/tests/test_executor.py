"""The executor as LocalStack calls it; skipped where LocalStack is not installed."""

import json
from collections.abc import Iterator
from importlib.metadata import entry_points
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

pytest.importorskip("localstack.services.lambda_.invocation.runtime_executor", exc_type=ImportError)

from localstack.services.lambda_.invocation.executor_endpoint import StatusErrorException

from process_executor.executor import LOG_DIR, ProcessRuntimeExecutor, function_variables


@pytest.fixture
def executor(code: Path) -> Iterator[Any]:
    version = SimpleNamespace(
        config=SimpleNamespace(
            code=SimpleNamespace(get_unzipped_code_location=lambda: code), timeout=10, memory_size=256
        ),
        id=SimpleNamespace(qualifier="$LATEST", function_name="f"),
    )
    made = ProcessRuntimeExecutor("e-1", version)
    yield made
    made.stop()


def invoke(executor: Any, event: object) -> Any:  # noqa: ANN401
    payload = {"invoke-id": "r-1", "invoked-function-arn": "arn", "trace-id": "Root=1", "payload": json.dumps(event)}
    return executor.invoke(payload)


def test_localstack_finds_it() -> None:
    found = entry_points(group="localstack.lambda.runtime_executor", name="process")
    assert [entry.value for entry in found] == ["process_executor.plugin:ProcessExecutorPlugin"]


def test_an_invocation(executor: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:  # noqa: ANN401
    monkeypatch.setenv(LOG_DIR, str(tmp_path))
    executor.start({"AWS_LAMBDA_FUNCTION_MEMORY_SIZE": 256, "LOCALSTACK_RUNTIME_ID": "e-1"})
    result = invoke(executor, {"do": "environment"})
    seen = json.loads(result.payload)
    assert not result.is_error and result.request_id == "r-1"
    assert seen["AWS_LAMBDA_FUNCTION_MEMORY_SIZE"] == "256" and "LOCALSTACK_RUNTIME_ID" not in seen
    invoke(executor, {"do": "print", "text": "said"})
    assert executor.get_logs() == "said\n"
    executor.stop()
    assert (tmp_path / "f.log").read_text() == "said\n"


def test_a_start_that_fails_is_what_localstack_expects(executor: Any) -> None:  # noqa: ANN401
    with pytest.raises(StatusErrorException) as raised:
        executor.start({"INIT": "error"})
    assert json.loads(raised.value.payload)["errorMessage"] == "no table"


def test_there_always_is_an_endpoint() -> None:
    ours = "http://127.0.0.1:4566"
    assert function_variables({}, ours) == {"AWS_ENDPOINT_URL": ours}
    assert function_variables({"AWS_ENDPOINT_URL": ""}, ours) == {"AWS_ENDPOINT_URL": ours}
    given = {"AWS_ENDPOINT_URL": "http://127.0.0.1:9"}
    assert function_variables(dict(given), ours) == given
