"""Sees to it that no function outlives whoever started it, also where that was killed.

`KEEPER` tells a small process of its own which process groups there are. That one only reads its standard input, which
ends with the process that holds the other end, however it ended; then it kills the groups that are left.
"""

import contextlib
import os
import signal
import subprocess
import sys
import threading
from pathlib import Path


class Keeper:
    """The process groups that must end with us."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._process: subprocess.Popen[bytes] | None = None
        self._groups: set[int] = set()

    def add(self, group: int) -> None:
        """Has a process group killed when we have ended, until it is removed."""
        with self._lock:
            self._groups.add(group)
            self._say(f"+{group}\n")

    def remove(self, group: int) -> None:
        """Takes a process group out that has ended: its number may soon be somebody else's."""
        with self._lock:
            self._groups.discard(group)
            self._say(f"-{group}\n")

    def _say(self, line: str) -> None:
        """Tells the keeper; a new one, where there is none (any more), is told of all groups."""
        if self._process is not None and self._process.poll() is None and self._process.stdin is not None:
            with contextlib.suppress(BrokenPipeError):
                self._process.stdin.write(line.encode())
                self._process.stdin.flush()
                return
        if not self._groups:
            return
        self._process = subprocess.Popen(
            [sys.executable, "-I", "-S", str(Path(__file__).resolve())],
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            cwd="/",
            env={},
            # A signal to our own group is none to the keeper.
            start_new_session=True,
        )
        if self._process.stdin is not None:
            self._process.stdin.write("".join(f"+{group}\n" for group in self._groups).encode())
            self._process.stdin.flush()

    @property
    def process_id(self) -> int | None:
        """The keeper's process, where it runs."""
        return None if self._process is None or self._process.poll() is not None else self._process.pid


KEEPER = Keeper()


def kill_group(group: int) -> None:
    """Kills a process group at once; no failure where it has ended."""
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(group, signal.SIGKILL)


def watch() -> None:
    """Reads what is added and removed until the other end is gone, and kills what is left."""
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    groups: set[int] = set()
    for line in sys.stdin:
        group = int(line[1:])
        if line[0] == "+":
            groups.add(group)
        else:
            groups.discard(group)
    for group in groups:
        kill_group(group)


if __name__ == "__main__":
    watch()
