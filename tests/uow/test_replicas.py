"""Replicas: who reads where, and what becomes of that when one of them is gone."""

from __future__ import annotations

import logging
import time
from collections import Counter
from collections.abc import AsyncIterator
from types import SimpleNamespace
from typing import Any, cast

import anyio
import anyio.lowlevel
import pytest

from uow import (
    Column,
    ConnectionLostError,
    Database,
    DriverError,
    Mapped,
    Outcome,
    Phase,
    PoolClosedError,
    PoolTimeoutError,
    QueryError,
    Session,
    Table,
    ValidationError,
    connect,
    delete,
    insert,
    update,
)
from uow.drivers.memory import Delay, Hang, LoseConnection, MemoryDriver, Raise
from uow.pool import replicas as replicas_module

pytestmark = pytest.mark.anyio


class Item(Table):
    id: Mapped[int] = Column(primary_key=True)
    name: Mapped[str]


class Shop:
    """A database with two replicas that hold the same rows, and the drivers behind it."""

    def __init__(self, database: Database) -> None:
        self.database = database
        self.primary = cast("MemoryDriver", database.driver)
        self.replicas = [cast("MemoryDriver", one) for one in database._replica_drivers]

    @property
    def drivers(self) -> list[MemoryDriver]:
        """The primary's, then those of the replicas."""
        return [self.primary, *self.replicas]

    def clear(self) -> None:
        """Forget what was called until now."""
        for driver in self.drivers:
            driver.clear_log()

    def used(self) -> list[bool]:
        """Whether each driver was asked for anything since."""
        return [bool(driver.log) for driver in self.drivers]

    def assert_balanced(self) -> None:
        """Nothing is on loan anywhere, and the counters agree."""
        pools = [self.database.pool, *(one.pool for one in self.database.replicas)]
        for pool in pools:
            stats = pool.stats
            assert stats.in_use == 0
            assert stats.acquired == stats.released + stats.terminated


async def open_shop(name: str, count: int = 2, **options: Any) -> Shop:
    """Open a database with replicas, and a row in it."""
    database = await connect(f"memory://{name}", replicas=[f"memory://{name}"] * count, **options)
    await database.create_all([Item])
    async with Session.begin(database) as session:
        session.add(Item(id=1, name="one"))
    shop = Shop(database)
    shop.clear()
    return shop


@pytest.fixture
async def shop(request: pytest.FixtureRequest) -> AsyncIterator[Shop]:
    """A database with two replicas."""
    shop = await open_shop(request.node.name)
    yield shop

    for driver in shop.drivers:
        driver.faults.clear()
    await shop.database.aclose()


def refuse_all(driver: MemoryDriver, count: int = 30) -> None:
    """Let a replica be gone: what is connected breaks, and nobody connects again."""
    for number in range(1, count):
        driver.faults.before("connect", Raise(ConnectionLostError("refused")), nth=number)
        driver.faults.before("begin", LoseConnection(), nth=number)
        driver.faults.before("ping", LoseConnection(), nth=number)


async def read(shop: Shop, **options: Any) -> None:
    """Read the row in a session of its own."""
    async with Session(shop.database, read_only=True, **options) as session:
        item = await session.get_one(Item, 1)
        assert item.name == "one"


# -- who reads where


async def test_sessions_that_only_read_go_to_a_replica(shop: Shop) -> None:
    """A `read_only` session sends nothing to the primary; any other sends nothing to a replica."""
    await read(shop)

    assert shop.used()[0] is False
    assert sum(shop.used()) == 1
    shop.clear()
    async with Session(shop.database) as session:
        item = await session.get_one(Item, 1)
        item.name = "uno"
        await session.commit()
    assert shop.used() == [True, False, False]
    shop.assert_balanced()


async def test_each_replica_in_its_turn(shop: Shop) -> None:
    """Sessions one after the other take the replicas in turn, idle connections or none."""
    shop.database.replicas[0].pool.bump()
    for _ in range(10):
        await read(shop)

    begun = [Counter(call.operation for call in one.log)["begin"] for one in shop.replicas]
    assert begun == [5, 5]


