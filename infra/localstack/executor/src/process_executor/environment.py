"""An execution environment as Lambda knows it: one process that takes one invocation after another.

A process that dies in an invocation fails that invocation, and the next one gets a new process. One that takes longer
than the function may is killed. Nothing here knows of LocalStack.
"""

import os
import shutil
import signal
import subprocess
import tempfile
import threading
import time
from collections.abc import Mapping
from concurrent.futures import Future
from dataclasses import dataclass, field
from pathlib import Path

from process_executor.keeper import KEEPER, kill_group
from process_executor.output import Output
from process_executor.runtime_api import Server
from process_executor.session import Answer, InitError, Invocation, Session, problem

PATH = "/usr/local/bin:/usr/bin:/bin:/opt/bin"
"""Lambda's own, whatever the host's is."""


@dataclass(frozen=True)
class Function:
    """What an environment runs."""

    code: Path
    """Folder with the program `bootstrap`."""
    variables: Mapping[str, str]
    """All that the process finds in its environment, beside what every function finds there."""
    timeout: float
    """Seconds that an invocation may take."""
    init_timeout: float = 20
    """Seconds that a process may take until it asks for work."""
    version: str = "$LATEST"
    memory_mb: int = 128
    """Memory in MB, as the report line names it; it is no limit here."""
    max_payload: int = 6 * 1024 * 1024 + 100
    """Bytes that an answer may have."""
    log: Path | None = None
    """File that output is copied to, line by line."""


@dataclass(frozen=True)
class Outcome:
    """What became of an invocation, with what Lambda logs about it."""

    payload: bytes
    failed: bool
    log: str


@dataclass
class Child:
    """A running process and what belongs to it."""

    process: subprocess.Popen[bytes]
    session: Session
    server: Server
    output: Output
    request_id: str = ""
    ended: threading.Event = field(default_factory=threading.Event)


def variables(function: Function, runtime_api: str, home: Path) -> dict[str, str]:
    """The whole environment of a function's process. Nothing of the host's gets in.

    The last three keep SDKs from looking for credentials where Lambda has none: in files and at the metadata service.
    """
    usual = {
        "PATH": PATH,
        "LANG": "en_US.UTF-8",
        "TZ": ":UTC",
        "HOME": str(home),
        "TMPDIR": str(home),
        "AWS_CONFIG_FILE": os.devnull,
        "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
        "AWS_EC2_METADATA_DISABLED": "true",
    }
    ours = {"AWS_LAMBDA_RUNTIME_API": runtime_api, "LAMBDA_TASK_ROOT": str(function.code)}
    return usual | dict(function.variables) | ours


def why_ended(status: int, request_id: str) -> bytes:
    """The error of a process that ended, from its return code as `subprocess` gives it."""
    about = f"RequestId: {request_id} " if request_id else ""
    if status == 0:
        how = "Runtime exited without providing a reason"
    elif status < 0:
        how = f"Runtime exited with error: signal: {(signal.strsignal(-status) or str(-status)).lower()}"
    else:
        how = f"Runtime exited with error: exit status {status}"
    return problem("Runtime.ExitError", f"{about}Error: {how}")


