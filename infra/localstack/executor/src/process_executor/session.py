"""What the outside and one process of a function have to say to one another: invocations there, answers back.

Every process has a session of its own, so that nothing of one that died (a request for work that is still open, a late
answer) can touch the next one's.
"""

import json
import threading
from concurrent.futures import Future
from dataclasses import dataclass


@dataclass(frozen=True)
class Invocation:
    """One request to a function."""

    request_id: str
    function_arn: str
    trace_id: str
    payload: bytes
    deadline_ms: int
    """Milliseconds since 1970."""


@dataclass(frozen=True)
class Answer:
    """What became of an invocation: a result, or the error that the function or its environment gives for it."""

    payload: bytes
    failed: bool


def problem(kind: str, message: str) -> bytes:
    """An error as Lambda words it."""
    return json.dumps({"errorType": kind, "errorMessage": message}).encode()


class InitError(Exception):
    """A process did not come so far as to ask for work; `payload` is the error that callers are given."""

    def __init__(self, payload: bytes) -> None:
        super().__init__(payload.decode("utf-8", "replace"))
        self.payload = payload


class Session:
    """One process's side of the Runtime API, without HTTP."""

    def __init__(self, max_answer: int) -> None:
        self.started: Future[None] = Future()
        """Done when the process first asks for work; an `InitError` where it never will."""
        self.max_answer = max_answer
        """Bytes that an answer may have."""
        self._changed = threading.Condition()
        self._polls = 0
        self._offered: Invocation | None = None
        self._current: tuple[str, Future[Answer]] | None = None
        self._ended: bytes | None = None

    # What the outside does

    def offer(self, invocation: Invocation) -> Future[Answer] | None:
        """Gives the process work; `None` where it has ended and got nothing."""
        with self._changed:
            if self._ended is not None:
                return None
            answer: Future[Answer] = Future()
            self._offered, self._current = invocation, (invocation.request_id, answer)
            self._changed.notify_all()
            return answer

    def end(self, payload: bytes) -> None:
        """The process is no more; who waits for it gets this error. Later calls change nothing."""
        with self._changed:
            if self._ended is not None:
                return
            self._ended, self._offered = payload, None
            current, self._current = self._current, None
            self._changed.notify_all()
            if not self.started.done():
                self.started.set_exception(InitError(payload))
        if current is not None:
            current[1].set_result(Answer(payload, failed=True))

    # What the process does

    def next(self) -> Invocation | None:
        """Waits for work; `None` where there will be none for this request, because the process ended or asked anew."""
        with self._changed:
            self._polls += 1
            mine = self._polls
            if not self.started.done():
                self.started.set_result(None)
            self._changed.notify_all()
            self._changed.wait_for(lambda: self._ended is not None or self._offered is not None or mine != self._polls)
            if self._ended is not None or mine != self._polls:
                return None
            offered, self._offered = self._offered, None
            return offered

    def answer(self, request_id: str, payload: bytes, *, failed: bool) -> bool:
        """Takes an answer; whether it is to the invocation that is under way."""
        with self._changed:
            if self._current is None or self._current[0] != request_id:
                return False
            (_, answer), self._current = self._current, None
        answer.set_result(Answer(payload, failed=failed))
        return True

    def fail_init(self, payload: bytes) -> bool:
        """Takes the error with which a function could not be initialised; whether it is the first word."""
        with self._changed:
            if self.started.done():
                return False
            self.started.set_exception(InitError(payload))
            return True
