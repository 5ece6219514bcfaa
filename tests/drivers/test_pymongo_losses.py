"""Transactions on MongoDB when servers, or the way to them, fail: by fail points."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import AbstractContextManager
from typing import Any

import anyio
import pytest

from tests.support.mongodb import (
    LEAVES_SOCKETS,
    Recorder,
    collected,
    database_of,
    fail_point,
    is_quiet,
)
from uow.database import Database
from uow.drivers._pymongo_connection import MongoDBConnection
from uow.drivers._pymongo_driver import MongoDBDriver
from uow.drivers.base import TransactionOptions
from uow.errors import (
    CommitUnknownError,
    ConnectionLostError,
    Outcome,
    RetryableError,
    StatementTimeoutError,
    TransactionPoisonedError,
    UowError,
)
from uow.operations import BulkWrite, Find
from uow.session.channel import Channel
from uow.session.stored_tokens import new_token

pytestmark = [pytest.mark.anyio, pytest.mark.usefixtures("collected"), LEAVES_SOCKETS]

__all__ = ["collected"]

WRITE = TransactionOptions()
ALL = Find("people", {}, sort=[("_id", 1)])

MakeDriver = Callable[..., MongoDBDriver]
Fail = Callable[..., AbstractContextManager[None]]


@pytest.fixture
def anyio_backend() -> str:
    """PyMongo runs under asyncio alone."""
    return "asyncio"


class Setting:
    """A connection, what makes its commands fail, and what was sent."""

    def __init__(
        self,
        driver: MongoDBDriver,
        connection: MongoDBConnection,
        fail: Fail,
        recorder: Recorder,
        url: str,
    ) -> None:
        self.driver = driver
        self.connection = connection
        self.fail = fail
        self.recorder = recorder
        self.url = url

    def stored(self) -> list[Any]:
        """The keys there are."""
        with database_of(self.url) as database:
            return [row["_id"] for row in database["people"].find(sort=[("_id", 1)])]


@pytest.fixture
async def setting(mongodb_driver: MakeDriver, mongodb_database: str) -> AsyncIterator[Setting]:
    """One connection in a database with a collection."""
    recorder = Recorder()
    driver = mongodb_driver(event_listeners=[recorder])
    connection = await driver.connect()
    await connection.execute(insert(0))
    recorder.sent.clear()
    app = driver.options.keywords["appname"]

    def fail(*commands: str, **data: Any) -> AbstractContextManager[None]:
        return fail_point(mongodb_database, *commands, app=app, **data)

    yield Setting(driver, connection, fail, recorder, mongodb_database)
    await connection.aclose()


def insert(*numbers: int) -> BulkWrite:
    """Documents by number."""
    return BulkWrite("people", [("insert", {"_id": number}) for number in numbers])


# -- statements of a transaction


@pytest.mark.parametrize(
    ("data", "kind"),
    [
        ({"closeConnection": True}, ConnectionLostError),
        ({"errorCode": 10107, "errorLabels": ["TransientTransactionError"]}, RetryableError),
        ({"errorCode": 91, "errorLabels": ["TransientTransactionError"]}, RetryableError),
        ({"errorCode": 11602, "errorLabels": ["TransientTransactionError"]}, RetryableError),
        ({"errorCode": 112, "errorLabels": ["TransientTransactionError"]}, RetryableError),
        ({"errorCode": 251, "errorLabels": ["TransientTransactionError"]}, RetryableError),
        ({"errorCode": 50, "errorLabels": ["TransientTransactionError"]}, StatementTimeoutError),
        ({"errorCode": 4711, "errorLabels": ["TransientTransactionError"]}, RetryableError),
    ],
)
@pytest.mark.parametrize("command", ["insert", "find"])
async def test_a_later_statement_is_lost(
    setting: Setting, command: str, data: Any, kind: type[UowError]
) -> None:
    """F23, F53, F59: nothing is sent again, the whole unit can be; nothing of it is left."""
    connection = setting.connection
    await connection.begin(WRITE)
    await connection.execute(insert(1))
    setting.recorder.sent.clear()
    with setting.fail(command, **data), pytest.raises(kind) as caught:
        await (connection.fetch(ALL) if command == "find" else connection.execute(insert(2)))

    assert type(caught.value) is kind
    assert caught.value.retryable
    assert caught.value.outcome is Outcome.NOT_APPLIED
    assert setting.recorder.names == [command]
    assert (connection.in_transaction, connection.has_failed) == (True, True)
    with pytest.raises(TransactionPoisonedError):
        await connection.fetch(ALL)
    await connection.rollback()
    assert setting.stored() == [0]
    assert await is_quiet(setting.url)
    await connection.begin(WRITE)
    await connection.execute(insert(1))
    await connection.commit()
    assert setting.stored() == [0, 1]


@pytest.mark.parametrize("command", ["insert", "find", "aggregate"])
@pytest.mark.parametrize("data", [{"closeConnection": True}, {"errorCode": 10107}])
async def test_the_first_statement_is_lost(setting: Setting, command: str, data: Any) -> None:
    """F26: nothing was done, so it is done again, once, in a transaction begun anew."""
    connection = setting.connection
    await connection.begin(WRITE)
    with setting.fail(command, **data):
        if command == "insert":
            await connection.execute(insert(1))
        elif command == "find":
            assert await connection.fetch(ALL) == [{"_id": 0}]
        else:
            async with connection.stream(ALL, batch_size=1) as batches:
                assert await anext(batches) == [{"_id": 0}]
    if command != "insert":
        await connection.execute(insert(1))
    await connection.commit()

    assert setting.stored() == [0, 1]
    first = [command for command in setting.recorder.sent if command.get("startTransaction")]
    assert len({command["txnNumber"] for command in first}) == len(first)
    assert len({bytes(command["lsid"]["id"]) for command in setting.recorder.sent}) == 1


async def test_the_first_statement_is_lost_twice(setting: Setting) -> None:
    """It is not done a third time; the connection is of use after a rollback."""
    connection = setting.connection
    await connection.begin(WRITE)
    with (
        setting.fail("insert", closeConnection=True, times=2),
        pytest.raises(ConnectionLostError) as caught,
    ):
        await connection.execute(insert(1))
    assert caught.value.outcome is Outcome.NOT_APPLIED
    assert setting.recorder.names.count("insert") == 2
    await connection.rollback()

    assert setting.stored() == [0]
    await connection.execute(insert(1))


async def test_the_second_statement_is_lost_after_the_first(setting: Setting) -> None:
    """Done again or not, the first one counts: the second is not, or the first would be gone."""
    connection = setting.connection
    await connection.begin(WRITE)
    with setting.fail("insert", closeConnection=True):
        await connection.execute(insert(1))
    with setting.fail("insert", closeConnection=True), pytest.raises(ConnectionLostError):
        await connection.execute(insert(2))
    assert connection.has_failed
    await connection.rollback()

    assert setting.stored() == [0]


async def test_the_first_statement_is_refused(setting: Setting) -> None:
    """What the server answers is no loss: it is not sent again."""
    connection = setting.connection
    await connection.begin(WRITE)
    with (
        setting.fail("insert", errorCode=112, errorLabels=["TransientTransactionError"]),
        pytest.raises(RetryableError),
    ):
        await connection.execute(insert(1))

    assert setting.recorder.names == ["insert"]
    await connection.rollback()


async def test_a_lost_rollback(setting: Setting) -> None:
    """F07: it is sent again by the client; a transaction that cannot be told ends by itself."""
    connection = setting.connection
    await connection.begin(WRITE)
    await connection.execute(insert(1))
    with setting.fail("abortTransaction", closeConnection=True):
        await connection.rollback()

    assert not connection.in_transaction
    assert await is_quiet(setting.url)
    assert setting.stored() == [0]


# -- COMMIT


@pytest.mark.parametrize("times", [1, 3])
@pytest.mark.parametrize(
    "data",
    [
        {"closeConnection": True},
        {"errorCode": 91},
        {"errorCode": 11602},
        {"errorCode": 4711, "errorLabels": ["UnknownTransactionCommitResult"]},
    ],
)
async def test_commit_is_sent_again(setting: Setting, data: Any, times: int) -> None:
    """F59: as long as the label says that nobody knows; from the second time on a majority."""
    connection = setting.connection
    await connection.begin(WRITE)
    await connection.execute(insert(1))
    setting.recorder.sent.clear()
    with setting.fail("commitTransaction", times=times, **data):
        await connection.commit()

    assert setting.stored() == [0, 1]
    assert not connection.in_transaction
    assert setting.recorder.names == ["commitTransaction"] * (times + 1)
    assert setting.recorder.sent[-1]["writeConcern"]["w"] == "majority"
    await connection.execute(insert(2))


async def test_commit_whose_answer_is_lost(setting: Setting) -> None:
    """F20: it is stored, and sending it again says so: the outcome is known, and nothing twice."""
    connection = setting.connection
    await connection.begin(WRITE)
    await connection.execute(insert(1))
    concern = {"code": 64, "codeName": "WriteConcernFailed", "errmsg": "waiting timed out"}
    with setting.fail(
        "commitTransaction", writeConcernError={**concern, "errInfo": {"wtimeout": True}}
    ):
        await connection.commit()

    assert setting.stored() == [0, 1]
    assert setting.recorder.names[-2:] == ["commitTransaction"] * 2


@pytest.mark.parametrize("was_done", [True, False])
async def test_commit_that_nobody_answers(setting: Setting, was_done: bool) -> None:
    """F20, F21: its budget ends; the connection is closed, and the server holds nothing."""
    connection = setting.connection
    await connection.begin(WRITE)
    await connection.execute(insert(1))
    data: Any = {"closeConnection": True}
    if was_done:
        concern = {"code": 91, "codeName": "ShutdownInProgress", "errmsg": "x"}
        data = {"writeConcernError": concern}
    with setting.fail("commitTransaction", times=None, **data):
        with anyio.move_on_after(0.5) as scope:
            await connection.commit()
        assert scope.cancelled_caught
        assert connection.is_closed
        # A thread of Motor's may send it again until the server has ended the session.
        assert await is_quiet(setting.url)

    assert setting.stored() == ([0, 1] if was_done else [0])


@pytest.mark.parametrize(
    ("data", "kind"),
    [
        ({"errorCode": 251, "errorLabels": ["TransientTransactionError"]}, RetryableError),
        ({"errorCode": 112, "errorLabels": ["TransientTransactionError"]}, RetryableError),
        ({"errorCode": 4711}, UowError),
    ],
)
async def test_commit_that_is_refused(setting: Setting, data: Any, kind: type[UowError]) -> None:
    """F46: it is not stored, can be run again if the label says so, and holds no locks."""
    connection = setting.connection
    await connection.begin(WRITE)
    await connection.execute(insert(1))
    with setting.fail("commitTransaction", **data), pytest.raises(kind) as caught:
        await connection.commit()

    assert caught.value.retryable == (kind is RetryableError)
    assert not connection.in_transaction
    if kind is RetryableError:
        # The server said it was gone, but this one was only made to say so.
        await connection.begin(WRITE)
        await connection.fetch(ALL)
        await connection.rollback()
    assert await is_quiet(setting.url)
    assert setting.stored() == [0]


async def test_commit_that_has_too_little_time(setting: Setting) -> None:
    """MaxTimeMSExpired would come again: the outcome is unknown."""
    connection = setting.connection
    await connection.begin(WRITE)
    await connection.execute(insert(1))
    with (
        setting.fail("commitTransaction", errorCode=50, times=None),
        pytest.raises(ConnectionLostError) as caught,
    ):
        await connection.commit()

    assert caught.value.outcome is Outcome.UNKNOWN
    assert connection.is_closed
    assert await is_quiet(setting.url)


# -- asking what became of it


@pytest.mark.parametrize("was_done", [True, False])
async def test_a_commit_is_asked_about(setting: Setting, was_done: bool) -> None:
    """F20-F22: the server remembers, and asking changes nothing."""
    connection = setting.connection
    await connection.begin(WRITE)
    await connection.execute(insert(1))
    question = setting.driver.question(connection)

    async def answer() -> Outcome:
        # A thread of Motor's may be at it still.
        while (found := await question()) is None:  # noqa: ASYNC110  # nobody is told of its end
            await anyio.sleep(0.01)
        return found

    data: Any = {"closeConnection": True}
    if was_done:
        data = {"writeConcernError": {"code": 91, "codeName": "ShutdownInProgress", "errmsg": "x"}}
    with setting.fail("commitTransaction", times=None, **data):
        with anyio.move_on_after(0.5):
            await connection.commit()
        assert connection.is_closed
        assert await is_quiet(setting.url)
        with pytest.raises(UowError):
            await answer()

    expected = Outcome.APPLIED if was_done else Outcome.NOT_APPLIED
    assert await answer() is expected
    assert await answer() is expected
    assert setting.stored() == ([0, 1] if was_done else [0])


async def test_a_commit_is_asked_about_too_late(setting: Setting) -> None:
    """Servers forget: then nobody knows."""
    connection = setting.connection
    await connection.begin(WRITE)
    await connection.execute(insert(1))
    await connection.commit()

    assert await connection.ask_again(anyio.current_time() - 1) is Outcome.UNKNOWN


async def test_tokens_of_a_session(setting: Setting, mongodb_database: str) -> None:
    """What a session keeps for a COMMIT that is not answered is the client's question."""
    async with Database(mongodb_database, commit_timeout=0.5) as database:
        app = mongodb_database.rpartition("appName=")[2]
        channel = Channel(database, WRITE)
        await channel.begin()
        await channel.write(insert(1), returns=False)
        token = new_token(database)
        await token.leave(channel)
        with fail_point(
            mongodb_database, "commitTransaction", times=None, app=app, closeConnection=True
        ):
            with pytest.raises(CommitUnknownError):
                await channel.commit()
            assert await is_quiet(mongodb_database)
        assert await token.verify(database) is Outcome.NOT_APPLIED

        await channel.begin()
        await channel.write(insert(1), returns=False)
        token = new_token(database)
        await token.leave(channel)
        await channel.commit()
        token.answered(database)
        assert await token.verify(database) is Outcome.APPLIED
    assert setting.stored() == [0, 1]
