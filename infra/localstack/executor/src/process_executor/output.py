"""What a function's process writes: kept for the invocation under way, and copied to a file."""

import os
import select
import threading
from collections import deque
from pathlib import Path

CHUNK = 1 << 16


class Output:
    """The read end of a process's standard output and error.

    A thread of its own reads whatever comes. Who needs all that was written so far (an answer has come, so the lines
    before it are in the pipe) calls `taken`, which reads it at once.
    """

    MOST = 1 << 20
    """Bytes kept for one invocation, and for the whole life; older ones go."""

    def __init__(self, copy: Path | None) -> None:
        self._read, write = os.pipe()
        os.set_blocking(self._read, False)
        self.write = write
        """The end for the process; to be closed here once it has started."""
        self._copy = None if copy is None else os.open(copy, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o644)
        self._lock = threading.Lock()
        self._recent, self._all = _Tail(self.MOST), _Tail(self.MOST)
        self._line = b""
        self._closed = False
        threading.Thread(target=self._follow, name="function-output", daemon=True).start()

    def begin(self) -> None:
        """An invocation begins: what came before is not part of it."""
        with self._lock:
            self._drain()
            self._recent = _Tail(self.MOST)

    def taken(self) -> str:
        """What was written since the invocation began."""
        with self._lock:
            self._drain()
            return self._recent.text()

    def everything(self) -> str:
        """What was written since the start."""
        with self._lock:
            self._drain()
            return self._all.text()

    def close(self) -> None:
        """Reads what is left and lets go; nothing is read any more."""
        with self._lock:
            self._drain()
            if self._closed:
                return
            self._closed = True
            os.close(self._read)
            if self._copy is not None:
                self._keep(b"\n" if self._line else b"")
                os.close(self._copy)

    def _follow(self) -> None:
        # `poll`, since `select` takes no descriptor above 1,023.
        waiting = select.poll()
        waiting.register(self._read, select.POLLIN)
        while True:
            waiting.poll(1000)
            with self._lock:
                if self._closed or not self._drain():
                    return

    def _drain(self) -> bool:
        """Reads until there is nothing more for now; false where nothing will ever come."""
        while not self._closed:
            try:
                part = os.read(self._read, CHUNK)
            except BlockingIOError:
                return True
            if not part:
                return False
            self._recent.add(part)
            self._all.add(part)
            self._keep(part)
        return False

    def _keep(self, part: bytes) -> None:
        """Copies whole lines: processes of one function share a file."""
        if self._copy is None:
            return
        lines, end, self._line = (self._line + part).rpartition(b"\n")
        if end:
            os.write(self._copy, lines + end)


class _Tail:
    """The last bytes of something long."""

    def __init__(self, most: int) -> None:
        self._parts: deque[bytes] = deque()
        self._size, self._most = 0, most

    def add(self, part: bytes) -> None:
        self._parts.append(part)
        self._size += len(part)
        while self._size > self._most and len(self._parts) > 1:
            self._size -= len(self._parts.popleft())

    def text(self) -> str:
        return b"".join(self._parts).decode("utf-8", "replace")