async def test_the_least_loaded_replica_first(shop: Shop) -> None:
    """Sessions at the same time are spread, and one that ends makes room where it was."""
    sessions = [Session(shop.database, read_only=True) for _ in range(6)]
    for session in sessions:
        await session.__aenter__()
        await session.get_one(Item, 1)

    pools = [one.pool for one in shop.database.replicas]
    assert [pool.stats.in_use for pool in pools] == [3, 3]
    mine = [one for one in sessions if pools[0].has_lent(one._unit.channel.connection)]  # type: ignore[arg-type]
    for session in mine:
        await session.aclose()
    for _ in range(3):
        session = Session(shop.database, read_only=True)
        sessions.append(await session.__aenter__())
        await session.get_one(Item, 1)
    assert [pool.stats.in_use for pool in pools] == [3, 3]
    for session in sessions:
        await session.aclose()
    shop.assert_balanced()


async def test_a_session_stays_with_its_replica(shop: Shop) -> None:
    """Units of one session read from one replica: time does not run backwards between them."""
    async with Session(shop.database, read_only=True) as session:
        for _ in range(6):
            await session.refresh(await session.get_one(Item, 1))
            await session.commit()

    assert sum(shop.used()) == 1


async def test_a_session_that_is_one_transaction(shop: Shop) -> None:
    """`Session.begin(db, read_only=True)` reads from a replica and commits there."""
    async with Session.begin(shop.database, read_only=True) as session:
        await session.get_one(Item, 1)

    assert shop.used()[0] is False
    assert session.outcome is Outcome.APPLIED
    shop.assert_balanced()


async def test_a_serializable_session_reads_from_the_primary(shop: Shop) -> None:
    """A replica knows nothing of other transactions, so it cannot be in line with them."""
    await read(shop, isolation="serializable")

    assert shop.used() == [True, False, False]


async def test_streams_and_fan_out_read_from_the_replica(shop: Shop) -> None:
    """A cursor, and queries side by side, are of the session's replica."""
    async with Session(shop.database, read_only=True) as session:
        async with session.stream(session.find(Item)) as items:
            assert [item.id async for item in items] == [1]
        first, second = await session.fan_out(session.find(Item), session.find(Item))
        assert first == second

    assert shop.used()[0] is False
    assert sum(shop.used()) == 1
    shop.assert_balanced()


async def test_fan_out_with_one_connection_each(request: pytest.FixtureRequest) -> None:
    """Queries side by side run in turn where a second connection would be waited for."""
    shop = await open_shop(request.node.name, pool_max=1, pool_timeout=0.2)
    async with Session(shop.database, read_only=True) as session:
        await session.get_one(Item, 1)
        found = await session.fan_out(session.find(Item), session.find(Item))

    assert [len(one) for one in found] == [1, 1]
    shop.assert_balanced()
    await shop.database.aclose()


async def test_a_session_without_replicas(request: pytest.FixtureRequest) -> None:
    """Without replicas a `read_only` session reads from the primary, from any position."""
    shop = await open_shop(request.node.name, count=0)
    await read(shop, read_after=await shop.database.position())

    assert shop.database.replicas == ()
    await shop.database.aclose()


async def test_writes_are_refused_before_anything_is_sent(shop: Shop) -> None:
    """A `read_only` session sends no flush, no bulk statement, no lock, to nobody."""
    async with Session(shop.database, read_only=True) as session:
        session.add(Item(id=2, name="two"))
        for write in (
            session.flush(),
            session.commit(),
            session.execute(update(Item).set({Item.name: "x"}).all()),
            session.execute(delete(Item).all()),
            session.execute(insert(Item, id=3, name="three")),
            session.get(Item, 1, for_update=True),
            session.find(Item).for_update().to_list(),
        ):
            with pytest.raises(QueryError, match="read-only"):
                await write
        session.clear()

    assert shop.used() == [False, False, False]


async def test_a_commit_that_only_read_leaves_no_token(shop: Shop) -> None:
    """A verifiable commit writes nothing where nothing may be written."""
    async with Session.begin(shop.database, read_only=True, verify_commit=True) as session:
        await session.get_one(Item, 1)

    assert session.outcome is Outcome.APPLIED
    shop.assert_balanced()


# -- when a replica is gone


async def test_a_replica_that_is_gone(shop: Shop, caplog: pytest.LogCaptureFixture) -> None:
    """Sessions do not notice a replica that breaks between them; it is left out and named."""
    for _ in range(4):
        await read(shop)  # connections are idle at both
    refuse_all(shop.replicas[0])
    with caplog.at_level(logging.WARNING, logger="uow"):
        for _ in range(6):
            await read(shop)

    lost, sound = shop.database.replicas
    assert not lost.is_sound
    assert isinstance(lost.failure, ConnectionLostError)
    assert sound.is_sound
    assert "left out" in repr(lost)
    assert caplog.text.count("is left out") == 1
    shop.clear()
    await read(shop)
    assert shop.used() == [False, False, True]
    shop.assert_balanced()


