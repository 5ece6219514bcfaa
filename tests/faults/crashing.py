"""A PostgreSQL server of one's own, to be killed and started again."""

from __future__ import annotations

import os
import pwd
import signal
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import final

from tests.faults.postgresql import Address
from tests.servers import start_postgresql

__all__ = ["CrashingServer", "crashing_server"]


@final
class CrashingServer:
    """A server with its files, which stay when it is killed.

    Attributes:
        address: where it is, before and after.
        folder: its own folder.
    """

    def __init__(self, folder: Path, url: str) -> None:
        self.address = Address.parse(url)
        (self.folder,) = folder.glob("pg-*")
        self._log = self.folder / "log"
        self._status = self.folder / "data" / "postmaster.pid"
        command = Path(f"/proc/{self.pid}/cmdline").read_bytes()
        self._command = [part.decode() for part in command.split(b"\0") if part]
        self._child: subprocess.Popen[bytes] | None = None

    @property
    def pid(self) -> int:
        """The number of the server's first process."""
        return int(self._status.read_text().split("\n", 1)[0])

    def kill(self, number: signal.Signals) -> None:
        """Send a signal to the first process, and wait until all of them are gone."""
        pid = self.pid
        if number is signal.SIGKILL:
            os.kill(pid, signal.SIGSTOP)  # it shall have no more children from here on
        others = _children(pid)
        os.kill(pid, number)
        if number is signal.SIGKILL:
            # The others notice by themselves, after a while; together it is as of a power cut.
            for other in others:
                with suppress(ProcessLookupError):
                    os.kill(other, number)
        deadline = time.monotonic() + 20
        while any(_is_alive(one) for one in (pid, *others)):
            assert time.monotonic() < deadline, "the server did not end"
            time.sleep(0.01)
        if self._child is not None:
            self._child.wait()
        for lock in (self._status, *self.folder.glob(".s.PGSQL.*.lock")):
            lock.unlink(missing_ok=True)

    def start(self) -> None:
        """Start it again on its files, and wait until it lets clients in."""
        self.start_slowly()
        self.wait_ready()

    def start_slowly(self) -> None:
        """Start it again, and do not wait."""
        owner = self.folder.stat()
        is_other = owner.st_uid != os.geteuid()
        with self._log.open("ab") as log:
            self._child = subprocess.Popen(
                self._command,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                cwd=self.folder,
                start_new_session=True,
                user=owner.st_uid if is_other else None,
                group=pwd.getpwuid(owner.st_uid).pw_gid if is_other else None,
                extra_groups=[] if is_other else None,
            )

    def wait_ready(self) -> None:
        """Wait until it lets clients in."""
        deadline = time.monotonic() + 30
        while True:
            with suppress(FileNotFoundError, IndexError):
                if self._status.read_text().splitlines()[7].strip() == "ready":
                    return
            assert time.monotonic() < deadline, self._log.read_text()
            time.sleep(0.01)

    def stop(self) -> None:
        """End what was started here; what was there before is not ours to end."""
        if self._child is not None:
            self._child.send_signal(signal.SIGQUIT)  # nothing, if it was waited for
            self._child.wait()


def _children(pid: int) -> list[int]:
    return [int(one) for one in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


def _is_alive(pid: int) -> bool:
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except (FileNotFoundError, ProcessLookupError):
        return False
    return state != "Z"


@contextmanager
def crashing_server(folder: Path, settings: dict[str, str]) -> Iterator[CrashingServer]:
    """Run a server whose acknowledged commits survive its processes.

    Args:
        folder: where its folder is made.
        settings: parameters of the server, on top of those.
    """
    durable = {"synchronous_commit": "on", "full_page_writes": "on", "restart_after_crash": "on"}
    with start_postgresql(folder, {**durable, **settings}) as url:
        server = CrashingServer(folder, url)
        try:
            yield server
        finally:
            server.stop()
