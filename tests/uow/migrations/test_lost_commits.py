"""G2: nobody answers the COMMIT of a migration: nobody guesses, and nothing is done twice."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from urllib.parse import urlsplit, urlunsplit

import pytest

from tests.faults.mysql_messages import MySQLFraming, answers
from tests.faults.postgresql import Address
from tests.faults.proxy import Call, Cut, Proxy, completed, running, runs
from tests.uow.migrations.support import STORES, Folder, Store, open_empty
from uow import (
    CommitUnknownError,
    Database,
    MigrationError,
    Outcome,
    Session,
    get_migration_status,
    revert_migrations,
    run_migrations,
    sql,
)
from uow.url import parse_url

pytestmark = [pytest.mark.anyio, pytest.mark.thorough]

UP = """
await self.create_table("a", {"id": "INTEGER PRIMARY KEY"})
await self.execute("INSERT INTO a (id) VALUES (1)")
await self.execute("INSERT INTO a (id) VALUES (2)")
"""
DOWN = 'await self.drop_table("a")'


@contextmanager
def behind_proxy(store: Store, url: str) -> Iterator[tuple[Proxy, str]]:
    """Run a proxy in front of a server; give it, and the URL that leads through it."""
    if store.name == "postgresql":
        address = Address.parse(url)
        with running(address.host, address.port) as proxy:
            yield proxy, address.url(proxy)
        return
    place = parse_url(url)
    with running(place.host or "", place.port or 3306, MySQLFraming) as proxy:
        parts = urlsplit(url)
        who = parts.netloc.rpartition("@")[0]
        there = parts._replace(netloc=f"{who}@{proxy.host}:{proxy.port}")
        yield proxy, urlunsplit(there)


async def ids(database: Database) -> list[int]:
    """The rows of the table, as another connection sees them."""
    async with Session(database, read_only=True) as session:
        rows = await session.execute(sql("SELECT id FROM a ORDER BY id"))
        return [row.id for row in rows]


@pytest.mark.parametrize("is_stored", [True, False], ids=["stored", "not stored"])
async def test_a_transaction(is_stored: bool, postgresql_database: str, folder: Folder) -> None:
    """The error says that it may be stored or not; the history knows, and the next run goes on."""
    store = STORES["postgresql"]
    folder.add("1", UP, DOWN)
    folder.add("2", 'await self.add_column("a", "b", "TEXT")', "pass")
    lost = completed("COMMIT") if is_stored else runs("COMMIT")
    async for direct in open_empty(store, postgresql_database):
        with behind_proxy(store, postgresql_database) as (proxy, url):
            async with Database(url) as database:
                proxy.before(lost, Cut())
                with pytest.raises(MigrationError, match="it may be stored or not") as caught:
                    await run_migrations(database, folder.path)
                assert proxy.pending == 0
                assert caught.value.outcome is Outcome.UNKNOWN
                assert isinstance(caught.value.__cause__, CommitUnknownError)

                status = await get_migration_status(direct, folder.path)
                assert status.applied == (("1",) if is_stored else ())
                assert status.problems == ()
                runs_ = await run_migrations(database, folder.path)
                assert [one.version for one in runs_] == (["2"] if is_stored else ["1", "2"])
                assert await ids(direct) == [1, 2]

                await revert_migrations(database, folder.path)
                proxy.before(lost, Cut())
                with pytest.raises(MigrationError, match="going down") as caught:
                    await revert_migrations(database, folder.path)
                assert caught.value.outcome is Outcome.UNKNOWN
                status = await get_migration_status(direct, folder.path)
                assert status.applied == (() if is_stored else ("1",))
                await revert_migrations(database, folder.path, target="base")
                assert (await get_migration_status(direct, folder.path)).applied == ()


@pytest.mark.needs("steps")
@pytest.mark.parametrize("nth", [1, 2])
@pytest.mark.parametrize("is_stored", [True, False], ids=["stored", "not stored"])
async def test_a_step(  # noqa: PLR0917 - fixtures
    store: Store, url: str, database: Database, is_stored: bool, nth: int, folder: Folder
) -> None:
    """Where a step is a transaction with its note, the next run goes on behind what is stored."""
    folder.add("1", UP, DOWN)
    lost = answers("COMMIT") if is_stored else runs("COMMIT")
    with behind_proxy(store, url) as (proxy, through):
        async with Database(through) as behind:
            insert = runs(f"INSERT INTO a (id) VALUES ({nth})")
            proxy.before(insert, Call(lambda: proxy.before(lost, Cut())))
            with pytest.raises(MigrationError) as caught:
                await run_migrations(behind, folder.path)
            assert proxy.pending == 0
            assert caught.value.outcome is Outcome.UNKNOWN
            assert isinstance(caught.value.__cause__, CommitUnknownError)
            assert await ids(database) == [1, 2][: nth - 1 + is_stored]

            status = await get_migration_status(database, folder.path)
            (entry,) = status.history
            assert len(entry.done) == nth + is_stored
            assert (status.pending, entry.doing) == (("1",), None)
            (run,) = await run_migrations(behind, folder.path)
            assert run.version == "1"
            assert await ids(database) == [1, 2]
            assert (await get_migration_status(database, folder.path)).applied == ("1",)