async def test_the_primary_when_none_is_left(shop: Shop) -> None:
    """With no replica left sessions read from the primary."""
    for driver in shop.replicas:
        refuse_all(driver)
    for _ in range(4):
        await read(shop)
    shop.clear()
    await read(shop)

    assert not any(replica.is_sound for replica in shop.database.replicas)
    assert shop.used() == [True, False, False]
    shop.assert_balanced()


async def test_a_stream_of_a_replica_that_is_gone(shop: Shop) -> None:
    """F26: a cursor opens elsewhere, if its unit had not begun."""
    for driver in shop.replicas:
        refuse_all(driver)
    async with (
        Session(shop.database, read_only=True) as session,
        session.stream(session.find(Item)) as items,
    ):
        assert [item.id async for item in items] == [1]

    assert shop.used()[0]
    shop.assert_balanced()


async def test_replicas_that_answer_and_then_break(shop: Shop) -> None:
    """F26: a session that lost two connections of replicas at BEGIN begins at the primary."""
    for _ in range(4):
        await read(shop)  # connections are idle at both, and pass their test
    for driver in shop.replicas:
        for number in range(1, 9):
            driver.faults.before("begin", LoseConnection(), nth=number)
    shop.clear()
    await read(shop)

    assert shop.used()[0]
    begun = [call for driver in shop.replicas for call in driver.log if call.operation == "begin"]
    assert len(begun) == 2
    shop.assert_balanced()


async def test_a_replica_that_breaks_what_it_just_opened(shop: Shop) -> None:
    """A connection lost at BEGIN that had just been opened says that its replica is not well."""
    for replica, driver in zip(shop.database.replicas, shop.replicas, strict=True):
        replica.pool.bump()
        driver.faults.before("begin", LoseConnection())
    await read(shop)

    assert sorted(replica.is_sound for replica in shop.database.replicas) == [False, False]
    assert shop.used() == [True, True, True]
    shop.assert_balanced()


async def test_what_others_found_out_meanwhile(shop: Shop) -> None:
    """A replica left out while a session waited for another is not asked any more."""
    hang = Hang()
    for replica, driver in zip(shop.database.replicas, shop.replicas, strict=True):
        replica.pool.bump()
        driver.faults.before("connect", hang)
        driver.faults.after("connect", Raise(ConnectionLostError("refused")))
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(read, shop)
        await hang.wait_entered()
        for replica, driver in zip(shop.database.replicas, shop.replicas, strict=True):
            if not driver.log:
                replica.leave_out(ConnectionLostError("gone"))
        hang.release()

    assert sum(shop.used()[1:]) == 1
    assert shop.used()[0]
    shop.assert_balanced()


async def test_a_commit_at_a_replica_that_does_not_end(request: pytest.FixtureRequest) -> None:
    """What is not answered in time is cut off where it was, and its place is free again."""
    shop = await open_shop(request.node.name, commit_timeout=0.05)
    for driver in shop.replicas:
        driver.faults.before("commit", Hang())
    async with Session(shop.database, read_only=True) as session:
        await session.get_one(Item, 1)
        with pytest.raises(ConnectionLostError):
            await session.commit()

    assert sum(replica.pool.stats.terminated for replica in shop.database.replicas) == 1
    shop.assert_balanced()
    await shop.database.aclose()


async def test_a_forgotten_session(shop: Shop) -> None:
    """F18: a session at a replica that nobody closed gives its place there back, with a warning."""

    async def forget() -> None:
        session = await Session(shop.database, read_only=True).__aenter__()
        await session.get_one(Item, 1)
        assert sum(replica.pool.stats.in_use for replica in shop.database.replicas) == 1

    with pytest.warns(ResourceWarning, match="never closed"):
        await forget()

    assert sum(replica.pool.stats.terminated for replica in shop.database.replicas) == 1
    shop.assert_balanced()


