"""Whole units of work over MongoDB, and what goes wrong in them."""

from __future__ import annotations

import gc
from collections.abc import AsyncIterator
from typing import Annotated, Any

import anyio
import anyio.lowlevel
import pytest

from tests.faults.steps import SCOPE, TASK, run_cancelled
from tests.support import mongodb
from tests.support.mongodb import (
    LEAVES_SOCKETS,
    Recorder,
    collected,
    database_of,
    fail_point,
    is_quiet,
)
from uow import (
    Column,
    CommitUnknownError,
    ConstraintError,
    Database,
    Document,
    Indexed,
    Mapped,
    Outcome,
    RetryableError,
    Session,
    SessionClosedError,
    StaleObjectError,
    State,
    TransactionPoisonedError,
    UowError,
    run,
    state,
)

__all__ = ["collected"]

pytestmark = [pytest.mark.anyio, pytest.mark.usefixtures("collected"), LEAVES_SOCKETS]


class Member(Document):
    """A document with a unique name and a revision."""

    class Settings:
        name = "members"
        use_revision = True

    name: Annotated[Mapped[str], Indexed(unique=True)]
    n: Mapped[int] = Column(default=0)


class Log(Document):
    """A document of another collection."""

    class Settings:
        name = "logs"

    text: Mapped[str]


@pytest.fixture
def anyio_backend() -> str:
    """PyMongo runs under asyncio alone."""
    return "asyncio"


class Store:
    """A database, what its client sent, and what is in it."""

    def __init__(self, url: str, database: Database, recorder: Recorder) -> None:
        self.url = url
        self.app = url.rpartition("appName=")[2]
        self.database = database
        self.recorder = recorder

    def fail(self, *commands: str, **data: Any) -> Any:
        """Have commands of this database fail."""
        return fail_point(self.url, *commands, app=self.app, **data)

    def stored(self) -> tuple[dict[str, int], int]:
        """The members, and how many logs there are."""
        with database_of(self.url) as database:
            members = {row["name"]: row["n"] for row in database["members"].find()}
            return members, database["logs"].count_documents({})

    async def is_clean(self) -> bool:
        """Whether nothing is on loan, and the server holds no transaction."""
        return self.database.pool.stats.in_use == 0 and await is_quiet(self.url)


@pytest.fixture(params=["mongodb", "mongodb+motor"])
async def store(request: pytest.FixtureRequest, mongodb_database: str) -> AsyncIterator[Store]:
    """An empty database with two members, quick to give up."""
    mongodb.empty(mongodb_database)
    recorder = Recorder()
    url = mongodb_database.replace("mongodb", request.param, 1)
    async with Database(
        url, event_listeners=[recorder], heartbeatFrequencyMS=500, commit_timeout=1.0
    ) as database:
        await database.create_all([Member, Log])
        async with Session.begin(database) as session:
            session.add_all([Member(name="ann"), Member(name="bob")])
        recorder.sent.clear()
        yield Store(mongodb_database, database, recorder)


async def work(session: Session) -> None:
    """A unit: it reads, changes, adds, and writes to two collections."""
    ann = await session.find(Member, Member.name == "ann").one()
    bob = await session.find(Member, Member.name == "bob").one()
    ann.n += 1
    bob.n += 1
    session.add(Log(text="one"))
    await session.flush()
    session.add(Log(text="two"))


async def test_every_command_of_a_unit(store: Store) -> None:
    """F65: it carries the session and the number of its transaction."""
    async with Session.begin(store.database) as session:
        await work(session)
        await session.find(Log).count()
        ann = await session.get_one(Member, (await session.find(Member).first()).id)  # type: ignore[union-attr]
        await session.refresh(ann)
        session.delete(ann)

    sent = store.recorder.sent
    assert {"find", "insert", "update", "delete", "commitTransaction"} <= set(store.recorder.names)
    assert len({bytes(command["lsid"]["id"]) for command in sent}) == 1
    assert len({command["txnNumber"] for command in sent}) == 1
    assert all(command["autocommit"] is False for command in sent)


async def test_a_swallowed_error(store: Store) -> None:
    """F43: the server has ended the transaction: the commit is an error, nothing is stored."""
    with pytest.raises(TransactionPoisonedError):
        async with Session.begin(store.database) as session:
            session.add(Log(text="one"))
            await session.flush()
            with pytest.raises(UowError):
                await session.find(Member, {"n": {"$frob": 1}}).to_list()

    assert store.stored() == ({"ann": 0, "bob": 0}, 0)
    assert await store.is_clean()


async def test_lost_updates(store: Store) -> None:
    """F47: of two that change one revision the second is stale, or can be run again."""
    async with Session(store.database) as one, Session(store.database) as two:
        mine = await one.find(Member, Member.name == "ann").one()
        theirs = await two.find(Member, Member.name == "ann").one()
        mine.n += 1
        theirs.n += 1
        await one.commit()
        with pytest.raises((StaleObjectError, RetryableError)):
            await two.commit()
        await two.rollback()

    assert store.stored()[0]["ann"] == 1


