"""How LocalStack finds the executor: `LAMBDA_RUNTIME_EXECUTOR=process`."""

from typing import TYPE_CHECKING, Any

from localstack.services.lambda_.invocation.plugins import RuntimeExecutorPlugin

if TYPE_CHECKING:
    from process_executor.executor import ProcessRuntimeExecutor


class ProcessExecutorPlugin(RuntimeExecutorPlugin):  # type: ignore[misc] # LocalStack is not typed
    """The plugin `process`."""

    name = "process"

    def load(self, *_args: Any, **_named: Any) -> "type[ProcessRuntimeExecutor]":  # noqa: ANN401 # plux's signature
        """The executor's class, imported only once it is asked for."""
        from process_executor.executor import ProcessRuntimeExecutor

        return ProcessRuntimeExecutor