@pytest.mark.parametrize("operation", ["fetch", "stream"])
async def test_never_in_the_middle_of_a_unit(shop: Shop, operation: str) -> None:
    """F26: a unit that has begun is never moved: what it read before would not be the same."""
    for driver in shop.replicas:
        driver.faults.before(operation, LoseConnection())
    async with Session(shop.database, read_only=True) as session:
        with pytest.raises(ConnectionLostError) as caught:
            if operation == "fetch":
                await session.get(Item, 1)
            else:
                async with session.stream(session.find(Item)):
                    pass
        assert caught.value.phase is Phase.QUERY

    assert shop.used()[0] is False
    shop.assert_balanced()


async def test_a_loss_at_the_end_of_a_unit_that_read(shop: Shop) -> None:
    """Nothing can be unknown of a transaction that only read: the connection is lost, no more."""
    for driver in shop.replicas:
        driver.faults.before("commit", LoseConnection())
    async with Session(shop.database, read_only=True) as session:
        await session.get_one(Item, 1)
        with pytest.raises(ConnectionLostError) as caught:
            await session.commit()
        assert caught.value.phase is Phase.COMMIT
        assert session.outcome is Outcome.NOT_APPLIED
        await session.rollback()
        assert (await session.get_one(Item, 1)).name == "one"

    shop.assert_balanced()


async def test_a_replica_that_does_not_answer(request: pytest.FixtureRequest) -> None:
    """A black hole costs one session one bound; those after it nothing."""
    shop = await open_shop(request.node.name, replica_timeout=0.3)
    hung = shop.replicas[0]
    for number in range(1, 20):
        hung.faults.before("connect", Hang(), nth=number)
        hung.faults.before("ping", Hang(), nth=number)
    for replica in shop.database.replicas:
        replica.pool.bump()
    for _ in range(10):
        await read(shop)

    assert [call.operation for call in hung.log] == ["connect"]
    assert not shop.database.replicas[0].is_sound
    shop.assert_balanced()
    await shop.database.aclose()