async def test_a_flush_that_dies_half_way(store: Store) -> None:
    """F54: all is as it was before, and the same flush can be tried again."""
    async with Session(store.database) as session:
        ann = await session.find(Member, Member.name == "ann").one()
        ann.n = 5
        log, twin = Log(text="one"), Member(name="bob")
        session.add_all([log, twin])
        with pytest.raises(ConstraintError) as caught:
            await session.commit()
        assert caught.value.constraint is not None
        assert store.stored() == ({"ann": 0, "bob": 0}, 0)
        assert {state(log), state(twin)} == {State.PENDING}
        assert session.is_modified(ann)
        twin.name = "cyd"
        with store.fail("insert", closeConnection=True, times=4), pytest.raises(UowError):
            await session.commit()
        assert {state(log), state(twin)} == {State.PENDING}
        await session.commit()

    assert store.stored() == ({"ann": 5, "bob": 0, "cyd": 0}, 1)
    assert await store.is_clean()


async def test_units_that_are_run_again(store: Store) -> None:
    """F52, F61: each run has a session of its own, and the unit is stored once."""
    tries: list[Session] = []

    async def unit(session: Session) -> None:
        tries.append(session)
        await work(session)

    conflict: Any = {"errorCode": 112, "errorLabels": ["TransientTransactionError"]}
    with store.fail("commitTransaction", "update", times=2, **conflict):
        await run(unit, store.database, retries=5)

    assert len({id(session) for session in tries}) == len(tries) == 3
    assert store.stored() == ({"ann": 1, "bob": 1}, 2)
    assert await store.is_clean()


@pytest.mark.parametrize("was_done", [True, False])
async def test_a_commit_without_an_answer(store: Store, was_done: bool) -> None:
    """F20, F21, F55, F56: unknown, until it is asked about; no hook runs, values stay readable."""
    ran: list[int] = []
    data: Any = {"closeConnection": True}
    if was_done:
        data = {"writeConcernError": {"code": 91, "codeName": "ShutdownInProgress", "errmsg": "x"}}
    session = Session(store.database, verify_commit=True)
    async with session:
        await work(session)
        session.on_commit(lambda: ran.append(1))
        with store.fail("commitTransaction", times=None, **data):
            with pytest.raises(CommitUnknownError) as caught:
                await session.commit()
            assert await is_quiet(store.url)
        assert session.outcome is Outcome.UNKNOWN
        with pytest.raises(UowError):
            await session.find(Member).to_list()
        expected = Outcome.APPLIED if was_done else Outcome.NOT_APPLIED
        assert await caught.value.verify() is expected
        await session.rollback()

    assert ran == []
    assert store.stored() == (({"ann": 1, "bob": 1}, 2) if was_done else ({"ann": 0, "bob": 0}, 0))
    assert await store.is_clean()


@pytest.mark.parametrize("how", [SCOPE, TASK])
async def test_units_that_are_cancelled(store: Store, how: str) -> None:
    """F01, F06, F08: at each wait: all of it or nothing, nothing on loan, and the outcome known."""
    number = 0
    before = store.stored()
    while True:
        number += 1
        sessions: list[Session] = []

        async def unit(sessions: list[Session] = sessions) -> None:
            async with Session(store.database) as session:
                sessions.append(session)
                await work(session)
                await session.commit()

        ended = await run_cancelled(unit(), how, (number,))
        assert ended.error is None
        assert await store.is_clean()
        members, logs = store.stored()
        step = members["ann"] - before[0]["ann"]
        assert step in {0, 1}
        assert members["bob"] - before[0]["bob"] == step
        assert logs - before[1] == 2 * step
        if ended.cancelled and step:
            assert sessions[0].outcome is Outcome.APPLIED
        before = (members, logs)
        if ended.waits < number:
            break
    gc.collect()

    assert number > 4
    assert before[0]["ann"] > 0


async def test_hooks_after_a_commit(store: Store) -> None:
    """F56: they run once it is known, also when COMMIT had to be sent again."""
    ran: list[int] = []
    async with Session(store.database) as session:
        await work(session)
        session.on_commit(lambda: ran.append(1))
        with store.fail("commitTransaction", closeConnection=True, times=1):
            await session.commit()
        assert ran == [1]

    with pytest.raises(SessionClosedError):
        await session.find(Member).to_list()
    assert store.stored() == ({"ann": 1, "bob": 1}, 2)


async def test_a_client_that_lost_everything(store: Store) -> None:
    """F26, F28: connections that the server closed are replaced, at the first statement."""
    await anyio.lowlevel.checkpoint()
    async with Session(store.database) as session:
        with store.fail("find", "aggregate", closeConnection=True, times=1):
            assert len(await session.find(Member).to_list()) == 2
    with store.fail("update", "insert", "find", closeConnection=True, times=1):
        async with Session.begin(store.database) as session:
            await work(session)

    assert store.stored() == ({"ann": 1, "bob": 1}, 2)
    assert await store.is_clean()
