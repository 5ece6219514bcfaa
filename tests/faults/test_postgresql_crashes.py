"""PostgreSQL that crashes, restarts, or has no room left (F28-F30, F57), on a server of its own."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

import anyio
import pytest

from tests.faults.crashing import CrashingServer, crashing_server
from tests.faults.models import Account, Entry
from tests.faults.postgresql import Outside, PostgreSQLWorld, looking, postgresql_world
from tests.faults.proxy import Cut, completed, running, runs
from tests.servers import REQUIRED, MissingServerError
from uow import (
    CommitUnknownError,
    ConnectionLostError,
    Outcome,
    ResourceError,
    Session,
    UowError,
    run,
    sql,
)

pytestmark = [pytest.mark.anyio, pytest.mark.parametrize("anyio_backend", ["asyncio"])]


@pytest.fixture(scope="module")
def server() -> Iterator[CrashingServer]:
    """A server that may be killed; a folder with a short name, because a socket stands in it."""
    folder = Path(tempfile.mkdtemp(prefix="uow-"))
    folder.chmod(0o755)
    try:
        with crashing_server(folder, {}) as server:
            yield server
    except MissingServerError as error:
        if os.environ.get(REQUIRED) == "1":
            raise
        pytest.skip(str(error))
    finally:
        shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture
def looks(server: CrashingServer) -> Iterator[Outside]:
    """A connection that is not under test; it is made anew after a crash."""
    with looking(server.address) as outside:
        yield outside


def world_in(looks: Outside, pool_max: int = 4) -> PostgreSQLWorld:
    """A database in the server."""
    return postgresql_world(looks, pool_max=pool_max, pool_timeout=20.0)


async def fill(world: PostgreSQLWorld, count: int) -> None:
    """Have as many idle connections."""
    pool = world.database.pool
    for connection in [await pool.acquire() for _ in range(count)]:
        await pool.release(connection)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGKILL])
async def test_whole_pool_is_stale(
    server: CrashingServer, looks: Outside, number: signal.Signals
) -> None:
    """F28: after a restart one loss tells of all; a unit under way fails once, others do not."""
    world = world_in(looks)
    async with world.database:
        await world.create()
        await fill(world, 4)
        async with Session(world.database) as session:
            (await session.get_one(Account, 1)).amount = 11
            await session.flush()
            looks.close()
            server.kill(number)
            server.start()
            with pytest.raises(ConnectionLostError) as caught:
                await session.find(Entry).to_list()
            assert caught.value.outcome is Outcome.NOT_APPLIED
            await session.rollback()
        for amount in range(12, 16):
            async with Session(world.database) as session:
                (await session.get_one(Account, 1)).amount = amount
                await session.commit()
        errors: list[UowError] = []

        async def reads() -> None:
            try:
                async with Session(world.database) as session:
                    await session.get_one(Account, 2)
            except UowError as error:
                errors.append(error)

        async with anyio.create_task_group() as tasks:
            for _ in range(8):
                tasks.start_soon(reads)

        assert errors == []
        assert world.rows()["ann@x.org"][1] == 15
        world.assert_quiet()


async def test_one_killed_process_is_a_crash(server: CrashingServer, looks: Outside) -> None:
    """F29: one process killed hard makes the server recover; acquiring waits for that, bounded."""
    world = world_in(looks)
    async with world.database:
        await world.create()
        await fill(world, 2)
        async with Session(world.database, verify_commit=True) as session:
            session.add(Account(email="before@x.org", name="Kept"))
            await session.commit()
        session = Session(world.database)
        async with session:
            (await session.get_one(Account, 1)).amount = 11
            session.add(Account(email="during@x.org", name="Lost"))
            await session.flush()
            pid = next(iter(await session.execute(sql("SELECT pg_backend_pid()"))))[0]
            looks.close()
            os.kill(pid, signal.SIGKILL)
            with pytest.raises(UowError):
                await session.find(Entry).to_list()
            await session.rollback()

        async def work(session: Session) -> None:
            (await session.get_one(Account, 1)).amount += 5

        with anyio.fail_after(20):
            await run(work, world.database)

        rows = world.rows()
        assert rows["ann@x.org"][1] == 15
        assert "before@x.org" in rows
        assert "during@x.org" not in rows
        world.assert_quiet()


async def test_verify_across_a_crash(server: CrashingServer, looks: Outside) -> None:
    """F20, R7: after a crash "rolled back" is still the truth; "committed" may be another's."""
    with running(server.address.host, server.address.port) as proxy:
        world = postgresql_world(looks, proxy=proxy, pool_timeout=20.0)
        errors: list[CommitUnknownError] = []
        async with world.database:
            await world.create()
            for email, cuts_at in (
                ("lost@x.org", runs),
                ("kept@x.org", completed),
                ("last@x.org", runs),
            ):
                async with Session(world.database, verify_commit=True) as session:
                    session.add(Account(email=email, name="New"))
                    proxy.before(cuts_at("COMMIT"), Cut())
                    with pytest.raises(CommitUnknownError) as caught:
                        await session.commit()
                    errors.append(caught.value)
            before = [await error.verify() for error in errors]
            looks.close()
            server.kill(signal.SIGKILL)
            server.start()
            after = [await error.verify() for error in errors]

            assert before == [Outcome.NOT_APPLIED, Outcome.APPLIED, Outcome.NOT_APPLIED]
            assert after[:2] == [Outcome.NOT_APPLIED, Outcome.UNKNOWN]
            # Whether the server still knows that number depends on what had reached its disk.
            assert after[2] in (Outcome.NOT_APPLIED, Outcome.UNKNOWN)
            assert "kept@x.org" in world.rows()


