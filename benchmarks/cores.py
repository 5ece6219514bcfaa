"""Which cores client and server run on; a round trip within one and between two are two things."""

from __future__ import annotations

import os
from collections.abc import Generator
from contextlib import contextmanager

import attrs


@attrs.frozen
class Cores:
    """The cores of this process; none where the system cannot hold a process to one."""

    free: tuple[int, ...]

    @property
    def client(self) -> int:
        """Where the client runs while the server has a core of its own."""
        return self.free[0]

    @property
    def server(self) -> int:
        """Where the server runs, always."""
        return self.free[-1]

    def hold(self, *cores: int) -> None:
        """Hold this process, and those it starts from now on, to some cores."""
        if self.free:
            os.sched_setaffinity(0, cores)

    def hold_client(self, *, beside_server: bool) -> str:
        """Hold this process to the server's core, or to another one; say who is where."""
        if not self.free:
            return "not held to cores"
        core = self.server if beside_server else self.client
        self.hold(core)
        if core == self.server:
            return f"client and server on core {core}"
        return f"client on core {core}, server on core {self.server}"


@contextmanager
def held_cores() -> Generator[Cores]:
    """The cores of this process; given back at the end."""
    free = tuple(sorted(os.sched_getaffinity(0))) if hasattr(os, "sched_setaffinity") else ()
    cores = Cores(free)
    try:
        yield cores
    finally:
        cores.hold(*free)
