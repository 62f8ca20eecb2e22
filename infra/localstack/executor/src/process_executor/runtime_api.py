"""Lambda's Runtime API for one process, on a loopback port of its own.

Source: https://docs.aws.amazon.com/lambda/latest/dg/runtimes-api.html, version 2018-06-01.
"""

import json
import threading
from collections.abc import Iterable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import ClassVar, cast

from process_executor.session import Session, problem

ROOT = "/2018-06-01/runtime/"
JSON = ("Content-Type", "application/json")


class Server(ThreadingHTTPServer):
    """A server that knows whose process it serves."""

    daemon_threads = True
    # A stop must not wait for a request for work, which may stay open for ever.
    block_on_close = False

    def __init__(self, session: Session) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.session = session
        threading.Thread(target=self.serve_forever, name=f"runtime-api-{self.server_port}", daemon=True).start()

    @property
    def address(self) -> str:
        """Host and port, as `AWS_LAMBDA_RUNTIME_API` names them."""
        return f"127.0.0.1:{self.server_port}"

    def close(self) -> None:
        """Stops listening."""
        self.shutdown()
        self.server_close()

    def handle_error(self, request: object, client_address: object) -> None:
        """A connection that broke tells nothing new: a process that died is noticed by its end."""


class Handler(BaseHTTPRequestHandler):
    """Requests of a function's runtime."""

    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    # Answers go out whole: head and body in one write.
    wbufsize = -1
    error_content_type = "application/json"
    statuses: ClassVar[dict[str, str]] = {"status": "OK"}

    @property
    def session(self) -> Session:
        """The process's session."""
        return cast(Server, self.server).session

    def log_message(self, *_args: object) -> None:
        """Says nothing."""

    def do_GET(self) -> None:
        """`/runtime/invocation/next`."""
        if self.path != f"{ROOT}invocation/next":
            self._refuse(404, "Runtime.NotFound", f"there is no GET {self.path}")
            return
        invocation = self.session.next()
        if invocation is None:
            self.close_connection = True
            self._refuse(410, "Runtime.Gone", "there is no more work for this request")
            return
        self._reply(
            200,
            invocation.payload,
            (
                JSON,
                ("Lambda-Runtime-Aws-Request-Id", invocation.request_id),
                ("Lambda-Runtime-Invoked-Function-Arn", invocation.function_arn),
                ("Lambda-Runtime-Trace-Id", invocation.trace_id),
                ("Lambda-Runtime-Deadline-Ms", str(invocation.deadline_ms)),
            ),
        )

    def do_POST(self) -> None:
        """`/runtime/init/error`, `/runtime/invocation/{request}/response` and `…/error`."""
        body = self._body()
        if self.path == f"{ROOT}init/error":
            self._accept(first=self.session.fail_init(body), what="init/error")
            return
        place, _, kind = self.path.removeprefix(f"{ROOT}invocation/").partition("/")
        if not self.path.startswith(f"{ROOT}invocation/") or kind not in ("response", "error"):
            self._refuse(404, "Runtime.NotFound", f"there is no POST {self.path}")
            return
        most = self.session.max_answer
        if kind == "response" and len(body) > most:
            message = f"Response payload size exceeded maximum allowed payload size ({most} bytes)."
            self.session.answer(place, problem("Function.ResponseSizeTooLarge", message), failed=True)
            self._refuse(413, "RequestEntityTooLarge", message)
            return
        self._accept(first=self.session.answer(place, body, failed=kind == "error"), what=place)

    def _body(self) -> bytes:
        if "chunked" not in self.headers.get("Transfer-Encoding", "").lower():
            return self.rfile.read(int(self.headers.get("Content-Length") or 0))
        parts = []
        while size := int(self.rfile.readline().partition(b";")[0], 16):
            parts.append(self.rfile.read(size))
            self.rfile.readline()
        # Trailers, up to the empty line.
        while self.rfile.readline().strip():
            pass
        return b"".join(parts)

    def _accept(self, *, first: bool, what: str) -> None:
        if first:
            self._reply(202, json.dumps(self.statuses).encode(), (JSON,))
        else:
            self._refuse(400, "InvalidRequestID", f"nobody waits for {what}")

    def _refuse(self, status: int, kind: str, message: str) -> None:
        self._reply(status, problem(kind, message), (JSON,))

    def _reply(self, status: int, body: bytes, headers: Iterable[tuple[str, str]]) -> None:
        self.send_response(status)
        for name, value in headers:
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)
        self.wfile.flush()
