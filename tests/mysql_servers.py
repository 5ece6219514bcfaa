"""Starts servers of MySQL and MariaDB, as `servers.py` does PostgreSQL's.

MariaDB's programs come from the system. MySQL's are found, or were fetched before, by
`.ci/mysql-server`; a test run fetches nothing.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any, Final

from tests.servers import (
    MissingServerError,
    free_port,
    kept,
    private_folder,
    run,
    shared,
    start,
    user_of_servers,
)

__all__ = [
    "MARIADB_URL",
    "MYSQL_URL",
    "mariadb_url",
    "mysql_url",
    "start_mariadb",
    "start_mysql",
]

MARIADB_URL: Final = "UOW_TEST_MARIADB_URL"
"""Names the variable with the URL of a MariaDB server to use in place of our own."""

MYSQL_URL: Final = "UOW_TEST_MYSQL_URL"
"""Names the variable with the URL of a MySQL server to use in place of our own."""

_FINDER: Final = Path(__file__).parent.parent / ".ci" / "mysql-server"

# What makes it quick; and several kinds of wrong defaults, which a driver must not rely on.
_SETTINGS: Final = {
    "innodb-flush-log-at-trx-commit": "0",
    "innodb-buffer-pool-size": "64M",
    "innodb-doublewrite": "0",
    "innodb-fast-shutdown": "2",
    "innodb-lock-wait-timeout": "10",
    "max-connections": "300",
    "skip-name-resolve": "1",
    "bind-address": "127.0.0.1",
    "character-set-server": "latin1",
    "default-time-zone": "+05:00",
    "sql-mode": "",
}

_MARIADB_SETTINGS: Final = {**_SETTINGS, "innodb-log-file-size": "64M"}

_MYSQL_SETTINGS: Final = {
    **_SETTINGS,
    "innodb-redo-log-capacity": "64M",
    "skip-log-bin": "",
    "mysqlx": "OFF",
    "secure-file-priv": "NULL",
    "lower-case-table-names": "0",
}

# What MariaDB's tool for new servers does by itself. One statement a line.
_FIRST: Final = """\
CREATE DATABASE test;
CREATE USER root@'127.0.0.1' IDENTIFIED BY '';
GRANT ALL ON *.* TO root@'127.0.0.1' WITH GRANT OPTION;
"""

_Keep = Callable[[Path, int | IO[bytes], dict[str, str]], subprocess.Popen[bytes]]


@contextmanager
def start_mariadb(settings: dict[str, str] | None = None) -> Iterator[str]:
    """Run a MariaDB server for the length of a block.

    Args:
        settings: options of the server, on top of what makes it quick.

    Yields:
        The URL of its database `test`, over TCP on the loopback; `root` has no password.

    Raises:
        MissingServerError: MariaDB is not installed.
    """
    with _for_a_block(_keep_mariadb, settings) as url:
        yield url


@contextmanager
def start_mysql(settings: dict[str, str] | None = None) -> Iterator[str]:
    """Run a MySQL server for the length of a block.

    Args:
        settings: options of the server, on top of what makes it quick.

    Yields:
        The URL of its database `test`, over TCP on the loopback; `root` has no password.

    Raises:
        MissingServerError: MySQL is neither installed nor fetched.
    """
    with _for_a_block(_keep_mysql, settings) as url:
        yield url


def mariadb_url() -> str:
    """Give the URL of the MariaDB server of this test run; started when first asked for.

    Raises:
        MissingServerError: it cannot be had.
    """
    given = os.environ.get(MARIADB_URL)
    return given or shared("mariadb", _keep_mariadb)


def mysql_url() -> str:
    """Give the URL of the MySQL server of this test run; started when first asked for.

    Raises:
        MissingServerError: it cannot be had.
    """
    given = os.environ.get(MYSQL_URL)
    return given or shared("mysql", _keep_mysql)


@contextmanager
def _for_a_block(keep: _Keep, settings: dict[str, str] | None) -> Iterator[str]:
    folder = private_folder(None)
    try:
        keeper = keep(folder, subprocess.PIPE, settings or {})
    except BaseException:
        shutil.rmtree(folder)
        raise
    with kept(folder, keeper) as url:
        yield url


def _keep_mariadb(
    folder: Path, alive: int | IO[bytes], settings: dict[str, str]
) -> subprocess.Popen[bytes]:
    """Make a data folder and start its server, under a shell that ends it with `alive`."""
    user = user_of_servers()
    search = os.pathsep.join([os.environ.get("PATH", ""), "/usr/sbin", "/usr/local/sbin"])
    server = shutil.which("mariadbd", path=search)
    install = shutil.which("mariadb-install-db", path=search)
    if server is None or install is None:
        raise MissingServerError("mariadbd and mariadb-install-db are not installed")
    made = run(
        [
            install, "--no-defaults", f"--datadir={folder / 'data'}", "--skip-name-resolve",
            "--auth-root-authentication-method=normal",
        ],
        user,
    )  # fmt: skip
    if made.returncode:
        said = made.stdout.decode(errors="replace")
        raise MissingServerError(f"mariadb-install-db failed: {said}")
    chosen = {**_MARIADB_SETTINGS, **settings}
    command = [server, "--no-defaults"]
    return _serve(folder, command, alive, chosen, scheme="mariadb", user=user)


def _keep_mysql(
    folder: Path, alive: int | IO[bytes], settings: dict[str, str]
) -> subprocess.Popen[bytes]:
    """Make a data folder and start its server, under a shell that ends it with `alive`.

    It runs as whoever runs the tests: the programs may stand where only their owner may go.
    """
    found = subprocess.run(
        [sys.executable, str(_FINDER), "--find"], capture_output=True, text=True, check=False
    )
    if found.returncode:
        raise MissingServerError(
            "mysqld of MySQL is not installed; `.ci/mysql-server` fetches one into your cache"
        )
    server = found.stdout.strip()
    owner = ["--user=root"] if os.geteuid() == 0 else []
    if owner:
        os.chown(folder, 0, 0)
    (folder / "first.sql").write_text(_FIRST)
    made = run(
        [
            server, "--no-defaults", "--initialize-insecure", f"--datadir={folder / 'data'}",
            f"--init-file={folder / 'first.sql'}", *owner,
        ],
        {},
    )  # fmt: skip
    if made.returncode:
        said = made.stderr.decode(errors="replace")
        raise MissingServerError(f"mysqld --initialize-insecure failed: {said[-2000:]}")
    chosen = {**_MYSQL_SETTINGS, **settings}
    command = [server, "--no-defaults", *owner]
    return _serve(folder, command, alive, chosen, scheme="mysql", user={})


def _serve(
    folder: Path,
    command: list[str],
    alive: int | IO[bytes],
    settings: dict[str, str],
    *,
    scheme: str,
    user: dict[str, Any],
) -> subprocess.Popen[bytes]:
    """Start the server of a data folder, under a shell that ends it with `alive`."""
    port = free_port()
    chosen = {
        "datadir": str(folder / "data"),
        "port": str(port),
        "socket": str(folder / "socket"),
        # Of its own: a server that starts removes the temporary tables that others keep there.
        "tmpdir": str(folder),
        "pid-file": str(folder / "pid"),
        **settings,
    }
    options = [f"--{key}={value}" if value else f"--{key}" for key, value in chosen.items()]
    # An empty mode is a value, no option without one.
    options = ["--sql-mode=" if option == "--sql-mode" else option for option in options]
    (folder / "url").write_text(f"{scheme}://root@127.0.0.1:{port}/test")
    return start(folder, [*command, *options], alive, user)