async def test_storm(server: CrashingServer, looks: Outside) -> None:
    """F30: killed in a storm of commits, what was acknowledged is there, what was refused is not.

    What is unknown is either; what `verify` then says of it is true.
    """
    world = world_in(looks, pool_max=6)
    stored: set[str] = set()
    refused: dict[str, UowError] = {}
    unknown: dict[str, CommitUnknownError] = {}
    stops = False

    async def writes(place: int) -> None:
        number = 0
        while not stops:
            number += 1
            email = f"{place}-{number}@x.org"
            session = Session(world.database, verify_commit=True)
            try:
                async with session:
                    session.add(Account(email=email, name="New"))
                    await session.flush()
                    session.add(Entry(code=email, account_id=1))
                    await session.commit()
                stored.add(email)
            except CommitUnknownError as error:
                unknown[email] = error
            except UowError as error:
                refused[email] = error
                await anyio.sleep(0.01)

    async def reaches(count: int) -> None:
        with anyio.fail_after(15):
            while len(stored) < count:  # noqa: ASYNC110  # it is other tasks that count
                await anyio.sleep(0.005)

    async with world.database:
        await world.create()
        looks.close()
        for _ in range(2):
            stops = False
            async with anyio.create_task_group() as tasks:
                for place in range(6):
                    tasks.start_soon(writes, len(stored) * 10 + place)
                await reaches(len(stored) + 40)
                await anyio.to_thread.run_sync(server.kill, signal.SIGKILL)
                await anyio.to_thread.run_sync(server.start)
                await reaches(len(stored) + 10)
                stops = True
        said = {email: await error.verify() for email, error in unknown.items()}
        rows = world.rows()
        codes = {code for (code,) in looks.ask("SELECT code FROM fault_entries")}

        assert stored <= set(rows)
        assert stored <= codes
        assert not set(refused) & (set(rows) | codes)
        assert {error.outcome for error in refused.values()} <= {Outcome.NOT_APPLIED, None}
        for email, outcome in said.items():
            assert (email in rows) is (email in codes)
            if outcome is not Outcome.UNKNOWN:
                assert (email in rows) is (outcome is Outcome.APPLIED)
        world.assert_quiet()


# -- F57: no room


@pytest.fixture
def small_disk(server: CrashingServer, looks: Outside) -> Iterator[Path]:
    """A place for tables on a disk of two megabytes."""
    place = server.folder / "small"
    place.mkdir()
    owner = server.folder.stat()
    os.chown(place, owner.st_uid, owner.st_gid)
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", f"size=2m,uid={owner.st_uid},mode=700", "none", str(place)],
        capture_output=True,
        check=False,
    )
    if mounted.returncode:
        place.rmdir()
        pytest.skip("no disk can be mounted here")
    try:
        inner = place / "space"
        inner.mkdir(mode=0o700)
        os.chown(inner, owner.st_uid, owner.st_gid)
        looks.script(f"CREATE TABLESPACE small LOCATION '{inner}'")
        yield place
        looks.script("ALTER TABLE fault_accounts SET TABLESPACE pg_default")
        looks.script("DROP TABLESPACE small")
    finally:
        subprocess.run(["umount", "-l", str(place)], check=False)


async def test_disk_full(server: CrashingServer, looks: Outside, small_disk: Path) -> None:
    """F57: a full disk is an error of its own, nothing is stored, and it works when there is room.

    What a transaction leaves in the files is the server's to clear away.
    """
    world = world_in(looks)
    async with world.database:
        await world.create()
        looks.script("ALTER TABLE fault_accounts SET TABLESPACE small")
        text = os.urandom(1500).hex()  # nothing that can be made smaller
        async with Session(world.database) as session:
            session.add_all(
                [Account(email=f"{n}@x.org", name=f"{text[n:]}{text[:n]}") for n in range(2000)]
            )
            with pytest.raises(ResourceError) as caught:
                await session.commit()
            assert caught.value.outcome is session.outcome is Outcome.NOT_APPLIED
            assert len(world.rows()) == 4
            assert len(session.new) == 2000
            world.assert_quiet()
            await session.rollback()
        await anyio.run_process(["mount", "-o", "remount,size=32m", str(small_disk)])
        async with Session(world.database) as session:
            session.add(Account(email="new@x.org", name="New"))
            await session.commit()
        assert "new@x.org" in world.rows()
        world.assert_quiet()


async def test_no_room_for_temporary_files(server: CrashingServer, looks: Outside) -> None:
    """F57: the same for the files that a large sort needs."""
    world = world_in(looks)
    async with world.database:
        await world.create()
        looks.script("ALTER DATABASE postgres SET temp_file_limit = 64")
        looks.script("ALTER DATABASE postgres SET work_mem = 64")
        try:
            world.database.pool.bump()
            async with Session(world.database) as session:
                (await session.get_one(Account, 1)).amount = 11
                await session.flush()
                with pytest.raises(ResourceError) as caught:
                    await session.execute(
                        sql("SELECT n FROM generate_series(1, 100000) AS n ORDER BY random()")
                    )
                assert caught.value.outcome is Outcome.NOT_APPLIED
                await session.rollback()
            assert world.rows()["ann@x.org"][1] == 10
            world.assert_quiet()
        finally:
            looks.script("ALTER DATABASE postgres RESET temp_file_limit")
            looks.script("ALTER DATABASE postgres RESET work_mem")