async def test_a_replica_comes_back(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    """After a while one session tries what was left out, and if it answers all use it again."""
    replica = shop.database.replicas[0]
    refuse_all(shop.replicas[0])
    replica.pool.bump()
    for _ in range(4):
        await read(shop)
    assert not replica.is_sound
    shop.replicas[0].faults.clear()
    await read(shop)
    assert not replica.is_sound  # not before its time
    clock = time.monotonic() + replicas_module.FIRST_REST
    monkeypatch.setattr(replicas_module, "time", SimpleNamespace(monotonic=lambda: clock))
    await read(shop)

    assert replica.is_sound
    shop.assert_balanced()


async def test_only_one_session_tries(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    """While one session tries a replica that was left out, others are served elsewhere at once."""
    replica, driver = shop.database.replicas[0], shop.replicas[0]
    replica.pool.bump()
    replica.leave_out(ConnectionLostError("gone"))
    clock = time.monotonic() + replicas_module.FIRST_REST
    monkeypatch.setattr(replicas_module, "time", SimpleNamespace(monotonic=lambda: clock))
    hang = Hang()
    driver.faults.before("connect", hang)
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(read, shop)
        await hang.wait_entered()
        for _ in range(4):
            await read(shop)
        assert Counter(call.operation for call in driver.log) == {"connect": 1}
        hang.release()

    assert replica.is_sound
    shop.assert_balanced()


async def test_rests_grow(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    """A replica that fails each time it is tried is left out for longer, up to a bound."""
    replica, driver = shop.database.replicas[0], shop.replicas[0]
    replica.pool.bump()
    now = time.monotonic()
    monkeypatch.setattr(replicas_module, "time", SimpleNamespace(monotonic=lambda: now))
    rests: list[float] = []
    for _ in range(12):
        driver.faults.before("connect", Raise(DriverError("no such role")))
        assert await replica.acquire(1) is None
        rests.append(replica._rests_until - now)
        # Others that fail while it is left out add nothing.
        replica.leave_out(DriverError("also"))
        now = replica._rests_until

    for number, rest in enumerate(rests):
        longest = min(replicas_module.LONGEST_REST, 2.0**number)
        assert longest / 2 <= rest <= longest
    assert str(replica.failure) == "no such role"


async def test_a_replica_that_is_merely_busy(request: pytest.FixtureRequest) -> None:
    """Replicas with every connection on loan are waited for; the primary is spared the load."""
    shop = await open_shop(request.node.name, pool_max=1, pool_timeout=0.05)
    sessions = [Session(shop.database, read_only=True) for _ in range(2)]
    for session in sessions:
        await session.__aenter__()
        await session.get_one(Item, 1)
    with pytest.raises(PoolTimeoutError, match=r"test_replicas\.py"):
        await read(shop)

    assert shop.used()[0] is False
    assert all(replica.is_sound for replica in shop.database.replicas)
    for session in sessions:
        await session.aclose()
    shop.assert_balanced()
    await shop.database.aclose()


async def test_a_cancelled_session_leaves_nothing(shop: Shop) -> None:
    """R1: cancelled while it looks for a replica, a session holds nothing anywhere."""
    for driver in shop.replicas:
        driver.faults.before("has_reached", Hang())
    after = await shop.database.position()
    with anyio.move_on_after(0.02) as scope:
        await read(shop, read_after=after)

    assert scope.cancelled_caught
    assert all(replica.is_sound for replica in shop.database.replicas)
    shop.assert_balanced()


# -- opening and closing


async def test_a_replica_that_is_down_keeps_nobody_from_opening(
    request: pytest.FixtureRequest,
) -> None:
    """The database opens without the replica, which is known to be left out."""
    database = Database("memory://up", replicas=["memory://up", "memory://up"], pool_min=2)
    drivers = [cast("MemoryDriver", one) for one in database._replica_drivers]
    drivers[0].faults.before("connect", Raise(ConnectionLostError("refused")))
    async with database:
        assert [replica.is_sound for replica in database.replicas] == [False, True]
        assert database.replicas[1].pool.stats.idle == 2
        assert database.replicas[0].pool.stats.size == 0


async def test_a_primary_that_is_down_does(request: pytest.FixtureRequest) -> None:
    """A database whose primary cannot be reached does not open, and leaves nothing open."""
    database = Database("memory://down", replicas=["memory://down"], pool_timeout=0.01)
    driver = cast("MemoryDriver", database.driver)
    driver.faults.before("connect", Raise(DriverError("no such host")))
    with pytest.raises(DriverError):
        await database.open()

    assert all(replica.pool.is_closed for replica in database.replicas)


async def test_replicas_close_with_the_database(request: pytest.FixtureRequest) -> None:
    """Closing closes the pools of all replicas, at the same time; waiters are told."""
    shop = await open_shop(request.node.name)
    held = [await replica.pool.acquire() for replica in shop.database.replicas]
    start = time.monotonic()
    await shop.database.aclose(timeout=1.0)

    assert time.monotonic() - start < 1.9
    assert all(connection.is_closed for connection in held)
    with pytest.raises(PoolClosedError):
        await shop.database.replicas[0].pool.acquire()
    with pytest.raises(PoolClosedError):
        await shop.database.position()
    for driver in shop.drivers:
        with pytest.raises(PoolClosedError):
            await driver.connect()


@pytest.mark.parametrize(
    ("options", "named"),
    [
        ({"replicas": "memory://x"}, "list of database URLs"),
        ({"replicas": ["sqlite://"]}, "copy"),
        ({"replicas": ["nowhere"]}, "scheme://"),
        ({"replica_timeout": -1}, "replica_timeout"),
        ({"replica_wait": "soon"}, "replica_wait"),
        ({"pool_timeout": float("nan")}, "pool_timeout"),
        ({"pool_waiters": 1.5}, "pool_waiters"),
        ({"pool_max": "20"}, "pool_max"),
    ],
)
def test_wrong_options(options: dict[str, Any], named: str) -> None:
    """Options that cannot be are refused by name, before anything is opened."""
    with pytest.raises(ValidationError, match=named):
        Database("memory://x", **options)


# -- one's own writes


async def test_a_replica_that_is_behind_is_waited_for(shop: Shop) -> None:
    """`read_after` waits until the replica is there, and reads from it then."""
    async with Session.begin(shop.database) as session:
        session.add(Item(id=2, name="two"))
    after = await shop.database.position()
    for driver in shop.replicas:
        driver.lag = 1

    async def catch_up() -> None:
        await anyio.sleep(0.05)
        for driver in shop.replicas:
            driver.lag = 0

    shop.clear()
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(catch_up)
        async with Session(shop.database, read_only=True, read_after=after) as session:
            assert await session.get(Item, 2) is not None
            # It is there now, and is not asked again.
            await session.commit()
            for replica, driver in zip(shop.database.replicas, shop.replicas, strict=True):
                replica.pool.bump()
                driver.clear_log()
            await session.refresh(await session.get_one(Item, 2))

    assert shop.used()[0] is False
    asked = [call.operation for driver in shop.replicas for call in driver.log]
    assert "has_reached" not in asked
    shop.assert_balanced()


async def test_a_replica_that_stays_behind(request: pytest.FixtureRequest) -> None:
    """Past the wait one reads from another replica, or from the primary; in one wait for all."""
    shop = await open_shop(request.node.name, replica_wait=0.5)
    after = await shop.database.position()
    shop.clear()
    shop.replicas[0].lag = 1
    for _ in range(4):
        await read(shop, read_after=after)
    assert shop.used()[0] is False

    shop.replicas[1].lag = 1
    start = time.monotonic()
    async with Session(shop.database, read_only=True, read_after=after) as session:
        await session.get_one(Item, 1)
        assert shop.used()[0]
        waited = time.monotonic() - start
        await session.commit()
        shop.clear()
        await session.refresh(await session.get_one(Item, 1))
        # It goes on reading where it had to go: what it saw there a replica may not have.
        assert shop.used() == [True, False, False]

    assert 0.5 <= waited < 0.95
    assert all(replica.is_sound for replica in shop.database.replicas)
    shop.assert_balanced()
    await shop.database.aclose()


async def test_a_replica_that_cannot_tell(shop: Shop) -> None:
    """A replica that does not know how far it is, is not waited for."""
    for driver in shop.replicas:
        driver.lag = None
    after = await shop.database.position()
    shop.clear()
    start = time.monotonic()
    await read(shop, read_after=after)

    assert time.monotonic() - start < 0.9
    assert shop.used() == [True, True, True]
    shop.assert_balanced()


async def test_a_replica_that_fails_to_tell(shop: Shop) -> None:
    """A replica lost while it is asked how far it is, is passed by."""
    after = await shop.database.position()
    for driver in shop.replicas:
        driver.faults.before("has_reached", LoseConnection())
    shop.clear()
    await read(shop, read_after=after)

    assert shop.used() == [True, True, True]
    shop.assert_balanced()


async def test_what_is_no_position(shop: Shop) -> None:
    """A text that is no position is an error of the caller's, and leaves no connection out."""
    with pytest.raises(ValidationError, match="position"):
        await read(shop, read_after="yesterday")
    with pytest.raises(ValidationError, match="position"):
        Session(shop.database, read_after="")  # at the primary, too
    with pytest.raises(QueryError, match="read_after"):
        Session(shop.database, read_only=True, read_after=7)  # type: ignore[arg-type]

    assert all(replica.is_sound for replica in shop.database.replicas)
    shop.assert_balanced()


async def test_a_position_is_asked_for_on_a_fresh_connection(shop: Shop) -> None:
    """F26: a connection that died in the pool does not keep `position` from an answer."""
    async with Session(shop.database) as session:
        await session.get_one(Item, 1)  # leaves an idle connection
    shop.primary.faults.before("position", LoseConnection())
    position = await shop.database.position()

    assert position.isdigit()


async def test_stores_without_positions(tmp_path: Any) -> None:
    """Where there are no positions there is nothing to wait for; with replicas that is an error."""
    url = f"sqlite:///{tmp_path}/shop.db"
    async with Database(url) as database:
        await database.create_all([Item])
        assert await database.position() == ""
        async with Session(database, read_only=True, read_after="") as session:
            assert await session.get(Item, 1) is None
    async with Database(url, replicas=[url]) as database:
        with pytest.raises(QueryError, match="cannot say"):
            await database.position()
        assert database.pool.stats.in_use == 0
        async with Session(database, read_only=True, read_after="9") as session:
            assert await session.get(Item, 1) is None
        assert database.replicas[0].pool.stats.acquired == 2


async def test_many_sessions_with_chaos(shop: Shop) -> None:
    """Replicas that break at random never break a count, nor what a session reads."""
    for seed, driver in enumerate(shop.replicas):
        driver.faults.chaos(seed, 0.05, [LoseConnection, lambda: Delay(0.001)])
    phases: list[Phase | None] = []

    async def one() -> None:
        try:
            await read(shop)
        except ConnectionLostError as error:
            phases.append(error.phase)

    async with anyio.create_task_group() as tasks:
        for _ in range(300):
            tasks.start_soon(one)
            await anyio.lowlevel.checkpoint()

    # A unit that has not begun is begun elsewhere.
    assert set(phases) <= {Phase.QUERY, Phase.COMMIT}
    assert len(phases) < 300
    shop.assert_balanced()