class Environment:
    """A function's environment. `start`, then `invoke` one at a time, `stop` at any time and from any thread."""

    def __init__(self, function: Function) -> None:
        self.function = function
        self._lock = threading.Lock()
        self._child: Child | None = None
        self._last_output: Output | None = None
        self._stopped = False
        self._home: Path | None = None

    def start(self) -> None:
        """Starts the process and waits until it asks for work.

        Raises `InitError` where it does not.
        """
        child = self._spawn()
        try:
            child.session.started.result(self.function.init_timeout)
        except TimeoutError:
            payload = problem("Runtime.InitTimeout", f"no request for work in {self.function.init_timeout:.2f} seconds")
            self._end(child, payload)
            raise InitError(payload) from None
        except InitError:
            self._end(child, b"")
            raise

    def invoke(self, request_id: str, function_arn: str, trace_id: str, payload: bytes) -> Outcome:
        """Has the function work, in a new process where the last one is no more."""
        begun = time.monotonic()
        child, waiting = self._offer(request_id, function_arn, trace_id, payload)
        if waiting is None:
            try:
                self.start()
            except InitError as error:
                return self._outcome(None, request_id, Answer(error.payload, failed=True), begun)
            child, waiting = self._offer(request_id, function_arn, trace_id, payload)
        if child is None or waiting is None:
            answer = Answer(problem("Runtime.ExitError", f"RequestId: {request_id} Error: no process"), failed=True)
            return self._outcome(None, request_id, answer, begun)
        try:
            answer = waiting.result(self.function.timeout)
        except TimeoutError:
            message = f"RequestId: {request_id} Error: Task timed out after {self.function.timeout:.2f} seconds"
            # Whatever came in the very last moment stands.
            self._end(child, problem("Sandbox.Timedout", message))
            answer = waiting.result()
        return self._outcome(child, request_id, answer, begun)

    def stop(self) -> None:
        """Ends the process at once, as Lambda does; an invocation under way fails."""
        with self._lock:
            self._stopped = True
            child = self._child
        if child is not None:
            self._end(child, problem("Runtime.ExitError", f"RequestId: {child.request_id} Error: Runtime was stopped"))
        with self._lock:
            home, self._home = self._home, None
        if home is not None:
            shutil.rmtree(home, ignore_errors=True)

    def output(self) -> str:
        """What the last process wrote."""
        output = self._last_output
        return "" if output is None else output.everything()

    @property
    def process_id(self) -> int | None:
        """The running process; `None` where there is none."""
        child = self._child
        return None if child is None or child.ended.is_set() else child.process.pid

    def _spawn(self) -> Child:
        bootstrap = self.function.code / "bootstrap"
        if not bootstrap.is_file():
            message = f"Couldn't find valid bootstrap(s): [{bootstrap}]"
            raise InitError(problem("Runtime.InvalidEntrypoint", message))
        if not os.access(bootstrap, os.X_OK):
            bootstrap.chmod(bootstrap.stat().st_mode | 0o111)
        with self._lock:
            if self._stopped:
                raise InitError(problem("Runtime.ExitError", "Error: the environment was stopped"))
            if self._home is None:
                self._home = Path(tempfile.mkdtemp(prefix="environment-"))
            session = Session(self.function.max_payload)
            server, output = Server(session), Output(self.function.log)
            try:
                process = subprocess.Popen(
                    [bootstrap],
                    cwd=self.function.code,
                    env=variables(self.function, server.address, self._home),
                    stdin=subprocess.DEVNULL,
                    stdout=output.write,
                    stderr=subprocess.STDOUT,
                    start_new_session=True,
                )
            except OSError as error:
                server.close()
                output.close()
                raise InitError(problem("Runtime.InvalidEntrypoint", f"Error: {error}")) from error
            finally:
                os.close(output.write)
            KEEPER.add(process.pid)
            child = Child(process, session, server, output)
            self._child, self._last_output = child, output
        threading.Thread(target=self._wait, args=(child,), name=f"function-{process.pid}", daemon=True).start()
        return child

    def _offer(
        self, request_id: str, function_arn: str, trace_id: str, payload: bytes
    ) -> tuple[Child | None, Future[Answer] | None]:
        """Gives the process an invocation, where there is one."""
        child = self._child
        if child is None:
            return None, None
        child.output.begin()
        child.request_id = request_id
        deadline_ms = int((time.time() + self.function.timeout) * 1000)
        return child, child.session.offer(Invocation(request_id, function_arn, trace_id, payload, deadline_ms))

    def _wait(self, child: Child) -> None:
        """Waits for a process's end, and tells whoever waits for its answer."""
        status = child.process.wait()
        # Children that it left behind.
        kill_group(child.process.pid)
        KEEPER.remove(child.process.pid)
        child.session.end(why_ended(status, child.request_id))
        with self._lock:
            if self._child is child:
                self._child = None
        child.output.close()
        child.ended.set()
        # Last, since it waits for the server's loop to look up.
        child.server.close()

    def _end(self, child: Child, payload: bytes) -> None:
        """Kills a process for a reason of ours, and waits until it has gone."""
        child.session.end(payload)
        if child.process.returncode is None:
            kill_group(child.process.pid)
        child.ended.wait(5)

    def _outcome(self, child: Child | None, request_id: str, answer: Answer, begun: float) -> Outcome:
        ms = (time.monotonic() - begun) * 1000
        lines = "" if child is None else child.output.taken()
        if lines and not lines.endswith("\n"):
            lines += "\n"
        log = (
            f"START RequestId: {request_id} Version: {self.function.version}\n"
            f"{lines}END RequestId: {request_id}\n"
            f"REPORT RequestId: {request_id}\tDuration: {ms:.2f} ms\tBilled Duration: {int(ms) + 1} ms\t"
            f"Memory Size: {self.function.memory_mb} MB\n"
        )
        return Outcome(answer.payload, answer.failed, log)
