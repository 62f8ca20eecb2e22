"""What LocalStack calls: one executor an execution environment."""

import logging
import os
from pathlib import Path

from localstack import config
from localstack.services.lambda_.invocation.executor_endpoint import ShutdownDuringStartup, StatusErrorException
from localstack.services.lambda_.invocation.lambda_models import FunctionVersion, InvocationResult
from localstack.services.lambda_.invocation.runtime_executor import LambdaRuntimeException, RuntimeExecutor

from process_executor.environment import Environment, Function
from process_executor.session import InitError

LOG = logging.getLogger(__name__)
LOOPBACK = "127.0.0.1"

LOG_DIR = "PROCESS_EXECUTOR_LOG_DIR"
"""Variable of LocalStack's process: folder that functions' output is copied to, one file a function."""


def function_variables(given: dict[str, object], endpoint: str) -> dict[str, str]:
    """What LocalStack gives, as Lambda would: text, without what only LocalStack's own init process needs.

    An SDK without an endpoint calls the real AWS, so there always is one.
    """
    inner = ("LOCALSTACK_RUNTIME_", "LOCALSTACK_FUNCTION_", "LOCALSTACK_INIT_", "LOCALSTACK_USER", "LOCALSTACK_CHMOD_")
    kept = {name: str(value) for name, value in given.items() if not name.startswith(inner)}
    if not kept.get("AWS_ENDPOINT_URL"):
        kept["AWS_ENDPOINT_URL"] = endpoint
    return kept


class ProcessRuntimeExecutor(RuntimeExecutor):  # type: ignore[misc] # LocalStack is not typed
    """Runs a function's `bootstrap` as a process."""

    def __init__(self, id: str, function_version: FunctionVersion) -> None:  # noqa: A002 # LocalStack's name
        super().__init__(id=id, function_version=function_version)
        self._environment: Environment | None = None
        self._stopped = False

    def start(self, env_vars: dict[str, object]) -> None:
        """Starts the process; raises what LocalStack expects where it does not come up."""
        version = self.function_version
        folder, name = os.environ.get(LOG_DIR), version.id.function_name
        environment = self._environment = Environment(
            Function(
                code=Path(version.config.code.get_unzipped_code_location()),
                variables=function_variables(env_vars, self._endpoint()),
                timeout=float(version.config.timeout),
                # LocalStack itself gives up after as long, and calls `stop`.
                init_timeout=float(config.LAMBDA_RUNTIME_ENVIRONMENT_TIMEOUT),
                version=version.id.qualifier,
                memory_mb=int(version.config.memory_size),
                max_payload=int(config.LAMBDA_LIMITS_MAX_FUNCTION_PAYLOAD_SIZE_BYTES),
                log=Path(folder) / f"{name}.log" if folder else None,
            )
        )
        if self._stopped:
            environment.stop()
        try:
            environment.start()
        except InitError as error:
            if self._stopped:
                raise ShutdownDuringStartup("stopped during start-up") from error
            LOG.warning("%s did not start: %s", name, error)
            raise StatusErrorException("Environment startup failed", payload=error.payload) from error

    def stop(self) -> None:
        """Ends the process."""
        self._stopped = True
        if self._environment is not None:
            self._environment.stop()

    def invoke(self, payload: dict[str, str]) -> InvocationResult:
        """Has the function work."""
        if self._environment is None:
            raise LambdaRuntimeException(f"executor {self.id} was not started")
        request_id = payload["invoke-id"]
        outcome = self._environment.invoke(
            request_id, payload["invoked-function-arn"], payload["trace-id"], payload["payload"].encode()
        )
        return InvocationResult(request_id, outcome.payload, is_error=outcome.failed, logs=outcome.log)

    def get_logs(self) -> str:
        """What the process wrote so far."""
        return "" if self._environment is None else self._environment.output()

    def get_address(self) -> str:
        """Where the process is."""
        return LOOPBACK

    def get_endpoint_from_executor(self) -> str:
        """LocalStack's host, seen from the process."""
        return LOOPBACK

    def get_runtime_endpoint(self) -> str:
        """LocalStack's own way to be called back, which a process here does not use."""
        return f"{self._endpoint()}/_localstack_lambda/{self.id}"

    @staticmethod
    def _endpoint() -> str:
        return f"http://{LOOPBACK}:{config.GATEWAY_LISTEN[0].port}"

    @classmethod
    def prepare_version(cls, function_version: FunctionVersion) -> None:
        """Unpacks the code."""
        if function_version.config.code:
            function_version.config.code.prepare_for_execution()

    @classmethod
    def cleanup_version(cls, function_version: FunctionVersion) -> None:
        """Leaves what LocalStack removes itself."""

    @classmethod
    def validate_environment(cls) -> bool:
        """Needs nothing but this computer."""
        return True
